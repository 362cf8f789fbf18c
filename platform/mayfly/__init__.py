"""Mayfly: functions as a service on Kubernetes and Knative.

One direction: ``FunctionSpec -> BuildPlan -> Image -> ImageRef@digest -> Knative objects -> apply -> Status``.
The rooms and the rule each keeps are in ``docs/architecture.md``.
"""

__version__ = "0.1.0"
