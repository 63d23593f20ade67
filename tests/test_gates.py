"""The table of gate orders, and the conversion from one order to another."""

import numpy as np
import pytest

from streamrnn.gates import GATE_ORDERS, reorder

ENTRIES = [(cell, framework) for cell, orders in GATE_ORDERS.items() for framework in orders]
every_entry = pytest.mark.parametrize(("cell", "framework"), ENTRIES, ids=["-".join(entry) for entry in ENTRIES])


@every_entry
def test_every_framework_stacks_the_same_gates(cell: str, framework: str) -> None:
    assert sorted(GATE_ORDERS[cell][framework]) == sorted(GATE_ORDERS[cell]["streamrnn"])


@every_entry
def test_reorder_puts_each_gate_where_the_target_has_it(cell: str, framework: str) -> None:
    order = GATE_ORDERS[cell][framework]
    named = np.array([[[ord(gate)]] for gate in order], np.float32)
    ours = reorder(named, cell, framework)
    assert "".join(chr(int(gate)) for gate in ours.ravel()) == GATE_ORDERS[cell]["streamrnn"]


@every_entry
def test_reorder_there_and_back_changes_nothing(cell: str, framework: str) -> None:
    gates = np.random.default_rng(0).normal(size=(len(GATE_ORDERS[cell][framework]), 3, 2)).astype(np.float32)
    there = reorder(gates, cell, framework)
    np.testing.assert_array_equal(reorder(there, cell, "streamrnn", framework), gates)


def test_the_orders_are_those_of_the_operator_definitions() -> None:
    assert GATE_ORDERS["lstm"]["onnx"] == "iofg"
    assert GATE_ORDERS["lstm.peepholes"]["onnx"] == "iof"
    assert GATE_ORDERS["gru"]["onnx"] == "zrn"
    assert GATE_ORDERS["lstm"]["torch"] == "ifgo"
    assert GATE_ORDERS["gru"]["torch"] == "rzn"
