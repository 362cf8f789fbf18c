import os
import sys


def handle(request):
    return sorted(sys.modules)


def path(request):
    import mayfly_runtime

    return {
        "path": sys.path,
        "code": os.environ["MAYFLY_CODE_DIR"],
        "dependencies": os.environ["MAYFLY_DEPENDENCIES_DIR"],
        "runtime": os.path.dirname(os.path.dirname(mayfly_runtime.__file__)),
        "child": os.environ["PYTHONPATH"],
    }


def uvicorn_names(request):
    import uvicorn

    assert uvicorn.Config and uvicorn.Server
    return {"version": uvicorn.__version__}
