"""The machine code of the compiled doors: from array objects to a driver and back.

layout         offsets of the fields that it reads; the only file here that Python code uses too
objects        checks of arrays
stream, pool   the two `step` functions
entry_lock     enter and leave
"""
