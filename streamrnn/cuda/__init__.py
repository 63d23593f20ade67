"""`streamrnn.cuda.StreamPool`: many streams on a GPU (docs/cuda.md). Needs the extra `cuda`."""

import importlib.util

from streamrnn.errors import MissingExtraError

if importlib.util.find_spec("numba_cuda") is None:
    raise MissingExtraError("streamrnn.cuda: numba-cuda is not installed; pip install 'streamrnn[cuda]'")

from streamrnn.cuda.pool import StreamPool

__all__ = ["StreamPool"]
