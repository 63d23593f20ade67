"""A plan whose kernels and streams have few bytes."""

from streamrnn.layers import Layer
from streamrnn.plan import Plan
from streamrnn.target.cpu import pool_widths, widths
from streamrnn.target.packing import Width


class SmallPlan(Plan):
    """The narrowest panels, and room for one step of what the ops hand on: a chunk is taken step by step."""

    def _steps_of_a_tile(self) -> int:
        return 1

    def _width_for(self, layer: Layer) -> Width:
        row = layer.row
        of_driver = pool_widths if row is not layer and layer.states else widths
        return min(of_driver(row.passes, self.dtype, row.stored), key=lambda width: (width.units, width.ahead))
