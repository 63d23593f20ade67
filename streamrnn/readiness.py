"""Which compiled functions a model needs, and whether they are there."""

from streamrnn.code_cache import Function, are_ready
from streamrnn.door import functions_of_stream
from streamrnn.errors import StreamRNNError
from streamrnn.model import Model
from streamrnn.offline.stages import stages_of
from streamrnn.plan import plan_of, pool_plan_of
from streamrnn.pool.compiled_door import functions_of_pool


def compiled(model: Model, *, pool: bool = False, threads: int = 1) -> bool:
    """Whether a start compiles nothing, and so takes milliseconds: the machine code is in memory or in the code cache.

    Packs the weights, which the first `Stream` or `StreamPool` of the model then need not do. Compiles nothing.

    model    any model; for one that reads its input backwards, the start of `run_offline`
    pool     False: the start of a `Stream`; True: of a `StreamPool`, with so many `threads`

    Raises StreamRNNError for anything but a Model, ModelError for a pool of a model that cannot be streamed.
    """
    if not isinstance(model, Model):
        raise StreamRNNError(f"compiled: {type(model).__name__} is not a streamrnn.Model; streamrnn.load gives one")
    return are_ready(functions_of_pool(pool_plan_of(model), threads) if pool else functions_of(model))


def functions_of(model: Model) -> list[Function]:
    """The compiled functions of a stream, or of whole recordings."""
    if model.streamable:
        return functions_of_stream(plan_of(model))
    stages = (stage.model for stage in stages_of(model))
    return [function for stage in stages if stage is not None for function in functions_of_stream(plan_of(stage))]
