"""The form of a model that kernels read: packed weights, op records, memory layouts; and the CPU that they are made for.

NumPy only, no compiler.
"""
