"""Train the GRU and the LSTM on a trace and export both: `python train.py [trace.csv]`. Needs torch; takes a few minutes.

Both cells have the same hidden size, data, seeds, optimiser and stopping rule. The network forecasts the change of the load, so
an untrained one is the persistence forecast. Of each cell, the run with the smallest error on the validation part is exported.
The held-out part is not used here.
"""

import argparse
import copy
import sys
import warnings
from pathlib import Path

import numpy as np
from dataset import TRACE, Dataset, dataset, read_trace
from features import NAMES, forecast

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError:
    sys.exit("train.py: needs torch; install it with: pip install 'streamrnn[torch]'")

HERE = Path(__file__).parent
HIDDEN = 24
SEEDS = range(3)
EPOCHS, PATIENCE = 150, 30
WINDOW, WARM_UP, BATCH = 96, 16, 16  # steps of a window, its first steps without a loss, windows of a batch
OPSET = 17


class Network(nn.Module):
    """Features (n_steps, batch, 12) -> change of the load (n_steps, batch, 1), from a zero state."""

    def __init__(self, cell: type[nn.GRU] | type[nn.LSTM]) -> None:
        super().__init__()
        self.rnn = cell(len(NAMES), HIDDEN)
        self.head = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The time axis is the first, as in ONNX."""
        return self.head(self.rnn(x)[0])


def train(cell: type[nn.GRU] | type[nn.LSTM], data: Dataset, seed: int) -> tuple[Network, float]:
    """One run: the network with the smallest validation error, and that error, RMSE in points of CPU."""
    torch.set_num_threads(1)  # more threads only slow down such a small network
    torch.manual_seed(seed)
    training, validation, _ = data.split()
    mean, deviation = training.x.mean(0), training.x.std(0) + 0.02  # + 0.02: do not magnify features that hardly change
    known = data[: len(training) + len(validation)]
    x = torch.from_numpy((known.x - mean) / deviation)
    truth = torch.from_numpy(known.following - known.load)
    counts = torch.from_numpy(known.counts)
    network = Network(cell)
    optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3)
    best, best_error, best_epoch = network, float("inf"), 0
    for epoch in range(EPOCHS):
        for _ in range(len(training) // (WINDOW * BATCH // 2)):
            begin = torch.randint(len(training) - WINDOW, (BATCH,))
            rows = begin + torch.arange(WINDOW)[:, None]
            scored = rows[WARM_UP:]
            # Linear for large errors: a few sudden jumps must not dominate the gradient.
            losses = nn.functional.huber_loss(network(x[rows])[WARM_UP:, :, 0], truth[scored], reduction="none", delta=0.05)
            optimiser.zero_grad()
            losses[counts[scored]].mean().backward()
            nn.utils.clip_grad_norm_(network.parameters(), 0.5)
            optimiser.step()
        with torch.no_grad():
            change = network(x[:, None])[:, 0, 0].numpy()
        error = rmse(known[len(training) :], change[len(training) :])
        if error < best_error:
            best, best_error, best_epoch = copy.deepcopy(network), error, epoch
        if epoch - best_epoch >= PATIENCE:
            break
    fold(best.rnn, mean, deviation)
    return best, best_error


def fold(rnn: nn.RNNBase, mean: np.ndarray, deviation: np.ndarray) -> None:
    """Fold standardisation into the weights: W (x - mean) / deviation + b = (W / deviation) x + (b - W mean / deviation)."""
    with torch.no_grad():
        rnn.weight_ih_l0 /= torch.from_numpy(deviation)
        rnn.bias_ih_l0 -= rnn.weight_ih_l0 @ torch.from_numpy(mean)


def rmse(part: Dataset, change: np.ndarray) -> float:
    """Root of the mean squared forecast error, in percentage points of CPU."""
    error = forecast(part.load, change) - part.following
    return 100 * float(np.sqrt(np.mean(error[part.counts] ** 2)))


def export(network: Network, path: Path) -> None:
    """Write an ONNX file for any number of steps: features (n_steps, 1, 12) -> change (n_steps, 1, 1)."""
    with warnings.catch_warnings():
        # It recommends the newer exporter, whose graphs are larger, and warns of batch sizes other than the fixed 1.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 1, len(NAMES)),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["features"],
            output_names=["change"],
            dynamic_axes={"features": {0: "n_steps"}, "change": {0: "n_steps"}},
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "trace", type=Path, nargs="?", default=TRACE, help="a trace of record.py (default: the one in this folder)"
    )
    args = parser.parse_args()
    data = dataset(read_trace(args.trace))
    _, validation, _ = data.split()
    print(f"{len(data)} seconds; RMSE on the validation part in points of CPU:")
    print(f"persistence  {rmse(validation, np.zeros_like(validation.load)):6.2f}")
    for cell in (nn.GRU, nn.LSTM):
        runs = [train(cell, data, seed) for seed in SEEDS]
        network, error = min(runs, key=lambda run: run[1])
        name = cell.__name__
        print(f"{name:<11}  {error:6.2f}  the best of {', '.join(f'{each:.2f}' for _, each in runs)}", flush=True)
        export(network, HERE / f"{name.lower()}.onnx")


if __name__ == "__main__":
    main()
