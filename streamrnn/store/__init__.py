"""Machine code kept between processes: a kernel is compiled once per machine, and then loaded without importing Numba.

`key` says what a kernel's code depends on, `files` keeps it on disk, `loader` puts it into memory, `code` joins the three.
docs/decisions/object-store.md tells why Numba's own cache is not used.
"""

from streamrnn.store.code import address_of

__all__ = ["address_of"]
