"""PyInstaller's hook: what a frozen application needs of streamrnn, beside what its modules import.

Kernels are found by name when they are compiled. Their sources are a part of the key of their machine code, as is the version
of Numba. An application that brings a full code cache may leave Numba out (`--exclude-module numba`).
"""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules, copy_metadata

_APART = ("streamrnn.command", "streamrnn.cuda", "streamrnn.freezing", "streamrnn.__main__")

hiddenimports = collect_submodules("streamrnn", filter=lambda name: not name.startswith(_APART))
datas = collect_data_files("streamrnn", include_py_files=True) + copy_metadata("numba")
