"""PyInstaller's hook: what a frozen application needs of streamrnn, beside what its modules import.

Kernels are found by name when they are compiled. Their sources are a part of the key of their machine code, as is the version
of Numba. The libraries of kernels that a wheel carries go along. An application that has all its kernels in a library or in a
code cache may leave Numba out (`--exclude-module numba`).
"""

from importlib.util import find_spec

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

from streamrnn.target.ahead import of_the_wheel

_APART = ["streamrnn.command", "streamrnn.cuda", "streamrnn.freezing", "streamrnn.__main__"]
if find_spec("numba") is None:  # then what compiles cannot be imported, and is not needed
    _APART += ["streamrnn.kernels", "streamrnn.simd"]

hiddenimports = collect_submodules("streamrnn", filter=lambda name: not name.startswith(tuple(_APART)))
datas = collect_data_files("streamrnn", include_py_files=True)
datas += [
    (str(library), "streamrnn/machine_code") for library in of_the_wheel().glob("*.so")
]  # which are no data to PyInstaller
if find_spec("numba") is not None:
    datas += copy_metadata("numba")
