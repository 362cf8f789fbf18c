"""Make Kubernetes objects from values: what should exist, never how it comes to exist.

Vocabulary: *owner* is the Function for which an object is made; *make* returns a whole desired object, owner reference
and labels included; *live* is the object as the cluster has it. One rule: every function here is pure. It takes
values and returns a value; it reads no clock, no settings, no cluster.
"""
