"""The machine code of an exported model: its kernels, its entry points and its image in one object file."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from llvmlite import binding

from streamrnn.code_cache import Function
from streamrnn.code_cache.loader import generator
from streamrnn.exporting.image import Image
from streamrnn.kernels.compile import compiled
from streamrnn.kernels.inline import Aim, optimise, optimised_for
from streamrnn.plan import Plan
from streamrnn.target.cpu import driver_width
from streamrnn.target.image import HASH_ROOM
from streamrnn.target.layout import CACHE_LINE
from streamrnn.target.machine import machine

_AROUND = "kernels.exported."  # what is around the kernels takes no time, and is always made small
_ENTRIES = ("reset", "advance", "snapshot")

_ADDRESS_IN_IMAGE: Final = re.compile(r"inttoptr \(i64 add \(i64 ptrtoint \(ptr @image to i64\), i64 (\d+)\) to ptr\)")

#: C functions that LLVM puts into code by itself. Those that it has used get a definition in the object file.
_MEMORY_FUNCTIONS: Final = {
    "memcpy": "copy",
    "memmove": "move",
    "memset": "set",
    **{f"__aeabi_memcpy{n}": "copy" for n in ("", "4", "8")},
    **{f"__aeabi_memmove{n}": "move" for n in ("", "4", "8")},
    **{f"__aeabi_memset{n}": "aeabi_set" for n in ("", "4", "8")},
    **{f"__aeabi_memclr{n}": "clear" for n in ("", "4", "8")},
}


def object_file(plan: Plan, image: Image, name: str, say: Callable[[int, int], None], small: bool = False) -> bytes:
    """An object file for the machine that is aimed at, whose entry points begin with `name`.

    small  optimise all for few bytes
    say  called with how many functions are compiled, and how many there are
    """
    functions = [
        *plan.kernels.values(),
        *(Function(f"{_AROUND}{entry}", driver_width(plan.dtype)) for entry in _ENTRIES),
    ]
    distinct = list(dict.fromkeys(functions))
    module = binding.parse_assembly("")
    for number, function in enumerate(distinct):
        say(number, len(distinct))
        module.link_in(
            with_names_of_its_own(
                *_text_of(function, small or function.path.startswith(_AROUND), machine().architecture), f"f{number}"
            )
        )
    say(len(distinct), len(distinct))
    for value in module.functions:
        if not value.is_declaration:
            value.linkage = "private"  # which leaves no name in the object file
            value.add_function_attribute("nounwind")  # else ARM's linker asks for a C++ library
    symbols = [f"f{distinct.index(function)}" for function in functions]
    text = f"{module}\n{_entry_points(name, symbols[: len(plan.kernels)], symbols[len(plan.kernels) :], image)}"
    if small:
        text = _of_few_bytes(text)
    if not _has_fma():
        text = text.replace("@llvm.fma.", "@llvm.fmuladd.")
    return bytes(_generator().emit_object(_parsed(text + _memory_functions(text))))


def _of_few_bytes(text: str) -> str:
    """The text of a whole export, optimised once more: what its functions read of the image is known now.

    A load through a number that is an address is never known, so that it becomes one through a pointer. Numba's wrappers of
    functions are inlined too. A table of jumps has more bytes than the jumps.
    """
    text = re.sub(r"^(attributes #\d+ = {) noinline", r"\1", text, flags=re.MULTILINE)
    text = re.sub(r"^attributes #\d+ = {", r'\g<0> "no-jump-tables"="true"', text, flags=re.MULTILINE)
    for _ in range(2):
        module = _parsed(text)
        optimise(module, _generator(), 2)
        text = _ADDRESS_IN_IMAGE.sub(r"getelementptr (i8, ptr @image, i64 \1)", str(module))
    return text


@cache
def _text_of(function: Function, small: bool, architecture: str) -> tuple[str, str]:
    """The symbol and LLVM's text of a function: the same for every machine of an architecture."""
    with optimised_for(Aim.FEW_BYTES if small else Aim.USUAL_CPU):
        return compiled(*function)


def with_names_of_its_own(symbol: str, text: str, name: str) -> Any:
    """A module in which the function `symbol` is called `name`, and nothing has a name that another module has."""
    module = binding.parse_assembly(text)
    for number, value in enumerate((*module.functions, *module.global_variables)):
        if value.is_declaration:
            continue
        is_entry = value.name == symbol
        value.linkage = "external" if is_entry else "internal"
        value.name = name if is_entry else f"{name}.{number}"
    _drop_unused(module)
    return module


def _entry_points(name: str, kernels: Sequence[str], entries: Sequence[str], image: Image) -> str:
    """LLVM's text of the functions that the header file declares."""
    reset, advance, snapshot = entries
    n_kernels, size = len(kernels), _size_type()
    stores = "\n".join(
        f"  %p{n} = getelementptr i64, ptr %room, i64 {n}\n  store i64 ptrtoint (ptr @{kernel} to i64), ptr %p{n}"
        for n, kernel in enumerate(kernels)
    )
    escaped = "".join(f"\\{byte:02X}" for byte in image.data)
    return f"""
@image = private constant [{len(image.data)} x i8] c"{escaped}", align {CACHE_LINE}

define private void @write_kernels(ptr %room) noinline nounwind {{
{stores}
  ret void
}}

define void @{name}_reset(ptr %stream) nounwind {{
  %room = alloca [{n_kernels} x i64]
  call void @write_kernels(ptr %room)
  %s = ptrtoint ptr %stream to i64
  %k = ptrtoint ptr %room to i64
  %done = call i64 @{reset}(i64 %s, i64 ptrtoint (ptr @image to i64), i64 %k, i64 0)
  ret void
}}

define i32 @{name}_step(ptr %stream, ptr %x, ptr %y) nounwind {{
  %s = ptrtoint ptr %stream to i64
  %from = ptrtoint ptr %x to i64
  %to = ptrtoint ptr %y to i64
  %status = call i64 @{advance}(i64 %s, i64 %from, i64 %to, i64 1)
  %result = trunc i64 %status to i32
  ret i32 %result
}}

define i32 @{name}_process(ptr %stream, ptr %x, ptr %y, {size} %n_steps) nounwind {{
  %s = ptrtoint ptr %stream to i64
  %from = ptrtoint ptr %x to i64
  %to = ptrtoint ptr %y to i64
  {_widened("%n", "%n_steps")}
  %status = call i64 @{advance}(i64 %s, i64 %from, i64 %to, i64 %n)
  %result = trunc i64 %status to i32
  ret i32 %result
}}

define private i64 @snapshot(ptr %stream, ptr %bytes, i64 %is_saved) noinline nounwind {{
  %room = alloca [{n_kernels + 1 + HASH_ROOM // 8} x i64]
  store i64 %is_saved, ptr %room
  %kernels = getelementptr i8, ptr %room, i64 {8 + HASH_ROOM}
  call void @write_kernels(ptr %kernels)
  %s = ptrtoint ptr %stream to i64
  %b = ptrtoint ptr %bytes to i64
  %r = ptrtoint ptr %room to i64
  %status = call i64 @{snapshot}(i64 %s, i64 ptrtoint (ptr @image to i64), i64 %b, i64 %r)
  ret i64 %status
}}

define {size} @{name}_save(ptr %stream, ptr %bytes) nounwind {{
  %status = call i64 @snapshot(ptr %stream, ptr %bytes, i64 1)
  %done = icmp eq i64 %status, 0
  %n = select i1 %done, {size} {image.snapshot_bytes}, {size} 0
  ret {size} %n
}}

define i32 @{name}_load(ptr %stream, ptr %bytes) nounwind {{
  %status = call i64 @snapshot(ptr %stream, ptr %bytes, i64 0)
  %result = trunc i64 %status to i32
  ret i32 %result
}}
"""


def _size_type() -> str:
    return "i64" if machine().has_64_bits else "i32"


def _widened(target: str, source: str) -> str:
    return f"{target} = add i64 0, {source}" if machine().has_64_bits else f"{target} = zext i32 {source} to i64"


def _has_fma() -> bool:
    """Whether the machine has fused multiply-adds. Else a product is rounded before it is added, as there is no C library."""
    return machine().architecture != "wasm32"


def _memory_functions(text: str) -> str:
    """Definitions of the C functions that LLVM calls in code for `text`."""
    assembly = _generator().emit_assembly(_parsed(text))
    used = set(re.findall(r"\b(?:mem(?:cpy|move|set)|__aeabi_mem(?:cpy|move|set|clr)[48]?)\b", assembly))
    return "".join(_memory_function(name, _MEMORY_FUNCTIONS[name]) for name in sorted(used))


def _memory_function(name: str, kind: str) -> str:
    size = _size_type()
    if kind in ("copy", "move"):
        arguments, value = f"ptr %to, ptr %from, {size} %n", "load i8, ptr %source"
    elif kind == "set":
        arguments, value = f"ptr %to, i32 %byte, {size} %n", "trunc i32 %byte to i8"
    elif kind == "aeabi_set":
        arguments, value = f"ptr %to, {size} %n, i32 %byte", "trunc i32 %byte to i8"
    else:
        arguments, value = f"ptr %to, {size} %n", "add i8 0, 0"
    backwards = "icmp ult ptr %from, %to" if kind == "move" else "icmp ne i1 false, false"
    return f"""
define internal ptr @{name}({arguments}) noinline nounwind "no-builtins" {{
start:
  %back = {backwards}
  br label %test
test:
  %i = phi {size} [ 0, %start ], [ %next, %body ]
  %more = icmp ult {size} %i, %n
  br i1 %more, label %body, label %end
body:
  %next = add {size} %i, 1
  %last = sub {size} %n, %next
  %at = select i1 %back, {size} %last, {size} %i
  {"%source = getelementptr i8, ptr %from, " + size + " %at" if kind in ("copy", "move") else ""}
  %value = {value}
  %target = getelementptr i8, ptr %to, {size} %at
  store volatile i8 %value, ptr %target
  br label %test
end:
  ret ptr %to
}}
"""


def _parsed(text: str) -> Any:
    module, made = binding.parse_assembly(text), _generator()
    module.triple, module.data_layout = made.triple, str(made.target_data)
    return module


def _generator() -> Any:
    return generator(machine())


def _drop_unused(module: Any) -> None:
    """Take what nothing calls out of a module."""
    manager = binding.create_new_module_pass_manager()
    manager.add_global_dead_code_eliminate_pass()
    manager.run(module, binding.create_pass_builder(_generator(), binding.create_pipeline_tuning_options()))
