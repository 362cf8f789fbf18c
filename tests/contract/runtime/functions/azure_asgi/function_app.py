import azure.functions as func
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

site = Starlette(routes=[Route("/hello/{name}", lambda r: PlainTextResponse(f"hello {r.path_params['name']}"))])
app = func.AsgiFunctionApp(app=site, http_auth_level=func.AuthLevel.ANONYMOUS)
