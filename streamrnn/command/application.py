"""All subcommands in one application. An error is one line on standard error, never a traceback."""

import signal
import sys
from typing import Annotated

import typer

from streamrnn.command import exit_codes
from streamrnn.command.bench import bench
from streamrnn.command.compile import compile_
from streamrnn.command.compiling_bar import compiling_shown
from streamrnn.command.console import print_message, warnings_printed
from streamrnn.command.doctor import doctor
from streamrnn.command.export import export
from streamrnn.command.gates import gates
from streamrnn.command.import_ import import_
from streamrnn.command.inspect import inspect
from streamrnn.command.quantize import quantize
from streamrnn.command.run import run
from streamrnn.command.signals import Terminated, termination_raised
from streamrnn.command.verify import OptionalHorizon, verify
from streamrnn.command.warmup import warmup
from streamrnn.errors import StreamRNNError
from streamrnn.version import __version__

application = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=exit_codes.TEXT,
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.command("import")(import_)
application.command("verify", cls=OptionalHorizon)(verify)
application.command("doctor")(doctor)
application.command("inspect")(inspect)
application.command("run")(run)
application.command("gates")(gates)
application.command("export")(export)
application.command("quantize")(quantize)
application.command("warmup")(warmup)
application.command("compile")(compile_)
application.command("bench")(bench)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"streamrnn {__version__}")
        raise typer.Exit


@application.callback()
def streamrnn(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run trained LSTM, GRU and RNN models one step at a time.

    \b
    streamrnn import vad.onnx                    convert, compare with onnxruntime, write vad.safetensors
    streamrnn doctor w.npz --against io.npz      find the convention of weights of unknown origin
    streamrnn inspect vad.safetensors            show layers, sizes and origin
    streamrnn run vad.safetensors < in.csv       write one output line for each input line, as it arrives
    streamrnn export vad.safetensors -o vad      write it as C, for programs without Python
    streamrnn gates vad.safetensors in.csv       show what its gates do on a signal, as numbers, page or picture
    streamrnn quantize vad.safetensors -o s.safetensors --weights int8     store its weights in fewer bytes
    streamrnn warmup vad.safetensors             compile its kernels now, so that no stream waits later
    streamrnn compile vad.safetensors -o kernels compile them as a library, for machines without Numba
    streamrnn bench vad.safetensors              measure the latency of its steps on this machine

    streamrnn --install-completion lets the shell complete subcommands, options and files.
    """


def run_command_line() -> None:
    """Run the command line, then exit."""
    try:
        with termination_raised(), warnings_printed(), compiling_shown():
            application(prog_name="streamrnn")
    except KeyboardInterrupt:
        sys.exit(exit_codes.INTERRUPTED + signal.SIGINT)
    except Terminated as terminated:
        sys.exit(exit_codes.INTERRUPTED + terminated.signal)
    except StreamRNNError as error:
        print_message(f"error: {error}")
        sys.exit(exit_codes.FAILED)
