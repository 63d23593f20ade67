"""What the gates of a model do on a signal, to look at: recorded, not only run.

trace          `record_gates` and `Trace`: states by the engine, gates by the equations
cell_gates     the gates of a layer, over a whole block, from its inputs and states
page, picture  a trace to look at: in a browser, or drawn by matplotlib
figures        numbers that one reads off a trace: saturation, memory, dead units
warm_up        how long a model remembers where it began
"""

from streamrnn.recording.trace import Trace, gate_blocks, record_gates
from streamrnn.recording.warm_up import warm_up

__all__ = ["Trace", "gate_blocks", "record_gates", "warm_up"]
