import os
import requestz


def handle(request):
    return "never"
