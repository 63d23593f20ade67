"""A cell that was found in a graph."""

from dataclasses import dataclass

from streamrnn_converters.onnx.rewrite.linear import Array


@dataclass(frozen=True)
class Cell:
    """One step of a cell.

    op       a key of RECURRENT_KINDS
    x, h, c  names of the values that it takes; h is "" where the step begins with zeros that have been folded away, c is ""
             where the cell has none
    output   name of the value h' that it gives
    memory   name of the value c' that it gives, or ""
    weights  by the names of ONNX's inputs: "W" (n_gates H, I), "R" (n_gates H, H), "B" (2 n_gates H,); R is None where h is ""
    leads    whether there is an axis of size 1 before the two of h and h'
    """

    op: str
    x: str
    h: str
    c: str
    output: str
    memory: str
    weights: dict[str, Array | None]
    attributes: dict[str, object]
    leads: bool = False
