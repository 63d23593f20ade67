"""Machine code kept between processes: a kernel is compiled once per machine, and then loaded without importing Numba.

code          the address of a function: from memory, from disk, or from the compiler
key           what a function's machine code depends on, as a hash
files         the directory of machine code, and which of its files are trusted
compile_lock  one process compiles, the others wait
loader        machine code into memory

docs/decisions/object-store.md says why Numba's own cache is not used.
"""

from streamrnn.code_cache.code import Function, address_of, asked_for, compiled_here, keep, size_kept
from streamrnn.code_cache.files import directory, trusted_directory

__all__ = ["Function", "address_of", "asked_for", "compiled_here", "directory", "keep", "size_kept", "trusted_directory"]
