def connect(depth):
    if depth == 0:
        raise ConnectionError("no database at db:5432")
    connect(depth - 1)


connect(40)


def handle(request):
    return "never"
