import os

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name(name="SendMail")
@app.route(route="mail/{id}", methods=["POST"])
def send_mail(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("sent")


@app.route(route="health", auth_level=func.AuthLevel.ANONYMOUS)
def health(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("ok")


@app.timer_trigger(schedule="0 */15 * * * *", arg_name="timer", run_on_startup=True, use_monitor=False)
def remind(timer: func.TimerRequest) -> None: ...


@app.schedule(schedule="30 0 6 1 * MON", arg_name="timer")
def never(timer: func.TimerRequest) -> None: ...


@app.schedule(schedule=os.environ["WHEN"], arg_name="timer")
def sometime(timer: func.TimerRequest) -> None: ...


@app.queue_trigger(arg_name="msg", queue_name="mails", connection="AzureWebJobsStorage")
@app.blob_output(arg_name="out", path="sent/{id}", connection="AzureWebJobsStorage")
def queued(msg: func.QueueMessage, out: func.Out[str]) -> None: ...
