"""What PyInstaller needs to know of the package. It finds this folder by the entry point "pyinstaller40"."""

from pathlib import Path


def hook_directories() -> list[str]:
    """The folders of hooks."""
    return [str(Path(__file__).parent)]
