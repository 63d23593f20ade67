"""Which axis of each value is time and which is batch, which sizes the axes have, and which values are constants.

`solver` goes over the graph with a small rule for each operator (`rules`) until nothing new is found.
"""
