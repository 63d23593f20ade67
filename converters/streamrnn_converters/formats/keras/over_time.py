"""The Keras layers that look at more than one step: LSTM, GRU, SimpleRNN, the convolutions, and zeros before them."""

from streamrnn import Layer
from streamrnn.errors import ConversionError
from streamrnn_converters.formats.json_values import whole_number
from streamrnn_converters.formats.keras.layer import KerasLayer, Value, only_item
from streamrnn_converters.formats.layer_list import LayerList


def lstm(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.LSTM."""
    layer.expect_bias(2)
    gates, cell = layer.cell_functions
    return _recurrent(found, layer, layer.weights.lstm((gates, cell, cell)))


def gru(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.GRU, in the form that reset_after tells."""
    if not isinstance(reset_after := layer.config.get("reset_after"), bool):
        raise ConversionError(f"{layer.where}: reset_after is {reset_after!r:.40}, so its form is not known; save it again")
    layer.expect_bias(2)
    return _recurrent(found, layer, layer.weights.gru(reset_after, layer.cell_functions))


def rnn(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.SimpleRNN."""
    layer.expect_bias(2)
    return _recurrent(found, layer, layer.weights.rnn(layer.function("tanh")))


def _recurrent(found: LayerList, layer: KerasLayer, cell: Layer) -> Value:
    layer.check_time()
    for option, why in {
        "go_backwards": "it reads the signal from its end",
        "return_state": "its states are outputs of the model; a stream keeps them",
        "time_major": "its first axis is time; save the model batch first",
        "zero_output_for_mask": "it skips masked steps",
    }.items():
        if layer.config.get(option):
            raise ConversionError(f"{layer.where}: {option}={layer.config[option]!r:.40} cannot be streamed, {why}")
    units = whole_number(f"{layer.where}, units", layer.config.get("units"))
    if cell.output_size != units:
        raise ConversionError(f"{layer.where}: its weights are of {cell.output_size} units, but its config says {units}")
    return Value(found.add(cell, layer.source.index), bool(layer.config.get("return_sequences")))


def conv1d(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.Conv1D, causal or of one tap."""
    dilation = _dilation(layer)
    layer.expect_bias(1)
    return _convolution(found, layer, layer.weights.conv1d(dilation))


def separable_conv1d(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.SeparableConv1D, causal or of one tap."""
    dilation = _dilation(layer)
    layer.expect_bias(2)
    return _convolution(found, layer, layer.weights.separable_conv1d(dilation))


def depthwise_conv1d(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.DepthwiseConv1D, causal by the zeros before it, or of one tap."""
    dilation = _dilation(layer)
    layer.expect_bias(1)
    return _convolution(found, layer, layer.weights.depthwise_conv1d(dilation))


def zero_padding1d(found: LayerList, layer: KerasLayer) -> Value:
    """keras.layers.ZeroPadding1D before the first step; a convolution with padding="valid" after it is causal."""
    layer.check_time()
    padding = layer.config.get("padding")
    both = padding if isinstance(padding, list) else [padding, padding]
    if len(both) != 2 or both[1] != 0:
        raise ConversionError(
            f"{layer.where}: padding {padding!r:.40} has zeros after the last step, which a stream does not have"
        )
    before = whole_number(f"{layer.where}, padding", both[0], 0)
    return Value(layer.source.index, has_time=True, zeros=layer.source.zeros + before)


def _dilation(layer: KerasLayer) -> int:
    """The dilation of a convolution that can be streamed."""
    layer.check_time()
    config = layer.config
    taps, stride, dilation = (
        whole_number(f"{layer.where}, {name}", only_item(config.get(name, 1)))
        for name in ("kernel_size", "strides", "dilation_rate")
    )
    if config.get("groups", 1) != 1 or stride != 1 or config.get("data_format", "channels_last") != "channels_last":
        raise ConversionError(
            f"{layer.where}: only strides 1, groups 1 and channels_last are imported; export the model as ONNX"
        )
    causal = config.get("padding") == "causal" or (taps == 1 and not layer.source.zeros)
    if layer.source.zeros and config.get("padding") == "valid":
        causal = layer.source.zeros == (taps - 1) * dilation
    if not causal or (config.get("padding") == "causal" and layer.source.zeros):
        raise ConversionError(
            f"{layer.where}: padding {config.get('padding')!r:.40} with {layer.source.zeros} zeros before it cannot be "
            "streamed from the first step; train with 'causal', or with ZeroPadding1D(((taps - 1) * dilation, 0)) and 'valid'"
        )
    return dilation


def _convolution(found: LayerList, layer: KerasLayer, convolution: Layer) -> Value:
    taps = only_item(layer.config.get("kernel_size"))
    found_taps = convolution.weights.shape[2] if convolution.kind == "conv1d" else 1  # type: ignore[attr-defined]
    if found_taps != taps:
        raise ConversionError(f"{layer.where}: kernel_size is {taps}, but its weights have {found_taps} taps")
    index = found.add(convolution, layer.source.index)
    return layer.gives(found.add_function(layer.function(), index))
