"""How kernels are compiled: `@inline` functions, and the LLVM text of a kernel that is made of them.

By itself Numba makes machine code of every function. Here that would be waste, since a kernel has all its parts inside, and it
would be wrong: before LLVM makes machine code of a module it rewrites the module, and what it then writes is not meant to be
optimised again. It writes an address as an offset from a null pointer, for example. A caller into which this is inlined is
optimised again, and reading through a null pointer means there that the code behind is never reached: it becomes an endless
loop. So here a function ends as text.
"""

import gc
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from functools import cache, wraps
from typing import Any, TypeVar

from llvmlite import binding, ir
from numba.core.codegen import AOTCPUCodegen, JITCodeLibrary
from numba.core.compiler import CompilerBase, CompileResult, Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.dispatcher import _FunctionCompiler
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import IRLegalization, NativeLowering, NoPythonBackend, NopythonTypeInference, PreLowerStripPhis
from numba.core.typing import Signature
from numba.core.untyped_passes import (
    DeadBranchPrune,
    FixupArgs,
    IRProcessing,
    ReconstructSSA,
    RewriteSemanticConstants,
    TranslateByteCode,
)

from streamrnn.target.machine import MACHINES, USUAL, this_machine

R = TypeVar("R")

#: Division follows IEEE 754, and there is no fast-math: the bits of a result depend on the shapes alone (bit reproducibility,
#: the machine law).
OPTIONS = {"nopython": True, "error_model": "numpy", "nogil": True, "no_cpython_wrapper": True}


#: The passes of Numba that kernels need, in its order.
_PASSES = (
    TranslateByteCode,
    FixupArgs,
    IRProcessing,
    RewriteSemanticConstants,
    DeadBranchPrune,
    ReconstructSSA,
    NopythonTypeInference,
    PreLowerStripPhis,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
)


class Aim(Enum):
    """What texts are optimised for."""

    THIS_CPU = "the CPU of this process"
    USUAL_CPU = "the usual CPU of this architecture, so that a text is the same wherever it was made"
    FEW_BYTES = "few bytes rather than speed; also the same everywhere"


_aim: ContextVar[Aim] = ContextVar("_aim", default=Aim.THIS_CPU)


@contextmanager
def optimised_for(aim: Aim) -> Iterator[None]:
    """Optimise for something else, within a `with`."""
    before = _aim.set(aim)
    try:
        yield
    finally:
        _aim.reset(before)


def is_for_size() -> bool:
    """Whether what is compiled now is to have few bytes."""
    return _aim.get() is Aim.FEW_BYTES


def made_once(make: Callable[..., R]) -> Callable[..., R]:
    """What `make` makes is kept for its arguments, and for whether it is to have few bytes: several kernels have one part."""
    kept = cache(lambda of_size, *arguments: make(*arguments))
    return wraps(make)(lambda *arguments: kept(is_for_size(), *arguments))


def optimise(module: Any, target_machine: Any, speed_level: int) -> None:
    """Run LLVM's passes over a module. No loop is unrolled, and none is turned into vectors: kernels do both by themselves."""
    options = binding.create_pipeline_tuning_options(speed_level=speed_level)
    options.loop_unrolling = options.loop_vectorization = options.slp_vectorization = False
    builder = binding.create_pass_builder(target_machine, options)
    builder.getModulePassManager().run(module, builder)


class _Text(JITCodeLibrary):
    """The text of a function. It can be linked into others; there is no machine code of it."""

    def add_ir_module(self, module: ir.Module) -> None:
        """Add a module. Numba's wrapper, by which C calls a function, keeps apart from it; a kernel goes into its wrapper."""
        for function in module.functions:
            for block in function.blocks:
                for instruction in block.instructions:
                    if isinstance(instruction, ir.CallInstr):
                        instruction.attributes.discard("noinline")
        super().add_ir_module(module)

    def _optimize_functions(self, module: Any) -> None:
        if is_for_size():
            for function in module.functions:
                if not function.is_declaration:
                    function.add_function_attribute("optsize")
                    function.add_function_attribute("minsize")
        super()._optimize_functions(module)

    def _optimize_final_module(self) -> None:
        """Optimise an export's parts, whose bytes must not depend on the kernels before. Others are, within their kernel."""
        if _aim.get() is not Aim.THIS_CPU:
            self.optimise()

    def optimise(self) -> None:
        """Optimise the text, with all parts that are linked into it."""
        optimise(self._final_module, self._codegen._tm, 2 if is_for_size() else 3)

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def keep_only(self, name: str) -> None:
        """Let nothing call the text but by the function of this name: what is inlined there is dropped elsewhere."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.name != name:
                function.linkage = "internal"

    def calls_others(self) -> bool:
        """Whether the text calls functions that it does not contain, but LLVM's own."""
        return any(each.is_declaration and not each.name.startswith("llvm.") for each in self._final_module.functions)


class _Passes(CompilerBase):
    """What Numba does with a function before LLVM, without what kernels never need: array expressions, closures, literals."""

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("kernels")
        for one in _PASSES:
            manager.add_pass(one, one.name())
        manager.finalize()
        return [manager]


class _Compiler(_FunctionCompiler):
    """Numba's compiler of a function, up to the text."""

    def _compile_core(self, args: Any, return_type: Any) -> CompileResult:
        flags = Flags()
        self.targetdescr.options.parse_as_flags(flags, self.targetoptions)
        flags.no_compile = True
        context = self.targetdescr.target_context
        codegen = context.codegen() if _aim.get() is Aim.THIS_CPU else _codegen_of_usual_cpu()
        return compile_extra(
            self.targetdescr.typing_context,
            context,
            self.py_func,
            args=args,
            return_type=return_type,
            flags=flags,
            locals=self.locals,
            library=_Text(codegen, self.py_func.__qualname__),
            pipeline_class=self.pipeline_class,
        )


@cache
def _codegen_of_usual_cpu() -> AOTCPUCodegen:
    architecture = this_machine().architecture
    usual = USUAL.get(architecture)
    return AOTCPUCodegen("usual_cpu", MACHINES[usual].cpu if usual else "generic")


class _Inlined(CPUDispatcher):
    """A function for each tuple of types with which kernels call it. Python cannot call it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._by_aim: dict[Aim, OrderedDict[Any, Any]] = {aim: OrderedDict() for aim in Aim}
        options = {**OPTIONS, "forceinline": True, "no_cfunc_wrapper": True}
        super().__init__(function, targetoptions=options)
        self._compiler = _Compiler(function, self.targetdescr, options, {}, _Passes)

    @property
    def overloads(self) -> OrderedDict[Any, Any]:
        """Types of the arguments -> the function that is compiled for them, and for what is aimed at."""
        return self._by_aim[_aim.get()]

    @overloads.setter
    def overloads(self, compiled: OrderedDict[Any, Any]) -> None:
        self._by_aim[_aim.get()] = compiled

    def add_overload(self, cres: CompileResult) -> None:
        """Keep a compiled function, and tell Numba which calls it answers: its name stands in place of an address."""
        cres = cres._replace(entry_point=cres.fndesc.mangled_name)
        self.targetctx.insert_user_function(cres.entry_point, cres.fndesc, [cres.library])
        self.overloads[tuple(cres.signature.args)] = cres


def inline(function: Callable[..., Any]) -> Any:
    """A function that is always inlined into its caller."""
    return _Inlined(function)


@contextmanager
def _no_collections() -> Iterator[None]:
    """No search for cycles within a `with`: Numba's many objects, nearly all in use, made it a tenth of the time to compile."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def text_of(function: Callable[..., Any], signature: Signature) -> tuple[str, str]:
    """The name of the symbol by which C calls a function, and the optimised text of the module that has it.

    Raises NumbaError if it cannot be compiled.
    """
    compiler = _Compiler(function, CPUDispatcher.targetdescr, {**OPTIONS, "forceinline": True}, {}, _Passes)
    with global_compiler_lock, _no_collections():
        result = compiler.compile(signature.args, signature.return_type)
        result.library.finalize()
        result.library.keep_only(result.fndesc.llvm_cfunc_wrapper_name)
        if _aim.get() is Aim.THIS_CPU:
            result.library.optimise()
        if result.library.calls_others():
            # Numba's wrapper reports errors. That a kernel has none may be found out only after the wrapper was looked at
            result.library.optimise()
    return result.fndesc.llvm_cfunc_wrapper_name, result.library.get_llvm_str()
