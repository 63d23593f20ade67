"""A model as C: an object file with its weights and code, a header, and a test. And kernels compiled ahead.

write    `export_c`: the files
image    what the object file holds beside code
code     the object file
archive  a static library of it
texts    the header and the test program (model.h, test.c are their templates)
linked   shared libraries, where a linker is
library  the kernels of models as one shared library, for Python without a compiler
"""

from streamrnn.exporting.write import TARGETS, export_c

__all__ = ["TARGETS", "export_c"]
