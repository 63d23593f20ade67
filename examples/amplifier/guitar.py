"""Plucked strings: a signal to train with and to play, made from a seed, so that no recording is needed."""

import numpy as np
from numpy.typing import NDArray

RATE = 48_000  # samples per second
_CHORDS = ((40, 47, 52), (45, 52, 57), (43, 50, 55), (38, 45, 50, 54))  # MIDI notes: E5, A5, G5, D
_MELODY = range(52, 77)


def phrase(seconds: float, seed: int) -> NDArray[np.float32]:
    """Notes and chords of several strengths, with pauses: (seconds RATE,) float32 between -1 and 1."""
    rng = np.random.default_rng(seed)
    signal = np.zeros(round(seconds * RATE))
    begin = 0
    while begin < signal.size:
        notes = rng.choice(_MELODY, 1) if rng.random() < 0.6 else _CHORDS[rng.integers(len(_CHORDS))]
        strength, last = rng.uniform(0.1, 0.8), rng.uniform(0.8, 2.5)
        for delay, note in enumerate(notes):
            at = begin + delay * RATE // 100
            rest = signal[at : at + round(last * RATE)]
            rest += strength / len(notes) ** 0.5 * pluck(440 * 2 ** ((note - 69) / 12), rest.size, rng)
        begin += round(rng.choice((0.25, 0.5, 0.5, 1.0)) * RATE)
    return np.clip(signal, -1, 1).astype(np.float32)


def pluck(frequency: float, n_samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A string that is plucked: (n_samples,). Karplus and Strong 1983: noise that goes round and is averaged each time."""
    string = rng.uniform(-1, 1, round(RATE / frequency))
    string = np.convolve(np.r_[string[-4:], string], np.ones(5) / 5, "valid")
    rounds = []
    for _ in range(-(-n_samples // string.size)):
        rounds.append(string)
        string = 0.498 * (string + np.roll(string, 1))
    return np.concatenate([*rounds, ()])[:n_samples]
