"""Machine code kept between processes: a kernel is compiled once per machine, and then loaded without importing Numba.

code          the address of a function: from memory, from disk, or from the compiler
key           what a function's machine code depends on, as a hash
sources       the sources of the package, wherever it lies
files         the directory of machine code, and which of its files are trusted
compile_lock  one process compiles, the others wait
loader        machine code into memory
library       kernels compiled ahead, in shared libraries that need no compiler
unusable      what is said where compiled code cannot be kept, or cannot be made

docs/decisions/object-store.md says why Numba's own cache is not used.
"""

from streamrnn.code_cache.code import Function, address_of, are_ready, keep, load_all, size_kept
from streamrnn.code_cache.files import directory, trusted_directory
from streamrnn.code_cache.key import numba_version
from streamrnn.code_cache.unusable import why_not_kept

__all__ = [
    "Function",
    "address_of",
    "are_ready",
    "directory",
    "keep",
    "load_all",
    "numba_version",
    "size_kept",
    "trusted_directory",
    "why_not_kept",
]
