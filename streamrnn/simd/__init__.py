"""A SIMD vector type for Numba, and what can be done with it."""
