"""Which graph inputs bring back what an output gave in the run before: found by flow, name and shape, or said by hand."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from streamrnn.errors import ConversionError
from streamrnn_converters.onnx.carried.flow import Reach, fitting, reach
from streamrnn_converters.onnx.carried.names import is_signal, is_state, likeness
from streamrnn_converters.onnx.graph import Graph, Input

#: How a pair was found.
BY_HAND, BY_FLOW, BY_NAME, BY_SHAPE = "by hand", "by the flow of the values", "by name", "by shape, as no other output fits"
BY_ORDER, BY_LOOP = "by their order", "by the loop that has them"

_LIKE = 2  # likeness from which on two names are those of one state


@dataclass(frozen=True)
class Candidates:
    """What the graph alone shows, before it is known what its nodes compute.

    states  inputs that are taken for states
    fits    by input: the outputs of its shape and type
    reach   how inputs reach outputs
    named   the output of a state, where a name or the caller tells it
    said    whether the caller said what is carried
    own     the states of loops, which are no inputs of the file
    """

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    states: frozenset[str]
    fits: Mapping[str, tuple[str, ...]]
    reach: Reach
    named: Mapping[str, str]
    said: bool = False
    own: frozenset[str] = frozenset()

    @property
    def pairs(self) -> dict[str, str]:
        """By state: the output that gives it back, "" where that is not known yet."""
        return {name: self.named.get(name, "") for name in self.states}


def candidates(graph: Graph, said: Mapping[str, str] | None = None) -> Candidates:
    """The inputs of a graph that are states, as far as it shows.

    said  all pairs of input and output, if the caller knows; {} means that nothing is carried

    Raises ConversionError where what is said does not fit the graph.
    """
    own = graph.own_states
    if own:
        return _with_own(_candidates(_in_the_file(graph, own), said), graph, own)
    return _candidates(graph, said)


def _in_the_file(graph: Graph, own: Mapping[str, str]) -> Graph:
    """The graph without inputs and outputs that are not in the file."""
    inputs = tuple(entry for entry in graph.inputs if entry.name not in own)
    return replace(graph, inputs=inputs, outputs=tuple(name for name in graph.outputs if name not in own.values()))


def _with_own(known: Candidates, graph: Graph, own: Mapping[str, str]) -> Candidates:
    """With the states of loops too."""
    return replace(
        known,
        inputs=graph.inputs,
        outputs=graph.outputs,
        states=known.states | own.keys(),
        fits={**known.fits, **{name: (output,) for name, output in own.items()}},
        reach=reach(graph),
        named={**known.named, **own},
        own=frozenset(own),
    )


def _candidates(graph: Graph, said: Mapping[str, str] | None) -> Candidates:
    found = reach(graph)
    fits = {entry.name: tuple(fitting(graph, entry)) for entry in graph.inputs}
    if said is not None:
        _check_said(graph, fits, said)
        return Candidates(graph.inputs, graph.outputs, frozenset(said), fits, found, dict(said), said=True)
    open_axes = {entry.name: entry.sizes.count(None) for entry in graph.inputs}
    free = [e.name for e in graph.inputs if e.name not in found.initial and fits[e.name] and open_axes[e.name] < 2]
    named = _alike(free, fits, _LIKE)
    states = {name for name in free if name in named or (is_state(name) and any(name in found.any[o] for o in fits[name]))}
    left = [name for name in free if name not in states]
    numbered = {name: out for name, out in _alike(left, fits, 1).items() if out not in named.values()}
    everything = {entry.name for entry in graph.inputs}
    if everything - found.initial - states - set(numbered) and len(graph.outputs) > len(named) + len(numbered):
        states, named = states | set(numbered), named | numbered
    if not everything - found.initial - states:  # a model has a signal
        states = {name for name in states if is_state(name)} if not found.initial and len(everything) > 1 else set[str]()
    kept = {name: out for name, out in named.items() if name in states}
    return Candidates(graph.inputs, graph.outputs, found.initial | states, fits, found, kept)


def _alike(names: Collection[str], fits: Mapping[str, tuple[str, ...]], least: int) -> dict[str, str]:
    """The output of each input that is called most like it, where both choose each other."""
    found: dict[str, str] = {}
    for score in range(4, least - 1, -1):
        taken = set(found.values())
        pairs = [(n, o) for n in names if n not in found for o in fits[n] if o not in taken and likeness(n, o) == score]
        inputs, outputs = Counter(name for name, _ in pairs), Counter(output for _, output in pairs)
        found |= {name: output for name, output in pairs if inputs[name] == outputs[output] == 1}
    return found


def _check_said(graph: Graph, fits: Mapping[str, tuple[str, ...]], said: Mapping[str, str]) -> None:
    for name, output in said.items():
        for what, one, every in (("input", name, list(fits)), ("output", output, list(graph.outputs))):
            if one not in every:
                raise ConversionError(f"states: the graph has no {what} {one!r}; it has {', '.join(map(repr, every))}")
        if output not in fits[name]:
            raise ConversionError(
                f"states: graph output {output!r} has not the shape and type of input {name!r}, so that it cannot go back there"
            )
    twice = [output for output, count in Counter(said.values()).items() if count > 1]
    if twice:
        raise ConversionError(f"states: output {twice[0]!r} is given for several inputs; name one output for each")


def choose(
    known: Candidates,
    fits: Mapping[str, Collection[str]],
    by_flow: Mapping[str, tuple[str, str]],
    same: Mapping[str, str],
) -> dict[str, tuple[str, str]]:
    """By input that is a state: the output that gives it back, and how that was found.

    fits     by input: the outputs that have its shape
    by_flow  the same for the inputs that begin the states of recurrent layers
    same     by output: the first output that gives the same values

    Raises ConversionError where several outputs may be meant.
    """
    found = dict(by_flow)
    found |= {name: (known.named[name], BY_LOOP) for name in known.named if name in known.own}
    how = BY_HAND if known.said else BY_NAME
    found |= {name: (output, how) for name, output in known.named.items() if name not in found}
    back = Counter(output for output, _ in found.values())
    for name, (output, _) in found.items():
        if back[output] > 1 and name not in by_flow:
            raise _doubt(known, name, list(fits[name]), [name])
    left = [entry.name for entry in known.inputs if entry.name in known.states and entry.name not in found]
    while left:
        taken = {output for output, _ in found.values()}
        every = {name: _groups(known, name, [o for o in fits[name] if o not in taken], same) for name in left}
        decided = _decided(known, every) or _in_order(known, found, every)
        if not decided:
            raise _doubt(known, left[0], [output for group in every[left[0]] for output in group], left, _outputs(found))
        found |= decided
        left = [name for name in left if name not in decided]
    return found


def _outputs(found: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {name: output for name, (output, _) in found.items()}


def _groups(known: Candidates, name: str, outputs: Collection[str], same: Mapping[str, str]) -> list[list[str]]:
    """The outputs that may give an input back; those that give the same values together."""
    groups: dict[str, list[str]] = {}
    for output in outputs:
        if name in known.reach.any[output]:
            groups.setdefault(same[output], []).append(output)
    return list(groups.values())


def _decided(known: Candidates, every: Mapping[str, list[list[str]]]) -> dict[str, tuple[str, str]]:
    """The inputs for which one output only is left, or one only that the input reaches by sums and products."""
    for how in (BY_SHAPE, BY_FLOW):
        chosen = {}
        for name, groups in every.items():
            if how == BY_FLOW:
                groups = [group for group in groups if any(name in known.reach.linear[output] for output in group)]
            if len(groups) == 1 and (len(known.outputs) > 1 or is_state(groups[0][-1])):
                chosen[name] = groups[0][-1], how
        outputs = Counter(output for output, _ in chosen.values())
        found = {name: pair for name, pair in chosen.items() if outputs[pair[0]] == 1}
        if found:
            return found
    return {}


def _in_order(
    known: Candidates, found: Mapping[str, tuple[str, str]], every: Mapping[str, list[list[str]]]
) -> dict[str, tuple[str, str]]:
    """The outputs in the order of the inputs, where the states are the last of both, or the first of both."""
    n_states = len(known.states)
    for part in (slice(-n_states, None), slice(n_states)):
        pairs = dict(zip([entry.name for entry in known.inputs][part], known.outputs[part], strict=False))
        others_fit = all(found[name][0] == output for name, output in pairs.items() if name in found)
        fit = pairs.keys() == known.states and all(
            any(pairs[name] in group for group in groups) for name, groups in every.items()
        )
        if fit and others_fit:
            return {name: (pairs[name], BY_ORDER) for name in every}
    return {}


def _doubt(
    known: Candidates,
    name: str,
    outputs: list[str],
    doubtful: Collection[str],
    paired: Mapping[str, str] | None = None,
) -> ConversionError:
    """The question which output gives an input back, with the answer that the order of inputs and outputs would be.

    doubtful  all inputs for which this is open
    paired    the pairs that are known
    """
    if not outputs:
        return ConversionError(
            f"graph input {name!r}: is called like a state, but no output is left that could give it back; if it is a "
            "signal, name the states: states={'input': 'output'} (--state input=output), or states={} (--state none)"
        )
    options = " or ".join(repr(output) for output in outputs)
    pairs = dict(paired or {})
    inputs = [entry.name for entry in known.inputs]
    for other in doubtful:
        place = inputs.index(other) - len(inputs)
        in_place = known.outputs[place] if -place <= len(known.outputs) else ""
        left = [output for output in known.fits[other] if output not in pairs.values()]
        if left:
            pairs[other] = in_place if in_place in left else left[-1]
    settings = " ".join(f"--state {given}={output}" for given, output in pairs.items())
    return ConversionError(
        f"graph input {name!r}: may be a state that comes back as output {options}, or a signal; say which pairs are "
        f"carried, all of them: states={pairs!r} ({settings}), or states={{}} (--state none) if none is"
    )


def check_signals(known: Candidates, signals: Collection[str], outputs: Collection[str], paired: Mapping[str, str]) -> None:
    """Ask, by a ConversionError, where an input that was taken for a signal may be a state.

    signals  the inputs that are signals of a single step
    outputs  those that give no state back
    paired   the states, and the output of each
    """
    if known.said or len(signals) < 2 or len(outputs) < 2:
        return
    doubtful = {}
    for name in [entry.name for entry in known.inputs if entry.name in signals and not is_signal(entry.name)]:
        open_to = [o for o in known.fits[name] if o in outputs and name in known.reach.any[o] and not is_signal(o)]
        if open_to:
            doubtful[name] = open_to
    for name, open_to in doubtful.items():
        raise _doubt(known, name, open_to, doubtful, paired)
