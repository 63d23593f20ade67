"""Machine code kept between processes: a kernel is compiled once per machine, and then loaded without importing Numba.

`key` says what a kernel's code depends on, `files` keeps it on disk, `turn` lets one process compile and others wait, `loader`
puts code into memory, `code` joins them. docs/decisions/object-store.md tells why Numba's own cache is not used.
"""

from streamrnn.code_cache.code import Function, address_of, asked_for, compiled_here, keep, size_kept
from streamrnn.code_cache.files import directory, trusted_directory

__all__ = ["Function", "address_of", "asked_for", "compiled_here", "directory", "keep", "size_kept", "trusted_directory"]
