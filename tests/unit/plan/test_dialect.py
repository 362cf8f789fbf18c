"""The dialect is read from the source alone, and says why."""

from __future__ import annotations

import textwrap

import pytest

from mayfly import errors
from mayfly.model import build
from mayfly.plan import dialect, tree


def _tree(files: dict[str, str]) -> tree.SourceTree:
    return tree.make_tree({path: textwrap.dedent(text).encode() for path, text in files.items()})


def _detect(files: dict[str, str], handler: str | None = None, signature: str = "auto") -> dialect.Dialect:
    return dialect.detect(_tree(files), handler=handler, signature=build.Signature(signature))


FOUND = {
    "plain hello(request)": ({"handler.py": "def hello(request): ..."}, "handler:hello", "http"),
    "plain handle(req)": ({"handler.py": "def handle(req): ..."}, "handler:handle", "http"),
    "async request": ({"main.py": "async def anything(request): ..."}, "main:anything", "http"),
    "flask annotation": (
        {"main.py": "import flask\ndef thumb(r: flask.Request) -> str: ..."},
        "main:thumb",
        "http",
    ),
    "conventional name, any parameter": ({"main.py": "def main(x): ..."}, "main:main", "http"),
    "default parameters do not count": ({"main.py": "def run(request, db=None): ..."}, "main:run", "http"),
    "framework http mark": (
        {"main.py": "import functions_framework\n@functions_framework.http\ndef f(r): ...\ndef g(request): ..."},
        "main:f",
        "http",
    ),
    "framework http mark by name": (
        {"main.py": "from functions_framework import http\n@http\ndef f(r): ..."},
        "main:f",
        "http",
    ),
    "framework event mark": (
        {"main.py": "import functions_framework as ff\n@ff.cloud_event\ndef on_order(e): ..."},
        "main:on_order",
        "cloudevent",
    ),
    "framework aio mark": (
        {"main.py": "import functions_framework.aio\n@functions_framework.aio.http\nasync def f(r): ..."},
        "main:f",
        "http",
    ),
    "cloudevent annotation": (
        {"handler.py": "from cloudevents.http import CloudEvent\ndef created(x: CloudEvent): ..."},
        "handler:created",
        "cloudevent",
    ),
    "cloudevent text annotation": (
        {"handler.py": "def created(x: 'CloudEvent | None') -> None: ..."},
        "handler:created",
        "cloudevent",
    ),
    "cloudevent name": ({"handler.py": "def on_created(event): ..."}, "handler:on_created", "cloudevent"),
    "lambda": (
        {"lambda_function.py": "def lambda_handler(event, context): ..."},
        "lambda_function:lambda_handler",
        "lambda",
    ),
    "lambda handler": ({"handler.py": "def handler(event, context): ..."}, "handler:handler", "lambda"),
    "lambda wrapped": (
        {"app.py": "from x import logged\n@logged(level=3)\ndef handler(event, _context): ..."},
        "app:handler",
        "lambda",
    ),
    "lambda beside helper": (
        {"handler.py": "def parse(request): ...\ndef lambda_handler(event, context): ..."},
        "handler:lambda_handler",
        "lambda",
    ),
    "lambda only file": ({"payments.py": "def callback(event, context): ..."}, "payments:callback", "lambda"),
    "fastapi": (
        {"main.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef index(request): ..."},
        "main:app",
        "asgi",
    ),
    "fastapi alias": ({"main.py": "import fastapi as f\nshop: object = f.FastAPI(title='x')"}, "main:shop", "asgi"),
    "starlette": (
        {"asgi.py": "from starlette.applications import Starlette\napplication = Starlette()"},
        "asgi:application",
        "asgi",
    ),
    "quart": ({"app.py": "from quart import Quart\napp = Quart(__name__)"}, "app:app", "asgi"),
    "flask": (
        {"app.py": "from flask import Flask\napp = Flask(__name__)\n@app.route('/')\ndef hello(): ..."},
        "app:app",
        "wsgi",
    ),
    "flask under a guard": (
        {"app.py": "from flask import Flask\napp = Flask(__name__)\nif __name__ == '__main__':\n    app = app.run()"},
        "app:app",
        "wsgi",
    ),
    "flask factory": (
        {"app.py": "from flask import Flask\ndef create_app():\n    a = Flask('x')\n    return a\napp = create_app()"},
        "app:app",
        "wsgi",
    ),
    "bottle": ({"app.py": "import bottle\napp = bottle.default_app()"}, "app:app", "wsgi"),
    "django wsgi": (
        {"shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()"},
        "shop.wsgi:application",
        "wsgi",
    ),
    "django asgi": (
        {"asgi.py": "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()"},
        "asgi:application",
        "asgi",
    ),
    "django template has both": (
        {
            "manage.py": "def main(): ...",
            "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()",
            "shop/asgi.py": "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()",
        },
        "shop.wsgi:application",
        "wsgi",
    ),
    "raw asgi": ({"main.py": "async def app(scope, receive, send): ..."}, "main:app", "asgi"),
    "raw wsgi": ({"main.py": "def app(environ, start_response): ..."}, "main:app", "wsgi"),
    "asgi class": (
        {"main.py": "class App:\n    async def __call__(self, scope, receive, send): ...\napp = App()"},
        "main:app",
        "asgi",
    ),
    "asgi wrapped": (
        {"main.py": "from fastapi import FastAPI\nfrom m import Timing\ninner = FastAPI()\napp = Timing(inner)"},
        "main:app",
        "asgi",
    ),
    "asgi app preferred to mangum": (
        {"main.py": "from fastapi import FastAPI\nfrom mangum import Mangum\napp = FastAPI()\nhandler = Mangum(app)"},
        "main:app",
        "asgi",
    ),
    "two apps, one called app": (
        {"main.py": "from fastapi import FastAPI\nadmin = FastAPI()\napp = FastAPI()\napp.mount('/admin', admin)"},
        "main:app",
        "asgi",
    ),
    "app in package": ({"app/main.py": "from fastapi import FastAPI\napp = FastAPI()"}, "app.main:app", "asgi"),
    "app imported": (
        {"main.py": "from shop.web import app", "shop/web.py": "from fastapi import FastAPI\napp = FastAPI()"},
        "main:app",
        "asgi",
    ),
    "handler imported relatively": (
        {"pkg/__init__.py": "from .core import handler", "pkg/core.py": "def handler(event, context): ..."},
        "pkg:handler",
        "lambda",
    ),
    "defined in try": (
        {"main.py": "try:\n    import x\nexcept ImportError:\n    x = None\nelse:\n    def main(request): ..."},
        "main:main",
        "http",
    ),
    "alias assignment": ({"main.py": "def _x(event, context): ...\nhandler = _x"}, "main:handler", "lambda"),
    "framework typed mark": (
        {"main.py": "import functions_framework\n@functions_framework.typed(Greeting)\ndef f(g): ..."},
        "main:f",
        "typed",
    ),
    "dataclass": (
        {"main.py": "from dataclasses import dataclass\n@dataclass\nclass Order: ...\ndef take(order: Order): ..."},
        "main:take",
        "typed",
    ),
    "dataclass with options, in a list": (
        {"main.py": "import dataclasses as d\n@d.dataclass(frozen=True)\nclass O: ...\ndef main(os: 'list[O]'): ..."},
        "main:main",
        "typed",
    ),
    "pydantic model of another module": (
        {
            "main.py": "from shop.models import Order\ndef take(request: Order): ...",
            "shop/models.py": "from pydantic import BaseModel\nclass Base(BaseModel): ...\nclass Order(Base): ...",
        },
        "main:take",
        "typed",
    ),
    "pydantic model through its module": (
        {
            "main.py": "import models\ndef take(x: models.Order): ...",
            "models.py": "import pydantic\nclass Order(pydantic.BaseModel): ...",
        },
        "main:take",
        "typed",
    ),
    "background": ({"main.py": "def archive(data, context): ..."}, "main:archive", "background"),
    "background by annotation": (
        {
            "main.py": "from google.cloud import functions_v1\n"
            "def on_file(event: dict, c: functions_v1.context.Context): ..."
        },
        "main:on_file",
        "background",
    ),
    "pubsub shape stays lambda": ({"main.py": "def hello_pubsub(event, context): ..."}, "main:hello_pubsub", "lambda"),
    "knative class": (
        {
            "func.yaml": "name: f",
            "function/__init__.py": "from .func import new",
            "function/func.py": "def new():\n    return Function()\n"
            "class Function:\n    async def handle(self, scope, receive, send): ...",
        },
        "function:new",
        "knative",
    ),
    "knative class without new": (
        {"func.py": "class Function:\n    async def handle(self, scope, receive, send): ..."},
        "func:Function",
        "knative",
    ),
    "knative module": ({"func.py": "async def handle(scope, receive, send): ..."}, "func:handle", "knative"),
    "knative main": (
        {"func.py": "from parliament import Context\ndef main(context: Context): ..."},
        "func:main",
        "knative",
    ),
    "knative main without annotation": ({"func.py": "def main(context): ..."}, "func:main", "knative"),
    "knative event mark": (
        {"func.py": "from parliament import event\n@event(event_type='t')\ndef main(c): ..."},
        "func:main",
        "knative",
    ),
    "openfaas": (
        {"stack.yml": "", "hello/handler.py": "def handle(event, context):\n    return {'body': event.body}"},
        "hello.handler:handle",
        "openfaas",
    ),
    "openfaas in any file": (
        {"main.py": "def handle(event, context):\n    if event.method == 'GET': ..."},
        "main:handle",
        "openfaas",
    ),
    "openfaas by its file": ({"handler.py": "def handle(event, context): ..."}, "handler:handle", "openfaas"),
    "lambda named handle": ({"main.py": "def handle(event, context): ..."}, "main:handle", "lambda"),
    "lambda named handle in handler.py": (
        {"handler.py": "def handle(event, context):\n    return event['body']"},
        "handler:handle",
        "lambda",
    ),
    "openfaas classic": ({"handler.py": "def handle(req):\n    return req"}, "handler:handle", "openfaas"),
    "openfaas classic that parses": (
        {"handler.py": "import json\ndef handle(req):\n    order = json.loads(req)"},
        "handler:handle",
        "openfaas",
    ),
    "openfaas classic by another name": (
        {"handler.py": "def handle(st):\n    return 'You said: ' + st"},
        "handler:handle",
        "openfaas",
    ),
    "handle of a request object": (
        {"handler.py": "def handle(req):\n    return req.get_json()"},
        "handler:handle",
        "http",
    ),
    "azure app": (
        {
            "function_app.py": "import azure.functions as f\napp = f.FunctionApp()\n"
            "@app.route(route='x')\ndef main(req: f.HttpRequest): ..."
        },
        "function_app:app",
        "azure",
    ),
    "azure asgi app": (
        {
            "function_app.py": "import azure.functions as f\nfrom fastapi import FastAPI\nsite = FastAPI()\n"
            "app = f.AsgiFunctionApp(app=site)"
        },
        "function_app:site",
        "asgi",
    ),
    "azure asgi app around one from elsewhere": (
        {
            "function_app.py": "import azure.functions as f\nfrom shop_site import site\n"
            "app = f.AsgiFunctionApp(app=site)"
        },
        "function_app:app",
        "azure",
    ),
    "azure model v1": (
        {"Hello/__init__.py": "import azure.functions as func\ndef main(req: func.HttpRequest, out: func.Out): ..."},
        "Hello:main",
        "azure",
    ),
    "azure model v1 without annotation": (
        {"Hello/__init__.py": "def main(req): ...\ndef handle(req): ...", "Hello/function.json": "{}"},
        "Hello:main",
        "azure",
    ),
    "fission": ({"hello.py": "def main():\n    return 'Hello'"}, "hello:main", "fission"),
    "fission with flask": (
        {"main.py": "from flask import request, current_app\ndef main(): ..."},
        "main:main",
        "fission",
    ),
    "nuclio": (
        {"main.py": "def init_context(context): ...\ndef handler(context, event): ..."},
        "main:handler",
        "nuclio",
    ),
    "openwhisk": ({"main.py": "def main(args): ..."}, "main:main", "openwhisk"),
    "openwhisk by annotation": ({"__main__.py": "def main(x: dict) -> dict: ..."}, "__main__:main", "openwhisk"),
    "tests are not handlers": (
        {"shop.py": "def buy(request): ...", "test_shop.py": "def test_buy(request): ..."},
        "shop:buy",
        "http",
    ),
    "byte order mark and coding line": (
        {"main.py": "\ufeff# -*- coding: utf-8 -*-\ndef main(req): ..."},
        "main:main",
        "http",
    ),
}


@pytest.mark.parametrize(("files", "handler", "signature"), FOUND.values(), ids=FOUND)
def test_detected(files: dict[str, str], handler: str, signature: str) -> None:
    """Each customary way of writing a function is understood without any configuration."""
    found = _detect(files)
    assert (found.handler, found.signature) == (handler, signature)
    assert found.reason.startswith("`")
    assert " in " in found.reason


HELPERS = {
    "a function of a data class": "from dataclasses import dataclass\n@dataclass\nclass O: ...\ndef main(o: O): ...",
    "a script's main": "def main():\n    return build()",
    "a background shape": "def store(data, context): ...",
    "the other order": "def log(context, event): ...",
}


@pytest.mark.parametrize("helper", HELPERS.values(), ids=HELPERS)
@pytest.mark.parametrize(
    ("handler", "signature"),
    [("def checkout(request): ...", "http"), ("def checkout(event, context): ...", "lambda")],
    ids=["http", "lambda"],
)
def test_helpers_do_not_compete(helper: str, handler: str, signature: str) -> None:
    """A shape that helpers have too gives way to a surer one, in its own file and in a less customary one."""
    for files in ({"main.py": f"{helper}\n{handler}"}, {"main.py": helper, "shop.py": handler}):
        found = _detect(files)
        assert (found.handler.endswith(":checkout"), found.signature) == (True, signature)


CHOSEN = {
    "module:name": ("shop:b", "auto", "shop:b", "lambda"),
    "module.name": ("shop.b", "auto", "shop:b", "lambda"),
    "name alone": ("b", "auto", "shop:b", "lambda"),
    "weak name with signature": ("shop:c", "http", "shop:c", "http"),
    "signature overrules shape": ("shop:a", "cloudevent", "shop:a", "cloudevent"),
    "signature alone": (None, "lambda", "shop:b", "lambda"),
    "attribute path with signature": ("shop:D.call", "http", "shop:D.call", "http"),
    "module alone": ("one", "auto", "one:only", "http"),
}


@pytest.mark.parametrize(("handler", "asked", "expected", "signature"), CHOSEN.values(), ids=CHOSEN)
def test_chosen(handler: str | None, asked: str, expected: str, signature: str) -> None:
    """What the author states wins over what the source shows."""
    files = {
        "shop.py": "def a(request): ...\ndef b(event, context): ...\ndef c(thing): ...\nclass D:\n    pass",
        "one.py": "def only(request): ...",
    }
    found = _detect(files, handler, asked)
    assert (found.handler, found.signature) == (expected, signature)


REFUSED = {
    "nothing there": ({"readme.py": "X = 1"}, None, "auto", "no handler found: looked in readme.py"),
    "no python": ({"index.js": "x"}, None, "auto", "holds no Python file"),
    "no argument": ({"main.py": "def main(): ..."}, None, "auto", "main.py:1 `def main()` takes no argument"),
    "two of a data class": (
        {"main.py": "from pydantic import BaseModel\nclass O(BaseModel): ...\ndef a(o: O): ...\ndef b(o: O): ..."},
        None,
        "auto",
        "main.py:4 `b(o)` takes the data class O (typed)",
    ),
    "a script": (
        {"main.py": "def main():\n    return 0\nif __name__ == '__main__':\n    main()"},
        None,
        "auto",
        "`def main()` takes no argument",
    ),
    "new makes no function": (
        {"main.py": "class A: ...\ndef new():\n    return A()"},
        None,
        "auto",
        "`def new()` takes no argument",
    ),
    "several": (
        {"main.py": "def a(request): ...\n\ndef b(request): ..."},
        None,
        "auto",
        "main.py:3 `b(request)` takes a request (http)",
    ),
    "several files": (
        {"main.py": "def lambda_handler(event, context): ...", "app.py": "def lambda_handler(event, context): ..."},
        None,
        "auto",
        "several handlers fit",
    ),
    "missing module": (
        {"main.py": "def f(request): ..."},
        "shop:f",
        "auto",
        "no module 'shop' (shop.py); it holds main.py",
    ),
    "missing function": (
        {"main.py": "def first(request): ...\ndef second(request): ..."},
        "main:third",
        "auto",
        "main.py has no `third`; it defines first (line 1), second (line 2)",
    ),
    "missing bare name": ({"main.py": "def first(request): ..."}, "third", "auto", "no handler named 'third' found"),
    "unknown factory": ({"main.py": "from x import make\napp = make()"}, "main:app", "auto", "result of x.make()"),
    "arity": (
        {"main.py": "def f(request): ..."},
        "main:f",
        "lambda",
        "`def f(request)` (main.py:1) cannot be called with the 2 arguments of signature lambda",
    ),
    "signature fits nothing": (
        {"main.py": "def f(request): ..."},
        None,
        "asgi",
        "no handler with signature asgi found",
    ),
    "route is not a handler": (
        {"main.py": "from x import app as a\napi = a.make()\n@api.get('/')\ndef index(request): ..."},
        None,
        "auto",
        "is registered with api",
    ),
}


@pytest.mark.parametrize(("files", "handler", "signature", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(files: dict[str, str], handler: str | None, signature: str, text: str) -> None:
    """A refusal names what was seen, with file and line, and how to choose."""
    with pytest.raises(errors.HandlerError) as caught:
        _detect(files, handler, signature)
    assert text in str(caught.value)
    assert "spec." in str(caught.value)


SYNTAX = {
    "colon": ("def f(x)\n    pass\n", "main.py:1: expected ':'\n    def f(x)\n            ^"),
    "indentation": ("def f(x):\nreturn 1\n", "main.py:2: expected an indented block"),
    "python 2": ("x = 1\nprint 'a'\n", "main.py:2: Missing parentheses"),
    "null byte": ("x = 1\0\n", "null bytes"),
    "deep": ("(" * 500, "too many nested parentheses"),
    "very deep": ("x = " + "-" * 100_000 + "1", "main.py"),
    "walrus at top": ("x := 1\n", "main.py:1: invalid syntax"),
    "undecodable": ("# coding: utf-99\n", "unknown encoding"),
}


@pytest.mark.parametrize(("source", "text"), SYNTAX.values(), ids=SYNTAX)
def test_syntax(source: str, text: str) -> None:
    """A file that does not parse is reported with its line and the place in it."""
    with pytest.raises(errors.SyntaxProblem) as caught:
        _detect({"main.py": source})
    assert text in str(caught.value)


def test_nothing_runs() -> None:
    """Reading a module never executes it."""
    found = _detect({"main.py": "raise SystemExit\nimport os; os._exit(1)\ndef main(request): ..."})
    assert found.handler == "main:main"
