"""One small rule for each operator: the axes of its outputs, and what it tells about the axes of its inputs.

A rule takes what is known of all axes, the node, and its inputs (None where one is left out), and gives the output signals. It
binds axes to roles where the operator fixes them, and raises what `Node.refused` makes where the axes do not fit.
"""

from collections.abc import Callable, Sequence

from streamrnn_converters.onnx.axes.roles import Roles
from streamrnn_converters.onnx.axes.rules import (
    contraction,
    convolution,
    elementwise,
    indexing,
    layers,
    recurrent,
    shape_ops,
    steps,
    within_step,
)
from streamrnn_converters.onnx.graph import Node
from streamrnn_converters.onnx.own_nodes import LAST, ROW, STEPS
from streamrnn_converters.onnx.recurrent_kinds import RECURRENT_KINDS
from streamrnn_converters.onnx.values import Known, Signal

Rule = Callable[[Roles, Node, Sequence[Known | None]], list[Signal]]

RULES: dict[str, Rule] = {
    **dict.fromkeys(("Cast", "Dropout", "Identity"), shape_ops.same),
    **dict.fromkeys(elementwise.FUNCTIONS, elementwise.function),
    **dict.fromkeys(elementwise.COMBINATIONS, elementwise.combination),
    **dict.fromkeys(("Expand", "Tile"), shape_ops.repeated),
    **dict.fromkeys(("Flatten", "Reshape"), shape_ops.reshape),
    **dict.fromkeys(layers.REDUCTIONS, layers.reduction),
    **dict.fromkeys(("AveragePool", "MaxPool"), within_step.pooling),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), within_step.global_pooling),
    **dict.fromkeys(("GroupNormalization", "InstanceNormalization"), within_step.channel_normalization),
    **dict.fromkeys(RECURRENT_KINDS, recurrent.recurrent),
    LAST: steps.last,
    ROW: steps.row,
    STEPS: steps.steps,
    "BatchNormalization": layers.batch_normalization,
    "Concat": indexing.concat,
    "CumSum": layers.running_sum,
    "Conv": convolution.convolution,
    "ConvTranspose": within_step.transposed_convolution,
    "Einsum": contraction.contraction,
    "Gather": indexing.gather,
    "Gemm": layers.dense,
    "LayerNormalization": layers.layer_normalization,
    "MatMul": contraction.matmul,
    "Pad": convolution.padding,
    "Resize": within_step.resized,
    "ReverseSequence": recurrent.reverse_sequence,
    "ScatterND": indexing.scatter,
    "Slice": indexing.cut,
    "LogSoftmax": layers.softmax,
    "Softmax": layers.softmax,
    "Split": indexing.split,
    "Squeeze": shape_ops.squeeze,
    "Transpose": shape_ops.transpose,
    "Unsqueeze": shape_ops.unsqueeze,
}
