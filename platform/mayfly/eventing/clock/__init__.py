"""Do once for all replicas what time brings: ticks of schedules, and clearing away what was kept long enough.

``leading`` chooses who; ``ticking`` makes events of what ``agenda`` says is due; ``retention`` deletes in small steps.
"""
