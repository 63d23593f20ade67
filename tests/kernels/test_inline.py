"""Kernels end as LLVM's text, of which machine code is made once."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from streamrnn.kernels.compile import compiled
from streamrnn.kernels.inline import _Compiler
from streamrnn.target.cpu import driver_width
from streamrnn.target.packing import INT8, Width

#: The sums of one stream at a time: where what follows a loop was once taken for code that is never reached.
ONE_AT_A_TIME = Width(16, 1, np.float32, 0, INT8)


def test_no_loop_of_a_kernel_is_endless() -> None:
    _, text = compiled("cells.gru.reset_after/pool", ONE_AT_A_TIME)
    for block, after in re.findall(r"^(\S+):.*\n(?:  .*\n)*?  br label %(\S+)$", text, re.MULTILINE):
        assert block != after


def test_a_kernel_is_not_made_of_what_llvm_has_prepared_for_machine_code() -> None:
    """LLVM names so what it derives from an address that it moves to where it is used."""
    for path in ("cells.lstm.standard/stream", "cells.gru.reset_before/pool"):
        symbol, text = compiled(path, ONE_AT_A_TIME._replace(stored=None))
        assert symbol in text
        assert "sunkaddr" not in text


def test_a_part_of_several_kernels_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[object] = Counter()
    compile_core = _Compiler._compile_core

    def counted(self: _Compiler, args: Any, return_type: Any) -> Any:
        made[self.py_func.__code__, args, self.py_func.__closure__ is None] += 1
        return compile_core(self, args, return_type)

    monkeypatch.setattr(_Compiler, "_compile_core", counted)
    width = driver_width(np.float32)._replace(lanes=2)  # that of no other test: what it needs is not there yet
    for path in "kernels.driver.run", "door.machine.stream.step", "kernels.exported.advance":
        compiled(path, width)
    assert max(made.values()) == 1
