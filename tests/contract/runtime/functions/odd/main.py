import logging

from ops import mark, wait


def handle(event):
    return "not an event"


def broken_reply(event):
    return {"specversion": "1.0", "source": "/test"}


def show(event, context):
    logging.getLogger("user").warning("shown", extra={"order": 7})
    print('{"severity": "NOTICE", "message": "structured"}')
    return {"event": event, "context": {name: value for name, value in vars(context).items() if name[0] != "_"}}


def result(event, context):
    import json

    return json.loads(event["body"])
