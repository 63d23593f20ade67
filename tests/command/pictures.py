"""Where things lie in a picture that matplotlib wrote as svg."""

import re


def legend_covers_nothing(svg: str) -> bool:
    """Whether the legend lies outside of all axes."""
    (legend,) = _frames(svg, "legend")
    axes = _frames(svg, "axes")
    assert axes
    return all(
        legend[0] > right or legend[1] < left or legend[2] > bottom or legend[3] < top for left, right, top, bottom in axes
    )


def _frames(svg: str, what: str) -> list[tuple[float, float, float, float]]:
    """Left, right, top and bottom of the first frame in each group of a kind."""
    found = []
    for part in re.split(rf'<g id="{what}_\d+">', svg)[1:]:
        path = re.search(r'<path d="(M[^"]*)"', part)
        assert path
        points = [(float(x), float(y)) for x, y in re.findall(r"[MLQ] (\S+) (\S+)", path[1])]
        xs, ys = zip(*points, strict=True)
        found.append((min(xs), max(xs), min(ys), max(ys)))
    return found
