"""`streamrnn verify`: an archive against the model that it was made from."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from streamrnn.command import exit_codes
from streamrnn.command.console import show
from streamrnn.command.output_path import check_target
from streamrnn.command.proving.proof import look_closer, look_far, prove, read_source, warn
from streamrnn.command.proving.report import check_report, keep
from streamrnn.model import load

_FAR, _FARTHEST = 10_000, 1_000_000


class BareHorizon(TyperCommand):
    """The command that takes `--horizon` with and without a number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the number in where it is left out, since an option has its value or is a flag, here as in most parsers."""
        given = []
        for argument, following in zip(args, [*args[1:], ""], strict=True):
            given += [argument, str(_FAR)] if argument == "--horizon" and not following.isdigit() else [argument]
        return super().parse_args(ctx, given)


def verify(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="What `streamrnn import` has written.")],
    against: Annotated[Path, typer.Option(metavar="SOURCE", help="What it was made from.")],
    allow_external_data: Annotated[
        bool, typer.Option("--allow-external-data", help="Let tensors of SOURCE lie in other files, in its own folder.")
    ] = False,
    horizon: Annotated[
        int | None,
        typer.Option(
            metavar="[N]", min=1, max=_FARTHEST, help=f"Also compare over one signal of N steps [{_FAR}], the state carried."
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep all that was found: .html, or .json.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the error against the steps of --horizon: .png or .svg.")
    ] = None,
) -> None:
    """Compare an archive with its ONNX model.

    The model runs in onnxruntime, the archive in streamrnn, on quiet, loud, long and saturating signals.

    Each recurrent layer is compared with its node too, so that the first that differs is known.

    --horizon asks how the error goes on: one long signal through both, never reset, and the largest error by step.

    \b
    Exit code 0: proven; 3: they differ.

    \b
    Examples:
      streamrnn verify vad.safetensors --against vad.onnx
      streamrnn verify vad.safetensors --against vad.onnx --horizon 1000000 --plot error.png
    """
    if plot is not None:
        from streamrnn_converters.report_file.horizon_picture import check_drawable

        check_drawable(plot)
        check_target(plot, archive)
        horizon = horizon or _FAR
    if report is not None:
        check_report(report, archive)
    model, source = load(archive), read_source(against, allow_external_data)
    warnings = warn(model)
    found = prove(model, source)
    show(str(found))
    layers = look_closer(model, source)
    show("", str(layers))
    far = None
    if horizon is not None:
        far = look_far(model, source, horizon)
        show("", str(far))
    if far is not None and plot is not None:
        from streamrnn_converters.report_file.horizon_picture import draw

        draw(far, plot, archive.name)
        show(f"{plot}: written")
    if report is not None:
        keep(report, model, against.name, found, layers, far, warnings)
    agrees = found.proven and (far is None or far.agrees)
    raise typer.Exit(exit_codes.DONE if agrees else exit_codes.NOT_PROVEN)
