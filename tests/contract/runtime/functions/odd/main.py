import logging

from ops import mark, wait


def handle(event):
    return "not an event"


def broken_reply(event):
    return {"specversion": "1.0", "source": "/test"}


def show(event, context):
    logging.getLogger("user").warning("shown", extra={"order": 7})
    print('{"severity": "NOTICE", "message": "structured"}')
    shown = {name: value for name, value in vars(context).items() if name[0] != "_"}
    shown["identity"] = vars(context.identity)
    if context.client_context:
        shown["client_context"] = vars(context.client_context) | {"client": vars(context.client_context.client)}
    return {"event": event, "context": shown}


def result(event, context):
    import json

    return json.loads(event["body"])
