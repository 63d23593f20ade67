"""The sources of the package's modules, wherever the package lies: in a folder, in a zip file, in a frozen application.

Where a loader has the byte code of a module only, that stands for its source.
"""

import pkgutil
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

from streamrnn.errors import StreamRNNError

_PACKAGE = __name__.partition(".")[0]
_FOLDER = Path(__file__).parents[1]


def sources(places: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Name and source of the modules in some places: "kernels" is all modules of that package, "recipe.py" is one.

    A name is relative to the package, such as "kernels/step.py". The same sources give the same, however they are stored.
    Raises StreamRNNError for a module that has neither source nor byte code.
    """
    for place in places:
        path = _FOLDER / place
        files = sorted(path.glob("*.py")) if path.is_dir() else [path] if path.is_file() else []
        if files:  # reading files is faster than asking loaders
            for file in files:
                yield file.relative_to(_FOLDER).as_posix(), file.read_bytes()
        else:
            for name, module in sorted(_modules(place)):
                yield name, _of_loader(module)


def _modules(place: str) -> Iterator[tuple[str, str]]:
    """Name and dotted path of each module in a place."""
    package = f"{_PACKAGE}.{place.removesuffix('.py').replace('/', '.')}"
    if place.endswith(".py"):
        yield place, package
        return
    spec = find_spec(package)
    yield f"{place}/__init__.py", package
    for module in pkgutil.iter_modules(spec.submodule_search_locations if spec else []):
        if not module.ispkg:
            yield f"{place}/{module.name}.py", f"{package}.{module.name}"


def _of_loader(module: str) -> bytes:
    """The source of a module, or else its byte code."""
    loader: Any = getattr(find_spec(module), "loader", None)
    try:
        source = loader.get_source(module)
        return source.encode() if source is not None else repr(_content(loader.get_code(module))).encode()
    except (AttributeError, ImportError, OSError) as error:
        raise StreamRNNError(
            f"{module}: has neither source nor byte code, so its machine code cannot be told from that of another version; "
            f"ship the .py files of {_PACKAGE} with the application"
        ) from error


def _content(code: CodeType) -> tuple[Any, ...]:
    """What a code object computes, without the place where its source lay."""
    constants = [
        _content(value) if isinstance(value, CodeType) else sorted(map(repr, value)) if isinstance(value, frozenset) else value
        for value in code.co_consts
    ]
    arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    return code.co_name, code.co_code, code.co_exceptiontable, arguments, names, constants
