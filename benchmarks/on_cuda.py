"""A pool on a GPU beside torch's cuDNN layer, at the same batch size, by the clock of the GPU.

    python -m benchmarks.on_cuda [--kinds lstm,gru] [--sizes 64x64,128x128,256x256] [--streams 256,4096,65536] [--rounds 20]
                                [--weights int8]

A tick is a step of all streams, a chunk 100 steps of all; inputs and results stay on the device. Both take turns. A time is
that between two events of the GPU around ten calls, the least of all rounds. It includes the host where the GPU waits for it.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.crowd import Crowd, crowds
from benchmarks.with_torch import whole_layer
from streamrnn import Model

CHUNK = 100  # steps
Run = Callable[[], Any]


def why_not() -> str | None:
    """What is missing for the measurement; None: nothing."""
    for package, extra in {"numba_cuda": "cuda", "torch": "torch"}.items():
        if importlib.util.find_spec(package) is None:
            return f"{package.replace('_', '-')} is not installed: pip install 'streamrnn[{extra}]'"
    import torch
    from numba import cuda

    if not cuda.is_available():
        return "there is no CUDA device"
    return None if torch.cuda.is_available() else "this torch has no CUDA: install one of its CUDA builds"


def with_weights(crowd: Crowd, stored: str | None) -> Model:
    """The model of a crowd, its weights rounded to a stored type; None: as they are."""
    return Model([layer.with_stored(stored) for layer in crowd.case.model().layers])


def ours(crowd: Crowd, model: Model, n_steps: int) -> tuple[Run, Any]:
    """A call of the pool, and its result as a NumPy array, (n_streams, H)."""
    from numba import cuda

    from streamrnn.cuda import StreamPool

    pool = StreamPool(model, crowd.n_streams)
    slots = pool.open_keys(range(crowd.n_streams))
    x = cuda.to_device(np.repeat(crowd.inputs()[:, None], n_steps, axis=1))
    first = pool.process(slots, x).copy_to_host()[:, -1]
    return lambda: pool.process(slots, x), first


def theirs(crowd: Crowd, model: Model, n_steps: int) -> tuple[Run, Any]:
    """The same with cuDNN, in float32 without TF32, and the same weights in float32."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    module = whole_layer(crowd.case, model).cuda()
    x = torch.from_numpy(crowd.inputs()).cuda()[None].repeat(n_steps, 1, 1)
    states: list[Any] = [None]

    def run() -> Any:
        with torch.inference_mode():
            y, states[0] = module(x, states[0])
        return y

    return run, run()[-1].cpu().numpy()


def milliseconds(run: Run, n_calls: int) -> float:
    """Time of a call, by events on the CUDA stream that both use."""
    from numba import cuda

    begin, end = cuda.event(timing=True), cuda.event(timing=True)
    begin.record()
    for _ in range(n_calls):
        run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / n_calls


def main() -> None:
    """Measure, and print a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default="lstm,gru")
    parser.add_argument("--sizes", default="64x64,128x128,256x256")
    parser.add_argument("--streams", default="256,4096,65536")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--weights", choices=["float16", "bfloat16", "int8"], help="type of the pool's weights; else float32")
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(f"nothing is measured: {reason}")
    import torch

    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}")
    print(f"{'layer, streams':32} {'steps':>5} {'pool':>10} {'cuDNN':>10} {'ratio':>6}")
    for crowd in crowds(options.kinds, options.sizes, options.streams):
        model = with_weights(crowd, options.weights)
        for n_steps in 1, CHUNK:
            (pool, first), (cudnn, second) = ours(crowd, model, n_steps), theirs(crowd, model, n_steps)
            assert np.abs(first - second).max() < (1e-3 if options.weights == "int8" else 1e-4)  # int8 rounds inputs
            times = [(milliseconds(pool, 10), milliseconds(cudnn, 10)) for _ in range(options.rounds)]
            a, b = np.min(times, axis=0)
            print(f"{crowd!s:32} {n_steps:5} {a:7.3f} ms {b:7.3f} ms {b / a:5.2f}×")


if __name__ == "__main__":
    main()
