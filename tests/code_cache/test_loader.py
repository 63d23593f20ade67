"""Object files: they load, answer, and refer to nothing outside themselves."""

import ctypes

import pytest

from streamrnn.code_cache import loader

ADD = "define i64 @add(i64 %a, i64 %b) {\n  %sum = add i64 %a, %b\n  ret i64 %sum\n}\n"
OUTSIDE = "declare i64 @numba_gil_ensure()\ndefine i64 @call() {\n  %x = call i64 @numba_gil_ensure()\n  ret i64 %x\n}\n"


def test_an_object_file_answers() -> None:
    add = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(loader.load(loader.emit("add", ADD)))
    assert add(40, 2) == 42


def test_two_objects_may_have_the_same_names() -> None:
    first = loader.load(loader.emit("add", ADD))
    second = loader.load(loader.emit("add", ADD.replace("add i64", "sub i64")))
    signature = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    assert (signature(first)(40, 2), signature(second)(40, 2)) == (42, 38)


def test_code_that_calls_outside_itself_is_refused() -> None:
    with pytest.raises(RuntimeError, match="numba_gil_ensure"):
        loader.emit("call", OUTSIDE)
