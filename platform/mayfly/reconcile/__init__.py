"""Bring a Function to be what its spec says: observe, build, deploy, route, report.

Vocabulary: an *observation* is what the cluster holds at one moment; a *verdict* is what one condition is to say;
a *phase* takes values and returns values, and only its last step acts. One rule: everything is level-triggered.
Nothing is remembered outside the API objects, so a lost event, a crash or a second controller changes nothing.
"""
