import functions_framework.aio
from ops import run_async
from starlette.responses import JSONResponse, Response, StreamingResponse


@functions_framework.aio.http
async def handle(request):
    op = request.url.path.strip("/")
    kind, value = await run_async(op, request.query_params.get("name"), await request.body())
    match kind:
        case "json":
            return JSONResponse(value)
        case "stream":
            return StreamingResponse(value)
        case "bytes":
            return Response(value, media_type="application/octet-stream")
    return None
