"""`streamrnn import`: a model of another framework, converted, proven and written as an archive."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamrnn.command import exit_codes
from streamrnn.command.output_path import check_archive_path, default_archive_path, not_written
from streamrnn.command.proving.checkpoint import import_checkpoint
from streamrnn.command.proving.import_output import ImportOutput
from streamrnn.command.proving.proof import compare_layers, print_warnings, prove
from streamrnn.command.proving.report import check_report_path, horizon_for_report, write_report
from streamrnn.command.source_file import EXTENSIONS, check_is_graph, errors_name, read_source

if TYPE_CHECKING:
    from streamrnn_converters.onnx.read import States


def import_(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="An ONNX model or a checkpoint.")],
    target: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="[default: SOURCE with the extension .safetensors]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let OUT replace a file that streamrnn did not write.")] = False,
    verified: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Compare with onnxruntime before writing, or write without a proof.")
    ] = True,
    constants: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Fix a graph input, or an open size by its name; repeatable."),
    ] = None,
    allow_external_data: Annotated[
        bool, typer.Option("--allow-external-data", help="Allow tensors of SOURCE in other files of its folder.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Also accept a model that reads its input backwards and needs whole recordings.")
    ] = False,
    time_axis: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]N", help="Which axis of the graph's first input, or of input NAME, is time; repeatable."),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IN=OUT",
            help="A graph input that is a state, and the output that gives it back; repeatable, or none. carry: keep the "
            "states of a graph of one step that neither takes nor gives them.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the proof, the errors of the layers and of a long signal to this .html or .json file."
        ),
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(metavar="LAYERS", help='Which layers the tensors of a checkpoint form: "lstm:rnn, dense:head:softmax".'),
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(metavar="DTYPE", help="Compute precision of a checkpoint: float32 or float64.")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="REFERENCE", help="Prove a checkpoint with an .onnx, or an .npz of recorded input and output."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: what was written, the proof, remarks and warnings.")
    ] = False,
) -> None:
    """Convert an ONNX model or a checkpoint, prove it and write it.

    The proof is a comparison with onnxruntime on many signals, and is kept in the archive. A model that cannot be streamed or
    is not understood is refused, with the name of the node and the reason. A model that is not proven is not written.

    A checkpoint (.safetensors, .npz, .pt, .pth, .bin, .ckpt) has weights but no graph. Names and shapes show which layers the
    weights belong to if only one answer is possible; otherwise give --layers: lstm:PREFIX, gru:PREFIX, rnn:PREFIX[:relu],
    dense:PREFIX[:FUNCTION], skip (adds the input to the output). What a model does without weights is not in a checkpoint: a
    guess says so. A checkpoint is written without a proof, or compared --against an ONNX model or a recording. A recording is
    an .npz with "input" and "output", (n_steps, size) each, and "initial_hidden" and "initial_cell" if the states did not start
    from zeros.

    A model file of RTNeural, GuitarML or AIDA-X (.json, .aidax), Neural Amp Modeler (.nam) or Keras (.keras, .h5) is proven by
    the test vector that came with it: in the file, or in two files beside it, a step in each line: NAME_x.csv and NAME_y.csv of
    NAME.json, NAME.nam_x.csv and NAME.nam_y.csv of NAME.nam. Without one it is written unproven, or proven --against a
    reference.

    \b
    Exit code 0: proven and written; 3: not proven, not written; 4: written without proof (--no-verify, or no reference).

    \b
    Examples:
      streamrnn import vad.onnx
      streamrnn import vad.onnx -o models/vad.safetensors
      streamrnn import vad.onnx --report vad.html
      streamrnn import vad.onnx --set sr=16000 --set batch=1 --set sequence=576
      streamrnn import both_ways.onnx --offline
      streamrnn import two_inputs.onnx --time-axis x=1 --time-axis u=0
      streamrnn import cell.onnx --state h_in=h_out --state mean=new_mean
      streamrnn import policy.onnx --state carry
      streamrnn import checkpoint.pt --layers "lstm:rnn, dense:head" --against io.npz
      streamrnn import amplifier.aidax
      streamrnn import vad.onnx --json | jq .proven
    """
    if report is not None and not verified:
        raise typer.BadParameter("--report writes a proof and --no-verify asks for none; give one of them")
    if against is not None and not verified:
        raise typer.BadParameter("--against asks for a proof and --no-verify for none; give one of them")
    fixed, states, output = _values(constants or []), _states(state or []), ImportOutput(source, as_json)
    if source.suffix.lower() in EXTENSIONS:
        if fixed or allow_external_data or offline or time_axis or report is not None or state:
            raise typer.BadParameter(
                "--set, --allow-external-data, --offline, --time-axis, --state and --report are for ONNX models; this is a "
                "checkpoint or a model file"
            )
        return import_checkpoint(source, target, force, layers, dtype, against, output, verified)
    check_is_graph(source)
    if layers is not None or dtype is not None or against is not None:
        raise typer.BadParameter("--layers, --dtype and --against are for checkpoints; an ONNX model describes itself")
    target, axis = target or default_archive_path(source), _time_axis(time_axis or [])
    _import_graph(source, target, force, fixed, allow_external_data, offline, axis, verified, report, states, output)


def _import_graph(
    source: Path,
    target: Path,
    force: bool,
    fixed: dict[str, Any],
    allow_external_data: bool,
    offline: bool,
    time_axis: int | dict[str, int] | None,
    verified: bool,
    report: Path | None,
    states: "States",
    output: ImportOutput,
) -> None:
    """Convert an ONNX model, prove it and write it; the options are those of the command."""
    from streamrnn_converters.onnx import read_onnx

    check_archive_path(target, source, force)
    if report is not None:
        check_report_path(report, source)
    data = read_source(source, allow_external_data)
    with errors_name(source):
        imported = read_onnx(data, fixed, offline=offline, time_axis=time_axis, states=states)
    model = imported.model
    output.add_remarks(imported.remarks)
    warnings = print_warnings(model)
    output.add_warnings(warnings)
    if not verified:
        model.save(target)
        remedy = f"but not proven; to prove it: streamrnn verify {target} --against {source}"
        return output.written(target, remedy, exit_codes.UNPROVEN)
    proof = prove(model, data)
    noted = output.compared(proof, source.name)
    if report is not None or not proof.proven:
        layers = compare_layers(model, data)
        output.show("", str(layers))
        if report is not None:
            horizon = horizon_for_report(model, data)
            remarks, announce = imported.remarks, output.announce
            write_report(report, model, source.name, proof, layers, horizon, warnings, remarks, announce)
    if noted is None:
        output.refuse(f"{not_written(target)}, because the output of the model differs from {source}", exit_codes.NOT_PROVEN)
    model.with_notes(model.notes | {"proof": noted}).save(target)
    output.written(target)


def _states(given: list[str]) -> "States":
    """What `--state` says. Raises typer.BadParameter for anything else than IN=OUT, "none" or "carry"."""
    if given in ([], ["carry"]):
        return "carry" if given else None
    pairs = {} if given == ["none"] else dict(setting.partition("=")[::2] for setting in given)
    wrong = [setting for setting in given if pairs and not all(setting.partition("=")[::2])]
    if wrong or (pairs and len(pairs) < len(given)):
        raise typer.BadParameter(f"--state {(wrong or given)[0]}: expected IN=OUT, each input once; or none, or carry, alone")
    return pairs


def _values(settings: list[str]) -> dict[str, Any]:
    """The values by name, parsed as JSON. Raises typer.BadParameter for anything else than NAME=VALUE."""
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


def _time_axis(settings: list[str]) -> int | dict[str, int] | None:
    """One number, or numbers by name. Raises typer.BadParameter for anything else."""
    named: dict[str, int] = {}
    for setting in settings:
        name, _, number = setting.rpartition("=")
        if not number.removeprefix("-").isdecimal() or (not name and len(settings) > 1):
            raise typer.BadParameter(
                f"--time-axis {setting}: expected the number of an axis, or NAME=N for each of several inputs"
            )
        if not name:
            return int(number)
        named[name] = int(number)
    return named or None
