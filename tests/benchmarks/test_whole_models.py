"""The networks of the examples are compared, and then timed, beside onnxruntime. Their figures are no test's business."""

import pytest

for package in ("onnx", "onnxruntime"):
    pytest.importorskip(package, reason="importing needs the extra 'convert'")

from benchmarks import whole_models  # noqa: E402


def test_each_network_has_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(whole_models, "ROUNDS", 30)
    whole_models.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["gtcrn_simple.onnx", "silero_vad_16k_op15.onnx", "model_1.onnx"]


def test_a_network_whose_states_are_not_carried_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_models, "ROUNDS", 30)
    step = whole_models.Stream.step

    class Forgetful(whole_models.Stream):
        def step(self, row):
            self.reset()
            return step(self, row)

    monkeypatch.setattr(whole_models, "Stream", Forgetful)
    with pytest.raises(AssertionError):
        whole_models.main()
