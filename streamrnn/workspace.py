"""`Workspace`: the memory of one stream, and the table that a driver reads."""

import numpy as np

from streamrnn.memory_layout import state_vectors, stream_layout
from streamrnn.plan import Plan
from streamrnn.target.layout import aligned
from streamrnn.target.packing import Array


class Workspace:
    """The memory of one stream, and the table (streamrnn/target/record.py) that a driver reads.

    plan     the plan; kept, since the table points into its arrays
    address  address of the table
    state    the block of all state vectors, (any,), of the model's dtype
    vectors  vectors[i][name] is a view of the state vector `name` of layer i, (size,)
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        layout, itemsize = stream_layout(plan), np.dtype(plan.dtype).itemsize
        self._memory = {name: aligned(n_bytes // itemsize, plan.dtype) for name, n_bytes in layout.sizes.items()}
        self._table = aligned(len(layout.words), np.int64)
        layout.bind(self._table, plan.bases | {name: int(array.ctypes.data) for name, array in self._memory.items()})
        self.state, self.address = self._memory["state"], int(self._table.ctypes.data)
        of_ops = state_vectors(plan)
        self.vectors = [
            {name: self.state[at : at + initial.size] for name, (at, initial) in vectors.items()} for vectors in of_ops
        ]
        vectors = [vector for of_op in of_ops for vector in of_op.values()]
        positions = [position for at, initial in vectors for position in range(at, at + initial.size)]
        self._positions = np.array(positions, np.int64)  # of the values in the state, in the order of a snapshot
        self._initial = self.state.copy()
        for at, initial in vectors:
            self._initial[at : at + initial.size] = initial

    @property
    def n_values(self) -> int:
        """Values of the state."""
        return self._positions.size

    def begin(self) -> None:
        """Give the stream the initial state."""
        self.state[:] = self._initial

    def write(self, values: Array) -> None:
        """Give the stream a state, (n_values,), in the order of a snapshot, in one assignment: Ctrl-C cannot halve it."""
        after = self._initial.copy()
        after[self._positions] = values
        self.state[:] = after

    def read(self) -> Array:
        """A copy of the state, (n_values,), in the order of a snapshot."""
        values: Array = self.state[self._positions]
        return values
