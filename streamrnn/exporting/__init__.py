"""A model as C: an object file with its weights and code, a header, and a test.

write    `export_c`: the files
image    what the object file holds beside code
code     the object file
archive  a static library of it
texts    the header and the test program (model.h, test.c are their templates)
linked   shared libraries, where a linker is
"""

from streamrnn.exporting.write import TARGETS, export_c

__all__ = ["TARGETS", "export_c"]
