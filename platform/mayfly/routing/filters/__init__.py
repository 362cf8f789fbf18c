"""Make the filters of one route, one module for each kind of policy. Pure.

Each function returns ``chain.Filter`` values: a name and a message for Envoy. ``mayfly.routing.policy`` says in which
order they stand.
"""
