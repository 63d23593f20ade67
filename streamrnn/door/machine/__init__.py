"""The machine code of the compiled doors: from array objects to a driver and back.

`layout` says where Python's objects have what it reads, and is all of it that Python reads too; `objects` looks at arrays;
`stream` and `pool` are the two `step`s.
"""
