"""The error tree: what users may catch, and that its docstring draws it as it is."""

import inspect
import re

import pytest

import streamrnn
from streamrnn import errors

CLASSES = {name: cls for name, cls in vars(errors).items() if inspect.isclass(cls)}
DRAWN = re.findall(r"^(?:[│ ]*[├└]── )?(\w+Error)\b(?:.*\(also an? (\w+)\))?", errors.__doc__ or "", re.MULTILINE)


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_is_public_and_a_streamrnn_error(name: str) -> None:
    assert issubclass(CLASSES[name], errors.StreamRNNError)
    assert getattr(streamrnn, name) is CLASSES[name]
    assert name in streamrnn.__all__
    assert CLASSES[name].__doc__


def test_the_docstring_draws_every_error() -> None:
    assert sorted(name for name, _ in DRAWN) == sorted(CLASSES)


@pytest.mark.parametrize(("name", "also"), [(name, also) for name, also in DRAWN if also])
def test_an_error_is_also_the_builtin_that_the_docstring_says(name: str, also: str) -> None:
    assert also in {base.__name__ for base in CLASSES[name].__mro__ if base.__module__ == "builtins"}


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ModelError", ValueError),
        ("ArchiveError", ValueError),
        ("ConversionError", ValueError),
        ("VerificationError", RuntimeError),
        ("InputError", ValueError),
        ("NonFiniteInputError", errors.InputError),
        ("NonFiniteStateError", ArithmeticError),
        ("SnapshotError", ValueError),
        ("StoreError", OSError),
        ("StreamBusyError", RuntimeError),
        ("DeviceError", RuntimeError),
        ("MissingExtraError", ImportError),
    ],
)
def test_python_people_catch_an_error_where_they_expect_it(name: str, builtin: type[Exception]) -> None:
    with pytest.raises(builtin):
        raise CLASSES[name]("somewhere: something")
