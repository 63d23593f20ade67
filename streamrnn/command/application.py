"""The subcommands together, and what an error looks like: one line on standard error, no traceback."""

import sys
from typing import Annotated

import typer

from streamrnn.command import exit_codes
from streamrnn.command.bench import bench
from streamrnn.command.console import complain
from streamrnn.command.doctor import doctor
from streamrnn.command.import_ import import_
from streamrnn.command.inspect import inspect
from streamrnn.command.run import run
from streamrnn.command.verify import BareHorizon, verify
from streamrnn.command.warmup import warmup
from streamrnn.errors import StreamRNNError
from streamrnn.version import __version__

application = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=exit_codes.TEXT,
    context_settings={"help_option_names": ["-h", "--help"]},
)
application.command("import")(import_)
application.command("verify", cls=BareHorizon)(verify)
application.command("doctor")(doctor)
application.command("inspect")(inspect)
application.command("run")(run)
application.command("warmup")(warmup)
application.command("bench")(bench)


def _version(wanted: bool) -> None:
    if wanted:
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
    streamrnn import vad.onnx                    convert, prove against onnxruntime, write vad.safetensors
    streamrnn doctor w.npz --against io.npz      which convention weights of unknown origin follow
    streamrnn inspect vad.safetensors            layers, sizes, provenance
    streamrnn run vad.safetensors < in.csv       one output line for each input line, as it arrives
    streamrnn warmup vad.safetensors             compile now what it will need, so that no stream waits
    streamrnn bench vad.safetensors              latency of its steps on this machine
    """


def main() -> None:
    """Run the command line and exit: the entry point."""
    try:
        application(prog_name="streamrnn")
    except StreamRNNError as error:
        complain(f"error: {error}")
        sys.exit(exit_codes.FAILED)
