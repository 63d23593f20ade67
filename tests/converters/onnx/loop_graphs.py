"""Graphs with a Scan or a Loop over cells, by hand, as tf2onnx writes the layers of Keras that are not unrolled."""

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.converters.onnx.cell_graphs import Builder, H, I, keras_cell

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Loops:
    """A graph with loops in the making: `outer` is the graph, and each loop makes a body of its own.

    x  the signal, time first: (time, batch, I)
    """

    def __init__(self) -> None:
        self.outer, self.n = Builder(1), 0

    def body(self) -> Builder:
        self.n += 1
        return Builder(self.n, f"inner{self.n}_")

    def graph(self, b: Builder, inputs: dict[str, int], outputs: list[str]) -> Any:
        """A body; weights lie within it."""
        infos = [helper.make_tensor_value_info(name, kind, None if kind == FLOAT else []) for name, kind in inputs.items()]
        ends = [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs]
        tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in b.tensors.items()]
        return helper.make_graph(b.nodes, f"body{self.n}", infos, ends, tensors)

    def states(self, kind: str, zeros: bool = True) -> list[str]:
        count = 2 if kind == "lstm" else 1
        shape = (2, H)
        draw = self.outer.weights
        return [self.outer.constant(np.zeros(shape, np.float32)) if zeros else draw(1, H) for _ in range(count)]

    def scan(
        self, kind: str, x: str, *, layers: int = 1, change: Callable[..., str] | None = None, states: Any = (), **options: Any
    ) -> list[str]:
        """A Scan over x: its final states, and all h."""
        b = self.body()
        initial = [*states] or [state for _ in range(layers) for state in self.states(kind)]
        names = [f"{b.prefix}s{k}" for k in range(len(initial))]
        row, ends = f"{b.prefix}x", []
        h = row
        per = len(initial) // layers
        for layer in range(layers):
            own = names[layer * per : (layer + 1) * per]
            h, c = keras_cell(b, kind, I if layer == 0 else H)(h, own[0], own[-1])
            ends += [h, c][:per]
        given = h if change is None else change(b, h)
        outputs = [b.Identity(name) for name in (*ends, given)]
        body = self.graph(b, dict.fromkeys([*names, row], FLOAT), outputs)
        made = self.outer.Scan(*initial, x, outputs=len(outputs), body=body, num_scan_inputs=1, **options)
        return list(made)

    def loop(self, kind: str, x: str, n_steps: str, *, how: str = "", initial: str = "", axis: int = 0) -> list[str]:
        """A Loop that picks the rows of x: its final states, and all h.

        how  "counted": by a number of the step of its own, which also ends it; "sliced": by an index of one axis; "compared":
             counted, and it begins if there is a step; all numbers are cast to floats for that, as tf2onnx writes it
        """
        b, begin = self.body(), self.states(kind)
        counted = how in ("counted", "compared")
        names = [f"{b.prefix}s{k}" for k in range(len(begin))]
        step, going, count = (f"{b.prefix}{name}" for name in ("step", "going", "count"))
        one = b.constant(np.int64(1))
        if how == "sliced":
            place = b.Unsqueeze(step, b.constant(np.array([0])))
            row = b.Squeeze(b.Gather(x, place, axis=axis), b.constant(np.array([axis])))
        else:
            row = b.Gather(x, count if counted else b.Cast(step, to=TensorProto.INT32), axis=axis)
        h, c = keras_cell(b, kind, I)(row, names[0], names[-1])
        following = b.Add(count, one)
        condition = b.And(b.Less(following, n_steps), b.Less(following, n_steps)) if counted else b.Identity(going)
        if how == "compared":
            floats = [b.Cast(number, to=FLOAT) for number in (following, step, n_steps)]
            condition = b.And(b.Less(floats[0], floats[2]), b.Less(floats[1], floats[2]))
            more = self.outer.Less(self.outer.constant(np.float32(0)), self.outer.Cast(n_steps, to=FLOAT))
            initial = self.outer.And(more, more)
        ends = [*([following] if counted else []), *[h, c][: len(names)]]
        outputs = [condition, *(b.Identity(name) for name in (*ends, h))]
        inputs = {step: INT64, going: BOOL, **({count: INT64} if counted else {}), **dict.fromkeys(names, FLOAT)}
        if not counted:
            b.nodes = [node for node in b.nodes if node.output[0] != following]
        body = self.graph(b, inputs, outputs)
        if counted:
            begin.insert(0, self.outer.constant(np.int64(0)))
            body.output[1].type.tensor_type.elem_type = INT64
        body.output[0].type.tensor_type.elem_type = BOOL
        most = self.outer.constant(np.int64(2**63 - 1)) if counted else n_steps
        return list(self.outer.Loop(most, initial, *begin, outputs=len(outputs) - 1, body=body))[counted:]

    def model(self, outputs: dict[str, str], axes: str = "TB") -> bytes:
        sizes: dict[str, Any] = {"T": "time", "B": 2, "F": I}
        return self.outer.model({"x": [sizes[letter] for letter in f"{axes}F"]}, outputs)


def scanned(**options: Any) -> bytes:
    """A Scan over a GRU."""
    g = Loops()
    *_, y = g.scan("gru", "x", **options)
    return g.model({"y": y})


def looped(kind: str = "gru", n_steps: int = 0, *, going: bool = True, how: str = "") -> bytes:
    """A Loop over so many steps; 0: over all that there are."""
    g = Loops()
    all_of_them = g.outer.Gather(g.outer.Shape("x"), g.outer.constant(np.int64(0)))
    given = "" if going else g.outer.constant(np.array(False))
    *_, y = g.loop(kind, "x", g.outer.constant(np.int64(n_steps)) if n_steps else all_of_them, initial=given, how=how)
    return g.model({"y": y})


def open_ended() -> bytes:
    """A Loop that nothing ends."""
    g = Loops()
    *_, y = g.loop("gru", "x", "")
    return g.model({"y": y})
