"""From an object file to an address, by llvmlite alone; and from LLVM's text to an object file."""

from functools import cache
from typing import Any

from llvmlite import binding

from streamrnn.code_cache.files import Code

_engines: list[Any] = []  # code lives as long as the engine that loaded it, and so for good


@cache
def _machine() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    features = binding.get_host_cpu_features().flatten()
    return target.create_target_machine(
        cpu=binding.get_host_cpu_name(), features=features, opt=3, reloc="pic", codemodel="jitdefault"
    )


def emit(symbol: str, text: str) -> Code:
    """LLVM's text, optimised already, as an object file for this CPU; `symbol` is what will be called.

    Raises RuntimeError where it calls anything outside itself: an error path of Numba's, which a process without Numba lacks.
    """
    module = binding.parse_assembly(text)
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if outside:
        raise RuntimeError(f"{symbol} calls {', '.join(outside)}; a kernel must not raise or allocate")
    return Code(symbol, _machine().emit_object(module))


def load(code: Code) -> int:
    """Address of the function of an object file, put into memory to stay. One engine each, since names may meet."""
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine())
    engine.add_object_file(binding.ObjectFileRef.from_data(code.object))
    engine.finalize_object()
    _engines.append(engine)
    address = int(engine.get_function_address(code.symbol))
    if address == 0:
        raise RuntimeError(f"the object file has no symbol {code.symbol}")
    return address
