import flask
from parliament import Context, event


@event(event_source="/shop", event_type="shop.counted")
def count(context: Context):
    assert isinstance(context, Context)
    return {"of": context.cloud_event["type"], "data": context["cloud_event"].data}


def main(context: Context):
    if context.request.method == "GET":
        return f"hello {context.request.args['name']} {'cloud_event' in context}", 201
    return flask.jsonify(context.request.get_json())
