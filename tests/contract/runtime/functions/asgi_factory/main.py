from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def home(request):
    return PlainTextResponse("made")


def create_app():
    return Starlette(routes=[Route("/", home)])
