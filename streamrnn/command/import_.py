"""`streamrnn import`: a foreign model in, proven, written as an archive."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from streamrnn.command import exit_codes
from streamrnn.command.console import complain, show
from streamrnn.command.output_path import check_target
from streamrnn.command.proving.checkpoint import EXTENSIONS, import_checkpoint
from streamrnn.command.proving.proof import look_closer, prove, read_source, warn
from streamrnn.command.proving.report import check_report, far_or_not, keep


def import_(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A model that an exporter wrote.")],
    target: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="[default: SOURCE with the extension .safetensors]"),
    ] = None,
    verified: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare with onnxruntime first, or write without a proof.")
    ] = True,
    constants: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="The value of a graph input that is really a constant; repeatable."),
    ] = None,
    allow_external_data: Annotated[
        bool, typer.Option("--allow-external-data", help="Let tensors of SOURCE lie in other files, in its own folder.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="For whole recordings, which may be read backwards: no stream needs to answer.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the proof, the layers' errors and those of a long signal: .html, or .json."),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(metavar="LAYERS", help='Of a checkpoint, what its tensors are: "lstm:rnn, dense:head:softmax".'),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="DTYPE", help="Of a checkpoint, what the model computes in: float32 or float64.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="REFERENCE", help="For a checkpoint, an .onnx, or an .npz of recorded input and output."),
    ] = None,
) -> None:
    """Convert an ONNX model or a checkpoint, prove it, write it.

    The proof is a comparison with onnxruntime on many signals; the archive keeps it. What cannot be streamed, or is not
    understood, is refused by the name of its node. What cannot be proven is not written.

    A checkpoint (.safetensors, .npz, .pt, .pth, .bin, .ckpt) holds weights and no graph. What they are is guessed where names
    and shapes leave one answer, or said by --layers: lstm:PREFIX, gru:PREFIX, rnn:PREFIX[:relu], dense:PREFIX[:FUNCTION]. It
    is written unproven, or proven --against an ONNX model or a recording, an .npz of "input" and "output", (n_steps, size)
    each, and the states it began in, "initial_hidden" and "initial_cell", where they were not zero.

    \b
    Exit code 0: proven and written; 3: not proven, not written; 4: written unproven (--no-verify, or a checkpoint alone).

    \b
    Examples:
      streamrnn import vad.onnx
      streamrnn import vad.onnx -o models/vad.safetensors
      streamrnn import vad.onnx --report vad.html
      streamrnn import vad.onnx --set sr=16000
      streamrnn import both_ways.onnx --offline
      streamrnn import checkpoint.pt --layers "lstm:rnn, dense:head" --against io.npz
    """
    if report is not None and not verified:
        raise typer.BadParameter("--report keeps a proof and --no-verify asks for none; give one of them")
    if against is not None and not verified:
        raise typer.BadParameter("--against asks for a proof and --no-verify for none; give one of them")
    fixed = _values(constants or [])
    if source.suffix.lower() in EXTENSIONS:
        if fixed or allow_external_data or offline or report is not None:
            raise typer.BadParameter(
                "--set, --allow-external-data, --offline and --report are for ONNX models, and this is a checkpoint"
            )
        return import_checkpoint(source, target, layers, dtype, against)
    if layers is not None or dtype is not None or against is not None:
        raise typer.BadParameter("--layers, --dtype and --against are for checkpoints; an ONNX model tells what it is")
    _import_graph(source, target or source.with_suffix(".safetensors"), fixed, allow_external_data, offline, verified, report)


def _import_graph(
    source: Path,
    target: Path,
    fixed: dict[str, Any],
    allow_external_data: bool,
    offline: bool,
    verified: bool,
    report: Path | None,
) -> None:
    """Convert an ONNX model, prove it and write it; the options are those of the command."""
    from streamrnn_converters.onnx import read_onnx

    check_target(target, source)
    if report is not None:
        check_report(report, source)
    data = read_source(source, allow_external_data)
    imported = read_onnx(data, fixed, offline=offline)
    model = imported.model
    for remark in imported.remarks:
        complain(f"remark: {remark}")
    warnings = warn(model)
    if not verified:
        model.save(target)
        complain(f"{target}: written, but not proven; `streamrnn verify {target} --against {source}` does that")
        raise typer.Exit(exit_codes.UNPROVEN)
    proof = prove(model, data)
    show(str(proof))
    if report is not None or not proof.proven:
        layers_found = look_closer(model, data)
        show("", str(layers_found))
        if report is not None:
            keep(report, model, source.name, proof, layers_found, far_or_not(model, data), warnings, imported.remarks)
    if not proof.proven:
        complain(f"error: {target}: not written, the model does not do what {source} does")
        raise typer.Exit(exit_codes.NOT_PROVEN)
    model.with_notes(model.notes | {"proof": {"source": source.name} | proof.to_json()}).save(target)
    show(f"{target}: written")


def _values(settings: list[str]) -> dict[str, Any]:
    """NAME=VALUE pairs, the values as JSON has them. Raises typer.BadParameter for what is none."""
    values: dict[str, Any] = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            values[name] = json.loads(value)
        except ValueError:
            name = ""
        if not name:
            raise typer.BadParameter(
                f"--set {setting}: expected NAME=VALUE, the value a number, a list of numbers, true or false"
            )
    return values
