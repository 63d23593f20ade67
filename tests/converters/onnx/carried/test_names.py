"""Names of inputs and outputs that belong to one state, as exporters and people write them, and names that do not."""

import pytest

from streamrnn_converters.onnx.carried.names import is_signal, is_state, likeness


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        ("h0", "hn"),
        ("h_0", "h_n"),
        ("h_in", "h_out"),
        ("hx", "hx_new"),
        ("state", "stateN"),
        ("cache_i", "out_cache_i"),
        ("conv_cache", "conv_cache_out"),
        ("prev_mean", "next_mean"),
        ("hidden_state_1", "new_hidden_state_1"),
        ("inputHidden", "outputHidden"),
        ("past_key", "present_key"),
        ("e", "en"),
        ("n", "n_out"),
        ("serving_default_h:0", "h_updated"),
    ],
)
def test_names_of_one_state_are_alike(given: str, returned: str) -> None:
    assert likeness(given, returned) >= 2


@pytest.mark.parametrize(
    ("given", "returned"),
    [("h0", "cn"), ("x", "y"), ("x_in", "x_out"), ("audio_in", "audio_out"), ("a", "b")],
)
def test_names_of_signals_and_of_two_states_are_not_alike(given: str, returned: str) -> None:
    assert likeness(given, returned) == 0


def test_numbers_tell_states_of_one_name_apart() -> None:
    assert likeness("state_1", "state_1_out") > likeness("state_1", "state_2_out")
    assert likeness("s1", "o1") == 1
    assert likeness("s1", "o2") == likeness("x", "o1") == 0


def test_names_of_states_and_signals_are_known() -> None:
    assert all(map(is_state, ["h", "c0", "hx", "cache_in", "running_mean", "lstmState"]))
    assert not any(map(is_state, ["x", "input", "noisy", "start", "value"]))
    assert all(map(is_signal, ["x", "input_1", "audio_in", "y", "obs"]))
    assert not any(map(is_signal, ["h", "first", "17", "in"]))
