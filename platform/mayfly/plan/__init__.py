"""Decide what to build, from a source tree alone.

Vocabulary: a *source tree* maps paths to bytes; a *dialect* is a handler and its calling convention; a
*dependency plan* says what to install and under which key its layer is kept; a *fingerprint* names everything that
determines an image.

The one rule: nothing here runs, imports or fetches anything. Code is read as text and as a syntax tree.
"""
