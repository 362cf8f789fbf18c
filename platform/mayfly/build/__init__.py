"""Carry out a build: fetch the source, install dependencies, pack layers, push the image.

The one rule: nothing of the user's runs. Archives are read member by member into one unnamed file, packages are
installed from wheels only, and bytecode is compiled, never imported, in a process of its own with bounded means.
Foreign exceptions stop here and become those of ``mayfly.errors``.
"""
