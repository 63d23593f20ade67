"""A SIMD vector type for Numba (vector.py), and what works on it: arithmetic, loads and stores, matrix products.

call.py calls C functions by address; shared.py has the atomic operations that threads share.
"""
