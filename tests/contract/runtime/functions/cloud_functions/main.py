"""Functions as the guides for functions-framework write them."""

import functions_framework
import functions_framework.aio
from flask import abort
from werkzeug.exceptions import HTTPException


class Unpaid(Exception):
    pass


class Greeting:
    def __init__(self, name, language):
        self.name = name
        self.language = language

    @staticmethod
    def from_dict(document):
        return Greeting(document["name"], document.get("language", "en"))

    def to_dict(self):
        return {"name": self.name, "language": self.language}


@functions_framework.errorhandler(Unpaid)
def tell_unpaid(error):
    return f"pay first: {error}", 402


@functions_framework.errorhandler(HTTPException)
def tell_http(error):
    return {"told": error.code}, error.code


@functions_framework.http
def pay(request):
    if request.path == "/teapot":
        abort(418)
    if request.path == "/bug":
        raise KeyError("not handled")
    raise Unpaid(request.args["who"])


@functions_framework.typed
def greet(greeting: Greeting):
    return Greeting(greeting.name.upper(), greeting.language)


@functions_framework.typed(Greeting)
def count(greeting):
    return str(len(greeting.name))


def archive(data, context):
    print("archived", data, context.event_id, context.event_type, context.resource)
    if data == {"fail": True}:
        raise Unpaid("background")


@functions_framework.aio.http
def blocking(request):
    return f"{type(request).__module__} {request.query_params['a']}"


@functions_framework.aio.cloud_event
async def on_event(event):
    print("event", event["type"], event.data)


@functions_framework.cloud_event
def on_sale(event):
    if "unpaid" in event.data:
        raise Unpaid(event["id"])
    print("sale", event["type"], event.data["message"]["data"])
    if event["type"] == "t":
        return {"type": "sold", "source": "/test", "data": {"of": event.data["message"]["data"]}}
    return None
