"""The kernels: what Numba compiles. A kernel sees addresses and sizes only (streamrnn/target/record.py).

A kernel is int64 (record, source, target, n_steps). It reads `n_steps` rows at the address `source`, advances the states of its
layer, writes `n_steps` rows at the address `target`, and returns DONE or a status that says what is wrong. `source` belongs to
the first source of the layer; `source_at` gives the addresses of the others. No two of these memory areas may overlap.

compile                                            from the path of a kernel to LLVM's text for this CPU
stream, step, input_sums, cells                    build the kernel of a layer that has a recipe (streamrnn/recipe.py)
panel                                              what kernels share: reading a record, copying and checking rows
activations, exponential, error_function, formats  the elementary functions
driver                                             takes the steps of a call through all ops of a plan
pool/                                              the same for many streams
the others                                         a kind of layer that has no recipe, in the file of its name

How the kernel of a layer with a recipe is built:

1. The layer gives the path of its recipe, such as "cells.gru.reset_after" (streamrnn/cells/gru.py). A recipe lists passes over
   the weights. Each pass says which vectors feed which sums, and has a cell: a plain Python function of sums and states.
2. `compile` finds the recipe by this path. `stream_kernel` makes the kernel for one stream, `pool_kernel` that for a pool.
3. `cells` compiles the cell for vectors of units. `step` writes the loops around it in LLVM's IR.

What the compiled kernel does in a step:

    for each pass, for each panel of units:
        sums = bias + W x + R h                  step; bias + W x may have been computed ahead (input_sums)
        new states = cell(sums, states)          streamrnn/cells
    copy the output to the target, check it      stream

So each equation is written once, for streams, pools and GPUs. The reset gate of a GRU, for example, is applied in
streamrnn/cells/gru.py: by `reset_after_cell`, and by `reset_and_update` for the form with the reset before the product.
"""
