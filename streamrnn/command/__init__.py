"""The command `streamrnn`: one file for each subcommand, and behind `run` one for each thing that it has to get right.

import_.py, verify.py    a foreign model in, proven against onnxruntime (proof.py)
inspect.py               what an archive holds
run.py                   data through a model: formats/ (rows from bytes and back), session.py (rows to outputs and state),
                         interruption.py (signals, closed pipes), descriptors.py (files), state_file.py (going on later)
warmup.py                machine code compiled ahead; inventory.py finds all kernels
"""

from streamrnn.command.application import main

__all__ = ["main"]
