"""The loops of a model's graph: layers that read each other, by way of a layer that delays."""

from collections.abc import Iterator, Sequence


def parts(sources: Sequence[Sequence[int]]) -> Iterator[tuple[int, ...]]:
    """The strongly connected parts of a graph, each after the parts that it reads (Tarjan 1972).

    sources  for each layer the indices of the layers that it reads; -1 is the input
    yields   the indices of the layers of a part, in ascending order: one layer, or several that read each other
    """
    order: dict[int, int] = {}  # index -> how many layers were found before
    lowest: dict[int, int] = {}  # index -> the first found layer that it reaches within its part
    pending: list[int] = []  # found, and not in a part yet
    is_done = set[int]()
    for root in range(len(sources)):
        path = [] if root in order else [(root, iter(sources[root]))]
        while path:
            index, rest = path[-1]
            if index not in order:
                order[index] = lowest[index] = len(order)
                pending.append(index)
            following = next((source for source in rest if source >= 0 and source not in is_done), None)
            if following is not None:
                if following in order:
                    lowest[index] = min(lowest[index], order[following])
                else:
                    path.append((following, iter(sources[following])))
                continue
            path.pop()
            if path:
                above = path[-1][0]
                lowest[above] = min(lowest[above], lowest[index])
            if lowest[index] == order[index]:
                begin = pending.index(index)
                part = tuple(sorted(pending[begin:]))
                del pending[begin:]
                is_done.update(part)
                yield part


def is_loop(part: Sequence[int], sources: Sequence[Sequence[int]]) -> bool:
    """Whether the layers of a part read each other, or its only layer reads itself."""
    return len(part) > 1 or part[0] in sources[part[0]]
