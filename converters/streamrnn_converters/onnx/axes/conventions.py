"""Roles for the axes of an input that no node has told about, in the order in which they are tried.

Of a state, an open axis is batch, and the others lie within a step; so do the others where time and batch are known. Else the
last axis does, if no other is known to. The rest are batch, or time and batch in either order; a fixed size of 1 is rather the
batch. If there are still more, the input is refused (`Roles.check`), unless the caller has said which is time.
"""

from collections.abc import Mapping
from itertools import permutations

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.axes.roles import Roles, names_of
from streamrnn_converters.onnx.graph import Graph, Input

_MOST_TRIED = 4  # axes as time
_FEWEST_AXES = 2  # of an input with time and batch, or values


def time_axes_of(graph: Graph, given: int | Mapping[str, int] | None) -> dict[str, int]:
    """The index of the axis of time by the name of an input, as a caller gives it: a number is for the first input.

    Raises ConversionError for an input or an axis that is not there.
    """
    if given is None or not graph.inputs:
        return {}
    named = given if isinstance(given, Mapping) else {graph.inputs[0].name: given}
    ranks = {entry.name: len(entry.sizes) for entry in graph.inputs}
    found = {}
    for name, axis in named.items():
        if name not in ranks:
            raise ConversionError(f"time_axis names {name!r}, which is no graph input; these are: {', '.join(ranks)}")
        if not isinstance(axis, int) or not -ranks[name] <= axis < ranks[name]:
            raise ConversionError(f"graph input {name!r}: time_axis={axis!r} is none of its {ranks[name]} axes, counted from 0")
        found[name] = axis % ranks[name]
    return found


def other_time_axes(graph: Graph, given: Mapping[str, int]) -> list[tuple[str, int]]:
    """A few axes that may be time, of the first input of floats: open ones first, and the first axis after the others.

    None where the caller has said which is time.
    """
    entry = next((entry for entry in graph.inputs if not entry.is_integer), None)
    if entry is None or given or len(entry.sizes) < _FEWEST_AXES:
        return []
    axes = [index for index, size in enumerate(entry.sizes) if size != 1]
    usual = sorted(axes, key=lambda index: (entry.sizes[index] is not None, index == 0, index))
    return [(entry.name, index) for index in usual[:_MOST_TRIED]]


def unsettled(roles: Roles) -> list[Input]:
    """The inputs with an axis that has no role yet, states last."""
    found = [
        entry for entry in roles.inputs if any(name not in roles.roles and name not in roles.lone for name in names_of(entry))
    ]
    return sorted(found, key=lambda entry: entry.name in roles.states)


def choices(roles: Roles, entry: Input) -> list[dict[str, str]]:
    """Roles for the axes of an input that have none, by name; the usual ones first."""
    names = names_of(entry)
    free = [name for name in names if name not in roles.roles and name not in roles.lone]
    known = [roles.roles[name] for name in names if name in roles.roles]
    wanted = [role for role in ("time", "batch") if role not in known]
    sizes = dict(zip(names, entry.sizes, strict=True))
    if entry.name in roles.states:
        batch = [name for name in free if sizes[name] is None and "batch" in wanted][:1]
        return [dict.fromkeys(free, "feature") | dict.fromkeys(batch, "batch")]
    if not wanted:
        return [dict.fromkeys(free, "feature")]
    within = {}
    if free[-1] == names[-1] and "feature" not in known and not entry.is_integer and len(names) > 1:
        within[free.pop()] = "feature"
    if len(free) > len(wanted):
        if "time" in wanted:
            roles.excess.add(entry.name)
        return [within | dict.fromkeys(free, "feature") | dict(zip(free, wanted, strict=False))]
    orders = list(permutations(wanted, len(free)))[:: 1 if len(free) > 1 else -1]
    if [sizes[name] == 1 for name in free] == [True, False]:
        orders = orders[::-1]
    return [within | dict(zip(free, order, strict=True)) for order in orders]
