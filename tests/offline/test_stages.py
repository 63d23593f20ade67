"""The stages of a model: every layer is in one of them, and reads only what is known by then."""

from hypothesis import given

from streamrnn import Model, Reverse
from streamrnn.offline.stages import RECORDING, stages_of
from tests.models import model, quick
from tests.test_graph import graphs


def test_a_model_that_can_be_streamed_is_a_single_stage_and_the_same_object() -> None:
    whole = model("lstm", "dense-linear")
    (stage,) = stages_of(whole)
    assert stage.model is whole
    assert (stage.reversals, stage.sources, stage.outputs, stage.originals) == ((), (RECORDING,), (1,), (0, 1))


def test_a_layer_between_two_reversals_is_a_stage() -> None:
    (layer,) = model("lstm").layers
    first, second, third = stages_of(Model([Reverse(3), layer, Reverse(layer.output_size)]))
    assert (first.reversals, first.model) == ((), None)
    assert second.model is not None
    assert (second.reversals, second.model.layers, second.sources, second.outputs) == ((0,), (layer,), (0,), (1,))
    assert (third.reversals, third.model) == ((2,), None)


@quick
@given(whole=graphs("reverse", "reverse"))
def test_every_layer_is_in_one_stage_which_reads_earlier_signals_only(whole: Model) -> None:
    known, seen = {RECORDING}, list[int]()
    for stage in stages_of(whole):
        assert {source for index in stage.reversals for source in whole.sources[index]} <= known
        known |= {*stage.reversals}
        assert {*stage.sources} <= known
        own = [index for index in stage.originals if index is not None]
        assert stage.model is None or stage.model.streamable
        assert {*stage.outputs} <= {*own}
        seen += [*stage.reversals, *own]
        known |= {*stage.outputs}
    assert sorted(seen) == [*range(len(whole.layers))]
    assert len(whole.layers) - 1 in known
