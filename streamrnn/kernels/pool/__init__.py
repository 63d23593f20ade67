"""The kernels of pools: what those of streamrnn/kernels do for many steps of one stream, these do for a step of many streams.

A kernel is int64 (record, source, target, n_streams). It reads a row for each stream at `source`, advances their states, which
lie wherever they are (record field ROWS), writes a row each at `target`, and answers DONE, or STATE_NOT_FINITE where the state
of any is not. Kinds without a state need none of their own: many streams are to them as many steps. The bits are those of a
single stream (the company law).
"""
