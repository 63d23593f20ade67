"""Where the entries of a graph's axis of time lie in a stream: how late they are, and how many rows of the input each takes.

An operator that moves along time, such as a convolution, only says what its windows are (`Sliding`). From its first entry on,
a stream then gives each one as soon as it has all that it depends on.
"""

from typing import NamedTuple

from streamrnn_converters.onnx.windows import Sliding


class TimeMap(NamedTuple):
    """At its step t a stream has the entry t - late of a value.

    late     steps; negative: so many zeros stand before what a stream has at first, put there by nothing yet
    surplus  entries that the axis has more than the stream has steps; negative: fewer
    rate     rows of the model's input for each step
    """

    late: int = 0
    surplus: int = 0
    rate: int = 1

    def padded(self, before: int, after: int) -> "TimeMap":
        """With so many entries more before the first and after the last; negative: with as many cut off."""
        return self._replace(late=self.late - before, surplus=self.surplus + before + after)

    def slid(self, one: Sliding) -> tuple["TimeMap", list[int]]:
        """That of what windows give; and how many steps ago what each of their taps sees then was."""
        late = max(0, (self.late + one.reach - one.before) // one.stride)
        surplus = (self.surplus + one.before + one.after - one.reach - 1) // one.stride + 1
        first = one.stride - 1 + late * one.stride + one.before - self.late
        return TimeMap(late, surplus, self.rate * one.stride), [first - tap * one.dilation for tap in range(one.taps)]


#: That of a graph input.
AS_IT_COMES = TimeMap()
