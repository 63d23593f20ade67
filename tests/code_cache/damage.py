"""What can become of a file on a disk."""

import os
import random
from collections.abc import Callable
from pathlib import Path


def _flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _fill_with_garbage(path: Path) -> None:
    path.write_bytes(random.Random(2).randbytes(path.stat().st_size))


def _make_huge(path: Path) -> None:
    os.truncate(path, 1 << 30)  # sparse


def _open_to_others(path: Path) -> None:
    path.chmod(0o666)


def _instead(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


#: name -> what happens to the file at a path.
DAMAGES: dict[str, Callable[[Path], None]] = {
    "a bit flipped": _flip_a_bit,
    "cut off": _cut_off,
    "empty": _empty,
    "garbage": _fill_with_garbage,
    "huge": _make_huge,
    "others can write to it": _open_to_others,
    "missing": _instead(lambda path: None),
    "a directory": _instead(Path.mkdir),
    "a pipe": _instead(os.mkfifo),
    "a dangling symlink": _instead(lambda path: path.symlink_to("nowhere")),
    "a symlink to itself": _instead(lambda path: path.symlink_to(path)),
    "a device": _instead(lambda path: path.symlink_to("/dev/zero")),
}
