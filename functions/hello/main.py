"""The smallest function: a name in the query, a greeting out."""


def hello(request):
    return f"Hello, {request.args.get('name', 'world')}!\n"
