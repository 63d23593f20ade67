"""`Workspace`: the memory of one stream, and the table that leads a driver through it."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from streamrnn.memory_layout import state_vectors, stream_layout
from streamrnn.plan import Plan
from streamrnn.target.layout import aligned


class Workspace:
    """The memory of one stream, and the table (streamrnn/target/record.py) that leads a driver through it.

    `plan` is kept, since the table points into its arrays; `address` is the table's.
    `vectors[i][name]` is a view of the state vector `name` of layer i, (size,).
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        layout, itemsize = stream_layout(plan), np.dtype(plan.dtype).itemsize
        self._memory = {name: aligned(n_bytes // itemsize, plan.dtype) for name, n_bytes in layout.sizes.items()}
        self._table = aligned(len(layout.words), np.int64)
        layout.bind(self._table, plan.bases | {name: int(array.ctypes.data) for name, array in self._memory.items()})
        self.state, self.address = self._memory["state"], int(self._table.ctypes.data)
        self.vectors = [
            {name: self.state[at : at + initial.size] for name, (at, initial) in vectors.items()}
            for vectors in state_vectors(plan)
        ]

    @contextmanager
    def unchanged_by_errors(self) -> Iterator[None]:
        """Put the state back where what follows raises, be it Ctrl-C."""
        before = self.state.copy()
        try:
            yield
        except BaseException:
            self.state[:] = before
            raise
