"""Files that want to do harm: extension -> name -> what makes the bytes, and a part of the error; "" where a model is read."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from safetensors.numpy import save

MEBIBYTE = 1 << 20

Hostile = tuple[Callable[[], bytes], str]


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return data.getvalue()


def npy(array: Any) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def claiming(shape: tuple[int, ...]) -> bytes:
    """An .npy whose header claims a shape, with 16 bytes of content."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)


def twice(data: bytes, one: bytes, other: bytes) -> bytes:
    """A zip file in which a name has become another one of the same length."""
    assert data.count(one) == 2
    return data.replace(one, other)


def changed(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """A zip file with other bytes after the first signature of a kind."""
    at = data.index(signature) + offset
    return data[:at] + value + data[at + len(value) :]


def safetensors(header: str, content: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header.encode() + content


def torch_zip(program: bytes, **storages: bytes) -> bytes:
    return zipped({"a/data.pkl": program} | {f"a/data/{key[1:]}": value for key, value in storages.items()}, zipfile.ZIP_STORED)


def tensor(shape: bytes, strides: bytes = b"K\x01\x85", offset: bytes = b"K\x00") -> bytes:
    """A pickle of {"weight": a tensor of storage 0}."""
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"
    rebuilt = (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + shape + strides + b"\x89ccollections\nOrderedDict\n)RtR"
    )
    return b"\x80\x02}X\x06\0\0\0weight" + rebuilt + b"s."


def layers(content: bytes) -> bytes:
    return b'{"in_shape":[1],"layers":[' + content + b"]}"


GOOD = np.ones((200, 300), np.float32)
BOMB = bytes(120 * MEBIBYTE)

NPZ: dict[str, Hostile] = {
    "a good one": (lambda: zipped({"weight.npy": npy(GOOD)}), ""),
    "deflated zeros": (lambda: zipped({"weight.npy": BOMB}), "claims to unpack to 125829120 bytes, far more than"),
    "claims a small size": (
        lambda: changed(zipped({"weight.npy": BOMB}), b"PK\1\2", 24, struct.pack("<I", 4000)),
        "damaged: the size or the checksum",
    ),
    "many that overlap": (
        lambda: zipped({f"{index}.npy": bytes(MEBIBYTE) for index in range(60)}),
        "claims to unpack",
    ),
    "bzip2": (lambda: zipped({"weight.npy": bytes(MEBIBYTE)}, zipfile.ZIP_BZIP2), "compressed in an unusual way"),
    "lzma": (lambda: zipped({"weight.npy": bytes(MEBIBYTE)}, zipfile.ZIP_LZMA), "compressed in an unusual way"),
    "encrypted": (lambda: changed(zipped({"weight.npy": npy(GOOD)}), b"PK\1\2", 8, b"\1\0"), "is encrypted"),
    "needs version 9.9": (lambda: changed(zipped({"weight.npy": npy(GOOD)}), b"PK\1\2", 6, b"\x63\0"), "version 9.9"),
    "a name twice": (
        lambda: twice(zipped({"weight.npy": npy(GOOD), "Weight.npy": npy(2 * GOOD)}), b"Weight", b"weight"),
        "'weight.npy' is there twice",
    ),
    "a name twice in another form": (lambda: zipped({"weight.npy": npy(GOOD), "weight": npy(GOOD)}), "'weight' is there twice"),
    "too many files": (lambda: zipped({str(index): b"" for index in range(10_001)}), "more than 10000 files"),
    "claims 2**40 numbers": (lambda: zipped({"weight.npy": claiming((1 << 20, 1 << 20))}), "is not that of 16 bytes"),
    "claims 2**62 rows of nothing": (lambda: zipped({"weight.npy": claiming((1 << 62, 0))}), "not a plain array"),
    "texts": (lambda: zipped({"weight.npy": npy(np.array(["a"]))}), "it holds <U1 values"),
    "an npz within": (lambda: zipped({"weight.npy": zipped({"weight.npy": npy(GOOD)})}), "not a plain array"),
    "no array": (lambda: zipped({"weight.npy": b"weights"}), "not a plain array"),
}

SAFETENSORS: dict[str, Hostile] = {
    "a good one": (lambda: save({"weight": GOOD}), ""),
    "metadata null": (
        lambda: safetensors('{"__metadata__":null,"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}', bytes(16)),
        "__metadata__ is no object",
    ),
    "2**62 rows of nothing": (
        lambda: safetensors('{"weight":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}}'),
        "is empty",
    ),
    "a name twice": (
        lambda: safetensors(
            "{" + ",".join(['"weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}'] * 2) + "}", bytes(16)
        ),
        "'weight' twice",
    ),
    "a member twice": (
        lambda: safetensors('{"weight":{"dtype":"F32","dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}', bytes(16)),
        "safetensors",
    ),
    "a long header": (lambda: safetensors("{" + " " * (9 * MEBIBYTE) + "}"), "header of more than"),
    "claims a header of 2**62 bytes": (lambda: struct.pack("<Q", 1 << 62) + b"{}", "header of more than"),
    "a header of values": (lambda: safetensors('{"__metadata__":{"a":[' + "[]," * (2 * MEBIBYTE) + "0]}}"), "safetensors"),
    "many tensors": (
        lambda: safetensors(
            "{" + ",".join(f'"{index}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for index in range(100_000)) + "}"
        ),
        "",
    ),
    "long names": (lambda: save({"weight" * 200_000: GOOD}), "a name of more than"),
}

TORCH: dict[str, Hostile] = {
    "a good one": (lambda: torch_zip(tensor(b"K\x02K\x02\x86", b"K\x02K\x01\x86"), _0=bytes(16)), ""),
    "deflated zeros": (lambda: zipped({"a/data.pkl": tensor(b"K\x04\x85"), "a/data/0": BOMB}), "claims to unpack"),
    "no data.pkl": (lambda: zipped({"a/data/0": bytes(16)}), "no data.pkl"),
    "two of them": (lambda: zipped({"a/data.pkl": b"\x80\x02}.", "b/data.pkl": b"\x80\x02}."}), "no data.pkl"),
    "more numbers than there are": (lambda: torch_zip(tensor(b"K\x05\x85"), _0=bytes(16)), "'weight': claims more numbers"),
    "repeated numbers": (
        lambda: torch_zip(tensor(b"J\xff\xff\xff\x7f\x85", b"K\x00\x85"), _0=bytes(16)),
        "'weight': claims more numbers",
    ),
    "numbers before the first": (
        lambda: torch_zip(tensor(b"K\x02\x85", offset=b"J\xfe\xff\xff\xff"), _0=bytes(16)),
        "is not understood",
    ),
    "a missing storage": (lambda: torch_zip(tensor(b"K\x02\x85"), _1=bytes(16)), "numbers are missing"),
    "a program": (lambda: torch_zip(b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R."), "needs os.system to be read"),
    "a bytearray of 8 GiB": (
        lambda: torch_zip(b"\x80\x02cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x02\x85R."),
        "needs builtins.bytearray",
    ),
    "a text encoded again and again": (
        lambda: torch_zip(b"\x80\x02c_codecs\nencode\nq\0" + b"h\0X\1\0\0\0a\x85R" * 100 + b"."),
        "needs _codecs.encode",
    ),
    "dicts of one list": (
        lambda: torch_zip(
            b"\x80\x02]q\x01(" + b"K\0K\0\x86" * 9000 + b"e(" + b"ccollections\nOrderedDict\nh\x01\x85R" * 9000 + b"t."
        ),
        "not a whole file",
    ),
    "an index of 2**31": (lambda: torch_zip(b"\x80\x02}r\xff\xff\xff\x7f."), "instead of a state dict|no tensors|no weights"),
    "a protocol that makes bytearrays": (
        lambda: torch_zip(b"\x80\x05\x96" + struct.pack("<Q", 1 << 33) + b"."),
        "no plain pickle of protocol 2",
    ),
    "a key nested a million times": (
        lambda: torch_zip(b"\x80\x02}N" + b"\x85" * 700_000 + b"Ns."),
        "keys are neither texts nor numbers",
    ),
    "a long pickle": (lambda: torch_zip(b"\x80\x02" + b"}0" * MEBIBYTE + b"}."), "bytes beside its numbers"),
    "dicts": (lambda: torch_zip(b"\x80\x02(" + b"}" * 780_000 + b"t."), "holds a tuple"),
    "an old file of dicts": (lambda: b"\x80\x02(" + b"}" * (8 * MEBIBYTE), "not a whole file"),
    "a number as a pickle": (lambda: pickle.dumps(7, 2), "not a file of torch.save"),
}

JSON: dict[str, Hostile] = {
    "numbers": (lambda: layers(b"1," * (8 * MEBIBYTE) + b"1"), "far more values"),
    "lists": (lambda: layers(b"[]," * (4 * MEBIBYTE) + b"1"), "far more values"),
    "objects": (lambda: layers(b'{"":0},' * (2 * MEBIBYTE) + b"1"), "far more values"),
    "names": (lambda: b"{" + b",".join(b'"%07x":1' % index for index in range(MEBIBYTE)) + b"}", "far more values"),
    "a wide character": (lambda: layers(b'"' + "\U0001f600".encode() + b"a" * (20 * MEBIBYTE) + b'"'), "far more values"),
    "digits": (lambda: layers(b"0." + b"1" * (20 * MEBIBYTE)), "not an object"),
    "too long": (lambda: layers(b"1" * (65 * MEBIBYTE)), "more than 67108864 are not read"),
}

KERAS: dict[str, Hostile] = {
    "deflated zeros": (lambda: zipped({"config.json": BOMB, "model.weights.h5": b""}), "claims to unpack"),
    "no zip file": (lambda: b"keras", "not a whole zip file"),
    "no config": (lambda: zipped({"a": b""}), "without config.json"),
    "a config of lists": (
        lambda: zipped({"config.json": b'{"config":[' + b"[]," * (4 * MEBIBYTE) + b"0]}", "model.weights.h5": b""}),
        "far more values",
    ),
}

FILES = {".npz": NPZ, ".safetensors": SAFETENSORS, ".pt": TORCH, ".json": JSON, ".keras": KERAS}


def large(extension: str) -> bytes:
    """A good file of 48 MiB: what it takes is bounded too."""
    weight = np.full((1000, 12_582), 0.5, np.float32)
    if extension == ".npz":
        return zipped({"weight.npy": npy(weight)}, zipfile.ZIP_STORED)
    if extension == ".safetensors":
        return save({"weight": weight})
    size = struct.pack("<HBHB", 1000, 0x4D, 12_582, 0x86)
    return torch_zip(tensor(b"M" + size, b"M" + struct.pack("<H", 12_582) + b"K\x01\x86"), _0=weight.tobytes())


def of_keras_h5(size: int) -> bytes:
    """An .h5 of a Sequential with one Dense layer of size x size."""
    import h5py

    data = io.BytesIO()
    described = {
        "class_name": "Sequential",
        "config": {
            "layers": [
                {"class_name": "Dense", "config": {"name": "dense", "units": size, "batch_input_shape": [None, 1, size]}}
            ]
        },
    }
    with h5py.File(data, "w") as file:
        file.attrs["model_config"], file.attrs["keras_version"] = json.dumps(described), "2.15.0"
        group = file.create_group("model_weights/dense")
        group.attrs["weight_names"] = [b"kernel", b"bias"]
        group["kernel"], group["bias"] = np.ones((size, size), np.float32), np.ones(size, np.float32)
    return data.getvalue()
