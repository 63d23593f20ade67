"""The kernels: what Numba compiles. They see addresses and sizes only (streamrnn/target/record.py).

A kernel is int64 (record, source, target, n_steps). It reads `n_steps` rows at `source`, the first buffer that its record names
(`source_at` finds the others), advances its states, writes `n_steps` rows at `target`, and answers DONE or what is wrong.
Nothing may alias.

stream, step, input_sums, cells   what makes the kernel of a recipe (streamrnn/cells)
panel                             what kernels share: fields of a record, copies and checks of rows
activations, exponential, error_function, formats   the elementary functions
driver                            what takes a plan's ops through the steps of a call
pool/                             the same for many streams
the others                        a builder for each kind of layer that has no recipe, of its name

The step of a layer, as it is compiled:

    for each pass: for each panel:
        sums = biases + W x, or what was made ahead, + R h          step
        states, output = cell(sums, states)                         streamrnn/cells
    the output to the target, checked                               stream
"""
