"""python -m benchmarks.cell_of_parts: cells made of layers and a Delay, beside the fused GRU of the same size, in turns."""

from statistics import median
from time import perf_counter

import numpy as np

from streamrnn import GRU, Arithmetic, Delay, Dense, Layer, Model, Pointwise, Select, Stream
from streamrnn.target.packing import Array

SIZE = 64  # inputs and units
ROUNDS, CALLS = 41, 500


class _Parts:
    """The layers of a cell so far, and the sources of each. The cell reads its last output h from the first layer."""

    H = 0

    def __init__(self) -> None:
        self.layers: list[Layer] = [Delay(SIZE)]
        self.sources: list[tuple[int, ...]] = [()]

    def add(self, layer: Layer, *sources: int) -> int:
        """Add a layer. Returns its index."""
        self.layers.append(layer)
        self.sources.append(sources)
        return len(self.layers) - 1

    def arithmetic(self, operation: str, a: int, b: int) -> int:
        return self.add(Arithmetic(self.layers[a].output_size, operation), a, b)

    def split(self, source: int, n_parts: int) -> list[int]:
        """Parts of SIZE values each."""
        return [self.add(Select(n_parts * SIZE, tuple(range(k * SIZE, (k + 1) * SIZE))), source) for k in range(n_parts)]

    def mixed(self, z: int, kept: int, new: int) -> Model:
        """The cell whose output is z kept + (1 - z) new."""
        change = self.arithmetic("multiply", z, self.arithmetic("subtract", kept, new))
        self.sources[self.H] = (self.arithmetic("add", new, change),)
        return Model(self.layers, sources=self.sources)


def gru(w: Array, r: Array, b: Array, c: Array) -> Model:
    """The GRU, reset-after, of layers."""
    parts = _Parts()
    from_x = parts.split(parts.add(Dense(w.reshape(-1, SIZE), b.reshape(-1)), -1), 3)
    recurrent_bias = np.concatenate([0 * c, 0 * c, c])
    from_h = parts.split(parts.add(Dense(r.reshape(-1, SIZE), recurrent_bias), parts.H), 3)
    reset, z = (parts.add(Pointwise(SIZE, "sigmoid"), parts.arithmetic("add", from_x[gate], from_h[gate])) for gate in range(2))
    inner = parts.arithmetic("add", from_x[2], parts.arithmetic("multiply", reset, from_h[2]))
    return parts.mixed(z, parts.H, parts.add(Pointwise(SIZE, "tanh"), inner))


def li_gru(w: Array, r: Array, b: Array, c: Array) -> Model:
    """The light GRU (Ravanelli et al. 2018) without batch normalisation: no reset gate, a relu candidate."""
    parts = _Parts()
    from_x = parts.add(Dense(w[:2].reshape(-1, SIZE), b[:2].reshape(-1)), -1)
    from_h = parts.add(Dense(r[:2].reshape(-1, SIZE)), parts.H)
    z, new = parts.split(parts.arithmetic("add", from_x, from_h), 2)
    return parts.mixed(parts.add(Pointwise(SIZE, "sigmoid"), z), parts.H, parts.add(Pointwise(SIZE, "relu"), new))


def min_gru(w: Array, r: Array, b: Array, c: Array) -> Model:
    """The minimal GRU (Feng et al. 2024): gate and candidate of the input alone."""
    parts = _Parts()
    z, new = parts.add(Dense(w[0], b[0], "sigmoid"), -1), parts.add(Dense(w[1], b[1]), -1)
    return parts.mixed(z, parts.H, new)


def main() -> None:
    """Print the medians of a step and of a step of a chunk, and their ratios to the fused GRU."""
    rng = np.random.default_rng(0)
    arrays = [(rng.uniform(-1, 1, shape) / SIZE**0.5).astype(np.float32) for shape in [(3, SIZE, SIZE)] * 2 + [(3, SIZE), SIZE]]
    w, r, b, c = arrays
    fused = Model([GRU(w, r, b, c)])
    streams = {"GRU, fused": Stream(fused)}
    streams |= {name: Stream(make(w, r, b, c)) for name, make in (("GRU", gru), ("Li-GRU", li_gru), ("minGRU", min_gru))}
    x = rng.normal(size=(CALLS, SIZE)).astype(np.float32)
    steps: dict[str, list[float]] = {name: [] for name in streams}
    chunks: dict[str, list[float]] = {name: [] for name in streams}
    for _ in range(ROUNDS):
        for name, stream in streams.items():
            step, out = stream.step, np.empty(SIZE, np.float32)
            begin = perf_counter()
            for row in x:
                step(row, out)
            middle = perf_counter()
            stream.process(x)
            steps[name].append((middle - begin) / CALLS)
            chunks[name].append((perf_counter() - middle) / CALLS)
    first_step, first_chunk = median(steps["GRU, fused"]), median(chunks["GRU, fused"])
    for name in streams:
        step_time, chunk_time = median(steps[name]), median(chunks[name])
        print(
            f"{name:12} step {step_time * 1e6:6.2f} µs, {step_time / first_step:.2f} of the fused; "
            f"in a chunk {chunk_time * 1e6:6.2f} µs, {chunk_time / first_chunk:.2f}"
        )


if __name__ == "__main__":
    main()
