"""The activation functions of layers, with their parameters: those of the ONNX operators."""

from dataclasses import dataclass
from typing import ClassVar

from streamrnn.errors import ModelError

_LARGEST = 3.4028234663852886e38  # of float32


@dataclass(frozen=True)
class Activation:
    """A function, by its name and parameters (ONNX LSTM-22, "Equations (Default)").

    linear            x
    affine            alpha x + beta
    relu              max(0, x)
    leaky_relu        x if x >= 0 else alpha x
    thresholded_relu  x if x >= alpha else 0
    tanh              tanh(x)
    scaled_tanh       alpha tanh(beta x)
    sigmoid           1 / (1 + exp(-x))
    hard_sigmoid      min(max(alpha x + beta, 0), 1)
    elu               x if x >= 0 else alpha (exp(x) - 1)
    softsign          x / (1 + |x|)
    softplus          log(1 + exp(x))
    softmax           exp(x) / sum(exp(x)): over all units at once, so only in a dense layer
    exp               exp(x)
    log               log(x)
    sqrt              sqrt(x)
    absolute          |x|
    reciprocal        1 / x
    clip              min(max(x, alpha), beta)
    erf               erf(x)
    gelu              x (1 + erf(x / sqrt(2))) / 2 (Hendrycks & Gimpel 2016)
    gelu_tanh         x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x**3))) / 2, close to gelu
    silu              x / (1 + exp(-alpha x)), also called swish (Ramachandran et al. 2017)
    sin, cos          sin(x), cos(x): for |x| up to 2**20 in float32 and 2**49 in float64; NaN beyond
    power             x**alpha; NaN where x < 0 and alpha is no whole number
    sign              1 where x > 0, -1 where x < 0, else 0
    floor, ceil       the largest whole number <= x, the smallest >= x
    round             the nearest whole number, of two the even one

    A cell takes those above softmax; a `Dense` or a `Pointwise` layer takes the others too.

    A parameter that is None gets the operator's default. Raises ModelError for an unknown name, a parameter that the
    function does not have, or one that is not finite.
    """

    name: str
    alpha: float | None = None
    beta: float | None = None

    #: name -> default (alpha, beta); None where the function has no such parameter. The index is the code in kernels.
    DEFAULTS: ClassVar[dict[str, tuple[float | None, float | None]]] = {
        "linear": (None, None),
        "affine": (1.0, 0.0),
        "relu": (None, None),
        "leaky_relu": (0.01, None),
        "thresholded_relu": (1.0, None),
        "tanh": (None, None),
        "scaled_tanh": (1.0, 1.0),
        "sigmoid": (None, None),
        "hard_sigmoid": (0.2, 0.5),
        "elu": (1.0, None),
        "softsign": (None, None),
        "softplus": (None, None),
        "softmax": (None, None),
        "exp": (None, None),
        "log": (None, None),
        "sqrt": (None, None),
        "absolute": (None, None),
        "reciprocal": (None, None),
        "clip": (-_LARGEST, _LARGEST),
        "erf": (None, None),
        "gelu": (None, None),
        "gelu_tanh": (None, None),
        "silu": (1.0, None),
        "sin": (None, None),
        "cos": (None, None),
        "power": (1.0, None),
        "sign": (None, None),
        "floor": (None, None),
        "ceil": (None, None),
        "round": (None, None),
    }

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in self.DEFAULTS:
            known = ", ".join(self.DEFAULTS)
            raise ModelError(f"activation {self.name!r} is not known; known ones: {known}")
        for parameter, default in zip(("alpha", "beta"), self.DEFAULTS[self.name], strict=True):
            value = getattr(self, parameter)
            if value is None:
                object.__setattr__(self, parameter, default)
            elif default is None:
                raise ModelError(f"activation {self.name!r} has no {parameter}, but {parameter}={value!r} is given")
            elif isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 3e38:
                raise ModelError(f"activation {self.name!r}: {parameter}={value!r} is not a finite number")
            else:
                object.__setattr__(self, parameter, float(value))

    @property
    def fits_cells(self) -> bool:
        """Whether it is one of ONNX's functions for recurrent cells."""
        return self.code < list(self.DEFAULTS).index("softmax")

    @property
    def code(self) -> int:
        """The number of the function in kernels."""
        return list(self.DEFAULTS).index(self.name)

    def __str__(self) -> str:
        """`hard_sigmoid(0.2, 0.5)`."""
        parameters = ", ".join(f"{value:g}" for value in (self.alpha, self.beta) if value is not None)
        return f"{self.name}({parameters})" if parameters else self.name


def activation(value: "Activation | str") -> Activation:
    """The activation of a name; an activation is returned as it is."""
    return value if isinstance(value, Activation) else Activation(value)


LINEAR = Activation("linear")
RELU = Activation("relu")
SIGMOID = Activation("sigmoid")
TANH = Activation("tanh")
