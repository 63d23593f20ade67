"""From an object file to an address, and from LLVM's text to an object file, with llvmlite alone.

llvmlite is imported late: where kernels come from a library (library.py), it need not be installed.
"""

from functools import cache
from typing import Any

from streamrnn.code_cache.files import Code
from streamrnn.target.machine import Machine, machine, this_machine

_engines: list[Any] = []  # an engine owns the code that it loaded: both are kept for ever


@cache
def generator(made_for: Machine, in_process: bool = False) -> Any:
    """LLVM's generator of object files for a machine; `in_process` tells that it is the machine of this process.

    An object's constants lie near its code (the small code model), also where `load` puts it: a constant that may be anywhere
    takes an instruction for its address each time.
    """
    from llvmlite import binding

    if in_process:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
    else:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
    return binding.Target.from_triple(made_for.triple).create_target_machine(
        cpu=made_for.cpu, features=made_for.features, opt=3, reloc="pic", codemodel="small"
    )


def emit(symbol: str, text: str) -> Code:
    """An object file for the machine, from LLVM's text, which is optimised already; `symbol` is the function to call.

    Raises RuntimeError if the code calls anything outside of itself: an error path of Numba, which a process without Numba
    does not have.
    """
    from llvmlite import binding

    module = binding.parse_assembly(text)
    check_alone(symbol, module)
    made = generator(machine(), machine() == this_machine())
    module.triple, module.data_layout = made.triple, str(made.target_data)  # Numba's are those of this process
    return Code(symbol, made.emit_object(module))


def check_alone(symbol: str, module: Any) -> None:
    """Raise RuntimeError if a module calls anything outside of itself."""
    outside = [f.name for f in module.functions if f.is_declaration and not f.name.startswith("llvm.")]
    if outside:
        raise RuntimeError(f"{symbol} calls {', '.join(outside)}; a kernel must not raise or allocate")


def load(code: Code) -> int:
    """Load an object file, for ever. Returns the address of its function. It gets its own engine: symbols may clash.

    llvmlite's own memory manager keeps the code and the constants of an object in one piece of memory.
    """
    from llvmlite import binding

    made = generator(this_machine(), in_process=True)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), made, use_lmm=True)
    engine.add_object_file(binding.ObjectFileRef.from_data(code.object))
    engine.finalize_object()
    _engines.append(engine)
    address = int(engine.get_function_address(code.symbol))
    if address == 0:
        raise RuntimeError(f"the object file has no symbol {code.symbol}")
    return address
