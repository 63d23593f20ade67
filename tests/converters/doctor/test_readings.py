"""Arrays that are not one recurrent layer are refused."""

import numpy as np
import pytest

from streamrnn import ConversionError
from streamrnn_converters.doctor import diagnose
from streamrnn_converters.proof.recording import Recording

REFUSED: dict[str, dict[str, tuple[int, ...]]] = {
    "one matrix": {"a": (16, 3)},
    "no gates of any kind": {"a": (20, 3), "b": (20, 4)},
    "other inputs": {"a": (16, 5), "b": (16, 4)},
    "a bias of another size": {"a": (16, 3), "b": (16, 4), "c": (15,)},
    "three biases": {"a": (16, 3), "b": (16, 4), "c": (16,), "d": (16,), "e": (16,)},
    "a head of another size": {"a": (16, 3), "b": (16, 4), "c": (5, 4)},
    "something left over": {"a": (16, 3), "b": (16, 4), "c": (7, 7)},
    "a number": {"a": (), "b": (16, 4)},
    "two layers": dict.fromkeys("abcdefgh", (16, 4)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_arrays_that_are_not_one_layer_are_refused(what: str) -> None:
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=shape) for name, shape in REFUSED[what].items()}
    with pytest.raises(ConversionError, match="one recurrent layer"):
        diagnose(arrays, Recording(rng.normal(size=(9, 3)), rng.normal(size=(9, 4)), ""))


def test_random_garbage_is_refused_or_not_found() -> None:
    rng, refused = np.random.default_rng(4), 0
    for _ in range(200):
        sizes = [1, 2, 3, 4, 6, 8, 12, 16]
        arrays = {str(n): rng.normal(size=rng.choice(sizes, rng.integers(0, 4))) for n in range(rng.integers(0, 6))}
        x, y = (rng.normal(size=(9, rng.choice([1, 2, 3, 4]))) for _ in range(2))
        try:
            assert diagnose(arrays, Recording(x, y, "")).convention is None
        except ConversionError:
            refused += 1
    assert 100 < refused < 200
