"""The builder process: turns build requests into images, over HTTP, for the controller alone.

It holds no Kubernetes credential and no state that matters: kill it at any moment, ask again, and the registry tells
what was finished. Run it with ``python -m mayfly.builder``.

The HTTP server is aiohttp's, because the registry client has loaded it already: FastAPI and uvicorn beside it would add
10 MB to a process that idles at some 55 MB.
"""
