"""The kernels: what Numba compiles. They see addresses and sizes only (streamrnn/target/record.py).

A builder makes a kernel for one width: int64 (record, source, target, n_steps). It reads `n_steps` rows at `source`, the first
place that its record names (`read_place` finds the others), advances its states, writes `n_steps` rows at `target`, and answers
DONE or what is wrong. Nothing may alias.
"""
