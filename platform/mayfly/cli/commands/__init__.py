"""One module for each command; the callable ``run`` is the command, its docstring the help."""
