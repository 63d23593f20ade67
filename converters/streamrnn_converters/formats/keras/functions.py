"""The activation functions that Keras names (keras.activations), and what they are here."""

from typing import Any

from streamrnn import Activation
from streamrnn.activation import LINEAR, RELU, SIGMOID, TANH
from streamrnn.errors import ConversionError

_NAMED = {
    "linear": LINEAR,
    "relu": RELU,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "softmax": Activation("softmax"),
    "elu": Activation("elu", 1.0),
    "softplus": Activation("softplus"),
    "softsign": Activation("softsign"),
    "exponential": Activation("exp"),
    "gelu": Activation("gelu"),
    "silu": Activation("silu"),
    "swish": Activation("silu"),
    "relu6": Activation("clip", 0.0, 6.0),
}
#: By major version of Keras: what has changed between them.
_BY_VERSION = {
    "2": {"hard_sigmoid": Activation("hard_sigmoid", 0.2, 0.5)},
    "3": {"hard_sigmoid": Activation("hard_sigmoid", 1 / 6, 0.5), "leaky_relu": Activation("leaky_relu", 0.2)},
}


def function(where: str, name: Any, version: str) -> Activation:
    """The function of a name in the config; None is linear. Raises ConversionError for one that is not known here.

    version  of Keras, since hard_sigmoid has changed; "" where the file does not tell
    """
    if name is None:
        return LINEAR
    if isinstance(name, dict) and isinstance(name.get("config"), str) and name.get("registered_name") in (name["config"], None):
        name = name["config"]  # a function as Keras 3 may write it
    if not isinstance(name, str):
        raise ConversionError(f"{where}: {name!r:.60} is a function of the user's own, whose code is not in the file")
    changed = _BY_VERSION.get(version.partition(".")[0], {})
    if name in changed:
        return changed[name]
    if name in _NAMED:
        return _NAMED[name]
    if any(name in functions for functions in _BY_VERSION.values()):
        raise ConversionError(
            f"{where}: {name} differs by version of Keras, and the file tells {version or 'none'}; save it again"
        )
    raise ConversionError(f"{where}: the function {name!r:.40} is not one of {', '.join(sorted({*_NAMED, *changed}))}")
