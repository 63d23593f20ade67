"""The equations of each kind of layer: cells, which are plain functions, and recipes, from which kernels are built. NumPy only.

A cell takes the sums and states of a unit, and returns its new states (streamrnn/recipe.py).
"""
