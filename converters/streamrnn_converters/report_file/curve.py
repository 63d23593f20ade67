"""A horizon as a curve in SVG, without matplotlib: the largest and the typical error against the step, on logarithmic axes."""

import math
from collections.abc import Sequence

from streamrnn_converters.proof.horizon import Horizon

_WIDTH, _HEIGHT = 820, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 36, 16, 42
_MINIMUM, _MAXIMUM = -10.0, 10.0  # powers of ten that are drawn; zero is drawn at the minimum, infinity at the maximum


def curve(horizon: Horizon) -> str:
    """An <svg>, whose colours are the variables of the page's style."""
    largest, typical = ([_power(value) for value in values] for values in (horizon.largest, horizon.typical))
    tolerance = _power(horizon.tolerance)
    low = math.floor(min(*largest, *typical, tolerance) - 0.2)
    high = math.ceil(max(*largest, *typical, tolerance) + 0.2)
    right = max(math.log10(horizon.n_steps), 0.3)

    def x(step: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log10(step) / right

    def y(power: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - power) / (high - low)

    def line(powers: Sequence[float], colour: str) -> str:
        points = " ".join(f"{x(step):.1f},{y(power):.1f}" for step, power in zip(horizon.steps, powers, strict=True))
        return f'<polyline points="{points}" fill="none" stroke="var({colour})" stroke-width="2" stroke-linejoin="round"/>'

    parts = []
    for power in range(low, high + 1, max(1, (high - low) // 6)):
        at = f"{y(power):.1f}"
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}" stroke="var(--line)"/>')
        parts.append(_text(_LEFT - 8, y(power) + 4, f"1e{power}", "end"))
    for power in range(math.floor(right) + 1):
        at = f"{x(10**power):.1f}"
        parts.append(f'<line x1="{at}" x2="{at}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="var(--line)"/>')
        parts.append(_text(x(10**power), _HEIGHT - _BOTTOM + 18, f"{10**power:,}", "middle"))
    at = f"{y(tolerance):.1f}"
    parts.append(
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at}" y2="{at}" stroke="var(--bad)" stroke-width="1.5" '
        'stroke-dasharray="6 4"/>'
    )
    parts.append(_text(_WIDTH - _RIGHT, y(tolerance) - 6, f"tolerance {horizon.tolerance:g}", "end", "--bad"))
    parts += [line(typical, "--pale"), line(largest, "--blue")]
    parts += [
        f'<circle cx="{x(step):.1f}" cy="{y(power):.1f}" r="3" fill="var({"--bad" if power > tolerance else "--blue"})"/>'
        for step, power in zip(horizon.steps, largest, strict=True)
    ]
    parts.append(_text(_LEFT, _HEIGHT - 4, "steps, without a reset", "start"))
    legend = "largest error of each bin of steps (dots), and its root mean square (pale)"
    parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 4, legend, "end"))
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="error against steps">{"".join(parts)}</svg>'


def _power(value: float) -> float:
    return min(max(math.log10(value), _MINIMUM), _MAXIMUM) if 0 < value < math.inf else (_MINIMUM if value == 0 else _MAXIMUM)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "--quiet") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="12" fill="var({colour})">{text}</text>'
