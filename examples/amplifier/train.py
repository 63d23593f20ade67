"""Train the LSTM on the circuit and export it: `python train.py`. Needs torch; takes some minutes.

The network and the loss are those of Wright, Damskägg and Välimäki 2019, "Real-time black-box modelling with recurrent neural
networks": one LSTM and a dense layer whose output is added to the input; the state is carried from one part of a signal to the
next. The epoch with the smallest error on a phrase of its own is exported.
"""

import copy
import sys
import warnings
from pathlib import Path

import numpy as np
from circuit import amplify
from guitar import RATE, phrase

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError:
    sys.exit("train.py: needs torch; install it with: pip install 'streamrnn[torch]'")

MODEL = Path(__file__).parent / "amplifier.onnx"
HIDDEN = 40
SECONDS, VALIDATION_SECONDS = 24, 3
EPOCHS, BATCH, PART = 14, 48, 400  # PART: samples between two updates
OPSET = 17

State = tuple[Tensor, Tensor]


class Network(nn.Module):
    """Samples (n, batch, 1) and the states h, c (1, batch, 40) -> samples (n, batch, 1) and the next states."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, HIDDEN)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The time axis is the first, as in ONNX."""
        y, (h, c) = self.lstm(x, (h, c))
        return x + self.head(y), h, c


def silence(batch: int) -> State:
    """The states before a signal."""
    return torch.zeros(1, batch, HIDDEN), torch.zeros(1, batch, HIDDEN)


def error_to_signal(y: Tensor, truth: Tensor) -> Tensor:
    """The energy of the error as a share of that of the signal, both with their high frequencies raised."""
    y, truth = (signal[1:] - 0.85 * signal[:-1] for signal in (y, truth))
    return ((y - truth) ** 2).sum() / ((truth**2).sum() + 1e-5)


def signals(seconds: float, seed: int, batch: int) -> State:
    """A phrase and what the circuit makes of it, cut into `batch` signals: each (n, batch, 1)."""
    x = phrase(seconds, seed)
    x, y = (torch.from_numpy(np.ascontiguousarray(s.reshape(batch, -1).T[..., None])) for s in (x, amplify(x)))
    return x, y


def train(seconds: float = SECONDS, epochs: int = EPOCHS) -> tuple[Network, float]:
    """The network with the smallest error on the validation phrase, and that error."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, truth = signals(seconds, seed=1, batch=BATCH)
    new_x, new_truth = signals(VALIDATION_SECONDS, seed=2, batch=1)
    network = Network()
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    best, best_error = network, float("inf")
    for epoch in range(epochs):
        state = silence(BATCH)
        for begin in range(0, len(x) - PART + 1, PART):
            y, *state = network(x[begin : begin + PART], *(each.detach() for each in state))
            loss = error_to_signal(y, truth[begin : begin + PART])
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        schedule.step()
        with torch.no_grad():
            error = float(error_to_signal(network(new_x, *silence(1))[0], new_truth))
        print(f"epoch {epoch + 1:2}  error to signal {error:.2%}", file=sys.stderr, flush=True)
        if error < best_error:
            best, best_error = copy.deepcopy(network), error
    return best, best_error


def export(network: Network, path: Path) -> None:
    """Write an ONNX file for any number of samples, with the states as inputs and outputs."""
    with warnings.catch_warnings():
        # It recommends the newer exporter, whose graphs are larger, and warns of batch sizes other than the fixed 1.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (torch.zeros(2, 1, 1), *silence(1)),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["x", "h", "c"],
            output_names=["y", "next_h", "next_c"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )


def main() -> None:
    """The command line."""
    network, error = train()
    export(network, MODEL)
    print(f"{MODEL.name}: error to signal {error:.2%} on {VALIDATION_SECONDS} seconds ({VALIDATION_SECONDS * RATE} samples)")


if __name__ == "__main__":
    main()
