"""The content of an input: expanded if compressed, refused if it is another kind of file, and never held back."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamrnn.command.running.content import plain_content
from streamrnn.errors import InputError, MissingExtraError, StreamRNNError
from tests.command.process import Command

COMPRESSORS = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress}
each_compressor = pytest.mark.parametrize("compress", COMPRESSORS.values(), ids=COMPRESSORS)


def content(data: bytes, at_once: int = 1 << 16, text: bool = True) -> bytes:
    pieces = (data[at : at + at_once] for at in range(0, len(data), at_once))
    return b"".join(plain_content(pieces, "in", text=text))


@each_compressor
@pytest.mark.parametrize("at_once", [1, 7, 1000, 1 << 16])
@pytest.mark.parametrize("text", [True, False])
def test_compressed_data_is_expanded_however_it_arrives(compress: Callable[[bytes], bytes], at_once: int, text: bool) -> None:
    data = str(np.random.default_rng(0).normal(size=300).tolist()).encode() * 20
    members = compress(data[:1000]) + compress(b"") + compress(data[1000:])
    assert content(members, at_once, text) == data
    assert content(members + bytes(512), at_once, text) == data


@each_compressor
def test_compressed_data_that_ends_early_or_is_damaged_is_an_error(compress: Callable[[bytes], bytes]) -> None:
    whole = compress(b"1,2\n" * 1000)
    with pytest.raises(StreamRNNError, match=r"^in: ends in the middle of its \w+ data"):
        content(whole[:-5])
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 255
    with pytest.raises(StreamRNNError, match=r"^in: (its \w+ data is damaged|ends in the middle)"):
        content(bytes(damaged))
    with pytest.raises(StreamRNNError, match=r"^in: (its \w+ data is damaged|ends in the middle)"):
        content(whole + b"1,2\n")


@each_compressor
def test_a_file_that_expands_a_thousandfold_is_never_in_memory_as_a_whole(compress: Callable[[bytes], bytes]) -> None:
    small = compress(bytes(b"1,2\n" * (10 << 20)))
    largest = max(len(chunk) for chunk in plain_content([small], "in", text=True))
    assert largest <= 24 << 20


@pytest.mark.parametrize("data", [b"1", b"BZh", b"\x1f", b"PAR1", b"x,y\n1,2\n", b""])
def test_other_data_stays_as_it_is(data: bytes) -> None:
    assert content(data) == content(data, 1) == data


def test_no_byte_waits_for_others_that_cannot_change_what_it_is() -> None:
    def arriving() -> object:
        yield b"1"
        raise AssertionError("the first byte was held back")

    assert next(plain_content(arriving(), "in", text=True)) == b"1"


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def xlsx() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").writestr("[Content_Types].xml", "")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("1,2\n".encode("utf-16"), "UTF-16 text"),
        ("\ufeff1,2\n".encode("utf-16-be"), "UTF-16 text"),
        ("1,2\n".encode("utf-32"), "UTF-32 text"),
        (npy(), "a NumPy array"),
        (gzip.compress(npy()), "a NumPy array"),
        (xlsx() + b"\n", "a zip file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",  # compressed data has the time in it
)
@pytest.mark.parametrize("at_once", [1, 1000])
def test_another_kind_of_file_is_refused_by_name(data: bytes, name: str, at_once: int) -> None:
    with pytest.raises(InputError, match=f"^in: is {name}"):
        content(data, at_once)


def test_raw_numbers_may_have_any_first_bytes_but_those_of_a_long_signature() -> None:
    assert content(b"\xff\xfe\x01\x02", text=False) == b"\xff\xfe\x01\x02"
    with pytest.raises(InputError, match="not raw float32 numbers"):
        content(npy(), text=False)


def test_zstd_is_expanded_or_its_extra_is_named() -> None:
    try:
        import zstandard
    except ModuleNotFoundError:
        with pytest.raises(MissingExtraError, match=r"pip install 'streamrnn\[zstd\]'"):
            content(b"\x28\xb5\x2f\xfd" + bytes(20))
    else:
        data = b"1,2\n" * 1000
        assert content(zstandard.ZstdCompressor().compress(data)) == data


@pytest.mark.parametrize("extension", COMPRESSORS)
def test_a_compressed_file_is_answered_as_the_plain_one(
    command: Command, archive: Path, lines: list[bytes], answers: list[bytes], tmp_path: Path, extension: str
) -> None:
    path = tmp_path / f"in.csv.{extension}"
    path.write_bytes(COMPRESSORS[extension](b"".join(lines)))
    assert command("run", archive, path, "-o", tmp_path / "out") == (0, "", "")
    assert (tmp_path / "out").read_bytes() == b"".join(answers)
