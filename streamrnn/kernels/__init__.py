"""The kernels: what Numba compiles. They see addresses and sizes only (streamrnn/record.py)."""
