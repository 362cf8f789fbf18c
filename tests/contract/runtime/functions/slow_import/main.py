from ops import mark, wait

mark("importing")
wait("open")


def handle(request):
    return "loaded"
