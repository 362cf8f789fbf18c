def handle(request:
    return 1
