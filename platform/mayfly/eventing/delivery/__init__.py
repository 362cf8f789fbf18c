"""Bring what is due to where it belongs: claim, try once, decide, settle.

``dispatch`` claims as ``slots`` has room (what each function takes, by ``limiter``), ``deliver`` carries one lease
through ``post``, and ``outcome`` with ``followups`` decides, purely, what is settled.
The rule: only who holds the current lease settles, and what follows is stored in the same transaction.
"""
