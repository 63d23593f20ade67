"""The cells: each kind's equations, as plain functions, and the recipe that makes layers and kernels of them. NumPy only."""
