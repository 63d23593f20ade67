"""The kernels of pools: each takes one step of many streams, where the kernels of streamrnn/kernels take many steps of one.

A kernel is int64 (record, source, target, n_streams). It reads a row for each stream at `source`, advances the states, whose
addresses are in lists (record field ROWS), and writes a row for each stream at `target`. It returns DONE, or STATE_NOT_FINITE
where a state of any stream is infinite or NaN. A layer without a state has no kernel here: to its other kernel, many streams
are many steps. The bits are those of a stream alone (batch invariance, the company law).
"""
