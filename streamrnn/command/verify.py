"""`streamrnn verify`: an archive compared with the model that it was made from."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from streamrnn.command import exit_codes
from streamrnn.command.console import print_message, show
from streamrnn.command.output_path import check_output_path
from streamrnn.command.proving.proof import compare_layers, compare_long_signal, print_warnings, prove
from streamrnn.command.proving.report import check_report_path, write_report
from streamrnn.command.source_file import errors_name, load_archive, read_source
from streamrnn.command.table import plain_table

_DEFAULT_HORIZON, _MAX_HORIZON = 10_000, 1_000_000  # steps


class OptionalHorizon(TyperCommand):
    """The command with `--horizon N` or `--horizon` alone."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Add the default number after `--horizon` alone: the parser has no options with an optional value."""
        given = []
        for argument, following in zip(args, [*args[1:], ""], strict=True):
            bare = argument == "--horizon" and not following.isdigit()
            given += [argument, str(_DEFAULT_HORIZON)] if bare else [argument]
        return super().parse_args(ctx, given)


def verify(
    archive: Annotated[Path, typer.Argument(metavar="MODEL", help="An archive that `streamrnn import` wrote.")],
    against: Annotated[
        Path,
        typer.Option(metavar="SOURCE", help="The ONNX model that it was made from; of a quantised archive, the one before."),
    ],
    allow_external_data: Annotated[
        bool, typer.Option("--allow-external-data", help="Allow tensors of SOURCE in other files of its folder.")
    ] = False,
    horizon: Annotated[
        int | None,
        typer.Option(
            metavar="[N]",
            min=1,
            max=_MAX_HORIZON,
            help=f"Also compare on one signal of N steps without a reset [default: {_DEFAULT_HORIZON}].",
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all results to this .html or .json file.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the error at each step of --horizon: .png or .svg.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, as --report writes it.")] = False,
) -> None:
    """Compare an archive with its ONNX model.

    onnxruntime runs the model and streamrnn the archive, on quiet, loud, long and saturating signals.

    Each recurrent layer is also compared with its node, to find the first one that differs.

    --horizon shows how the error grows: both run one long signal without a reset, and the largest error at each step counts.

    What `streamrnn quantize` wrote is compared with the archive that it was made from: every weight, rounded anew; every layer
    with its own numbers, where sums of integers are exact; and the whole, on noise.

    \b
    Exit code 0: proven; 3: they differ.

    \b
    Examples:
      streamrnn verify vad.safetensors --against vad.onnx
      streamrnn verify vad.safetensors --against vad.onnx --horizon 1000000 --plot error.png
      streamrnn verify small.safetensors --against vad.safetensors
    """
    if against.suffix.lower() == ".safetensors":
        if allow_external_data or horizon is not None or report is not None or plot is not None:
            raise typer.BadParameter("--allow-external-data, --horizon, --report and --plot are for ONNX models")
        raise typer.Exit(_verify_stored(archive, against, as_json))
    if plot is not None:
        from streamrnn_converters.report_file.horizon_picture import check_drawable

        check_drawable(plot)
        check_output_path(plot, archive)
        horizon = horizon or _DEFAULT_HORIZON
    if report is not None:
        check_report_path(report, archive)
    model, source = load_archive(archive), read_source(against, allow_external_data)
    warnings = print_warnings(model)
    proof = prove(model, source)
    if not as_json:
        show(str(proof))
    layers = compare_layers(model, source)
    if not as_json:
        show("", str(layers))
    long_signal = None if horizon is None else compare_long_signal(model, source, horizon)
    if not as_json and long_signal is not None:
        show("", str(long_signal))
    if as_json:
        from streamrnn_converters.report_file.full_report import FullReport

        show(json.dumps(FullReport(model, against.name, proof, layers, long_signal, warnings).to_json(), indent=2))
    announce = print_message if as_json else show
    if long_signal is not None and plot is not None:
        from streamrnn_converters.report_file.horizon_picture import draw

        draw(long_signal, plot, archive.name)
        announce(f"{plot}: written")
    if report is not None:
        write_report(report, model, against.name, proof, layers, long_signal, warnings, announce=announce)
    agrees = proof.proven and (long_signal is None or long_signal.agrees)
    raise typer.Exit(exit_codes.DONE if agrees else exit_codes.NOT_PROVEN)


def _verify_stored(archive: Path, parent: Path, as_json: bool) -> int:
    """Compare a quantised archive with its own numbers and with the one it was made from. Returns the exit code."""
    from streamrnn.stored_proof import TOLERANCE, prove_stored

    with errors_name(archive):
        proof = prove_stored(load_archive(archive), load_archive(parent))
    if as_json:
        show(json.dumps(proof.to_json(), indent=2))
    else:
        rows = []
        for one in proof.layers:
            error = "" if one.largest_error is None else f"{one.largest_error:.2e}"
            rows.append([f"{one.layer} {one.kind}", one.weights, error, one.differs and f"not the parent's: {one.differs}"])
        show(plain_table(["layer", "weights", "error of a step", ""], rows))
        noted = "" if proof.noted in (None, proof.cost.largest) else f"; the archive says {proof.noted:.2e}"
        show(f"on noise the output is off by {proof.cost.largest:.2e}, RMS {proof.cost.rms:.2e}{noted}")
        show(f"{'proven' if proof.proven else 'NOT proven'}: tolerance {TOLERANCE:g} · max(1, |output|) for a step of a layer")
    return exit_codes.DONE if proof.proven else exit_codes.NOT_PROVEN
