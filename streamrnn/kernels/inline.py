"""How kernels are compiled: the options of every `@inline` function."""

from numba import njit

#: Division follows IEEE 754, and there is no fast-math: the bits of a result depend on the shapes alone (bit reproducibility,
#: the machine law).
OPTIONS = {"forceinline": True, "error_model": "numpy", "nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

#: A function that is always inlined into its caller.
inline = njit(**OPTIONS)
