"""One app with several functions: routes, a blueprint, a timer, and one that needs a queue."""

import json
import logging

import azure.functions as func
from stock import stock

app = func.FunctionApp()
app.register_functions(stock)


@app.route(route="products/{category:alpha}/{id:int?}", methods=["GET"])
def product(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(dict(req.route_params)), mimetype="application/json")


@app.route(route="products/new", methods=[func.HttpMethod.POST])
async def create(req: func.HttpRequest) -> str:
    return f"made {req.get_json()['name']} at {req.url}"


@app.function_name(name="greeting")
@app.route()
def greet(req: func.HttpRequest, context) -> func.HttpResponse:
    headers = {"X-Trace": context.trace_context.trace_parent, "Set-Cookie": "a=1"}
    return func.HttpResponse(f"hi {context.function_name}", status_code=201, headers=headers)


@app.timer_trigger(arg_name="timer", schedule="0 0 3 * * *")
def sweep(timer: func.TimerRequest) -> None:
    print("swept", timer.past_due)


@app.route(route="order", methods=["POST"])
@app.queue_output(arg_name="message", queue_name="orders", connection="C")
def order(req: func.HttpRequest, message: func.Out[str]) -> str:
    message.set("x")
    return "ordered"
