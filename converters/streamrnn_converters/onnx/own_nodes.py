"""Operators of this importer's own, which stand where a loop over the steps of a signal was. No file can have them."""

#: One step of a signal: it without its axis of time.
ROW = "row of a step"
#: What is computed in a step, as a signal: with the axis of time of another.
STEPS = "all steps"
#: What is computed in a step, after the last one.
LAST = "last step"
