"""Whole recordings, also through models that read them backwards.

recording  `run_offline`: a recording through the stages of a model
stages     the layers between two reversals, as models that can be streamed
"""

from streamrnn.offline.recording import run_offline

__all__ = ["run_offline"]
