"""What a model is: layers with sizes that match. NumPy only, no compiler.

model    `Model`
sources  which layers read which
loops    layers that read each other
rates    rows of each layer in a step
loading  `load`, the model in an archive
"""

from streamrnn.model.loading import load
from streamrnn.model.model import Model

__all__ = ["Model", "load"]
