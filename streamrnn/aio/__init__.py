"""Many streams from `asyncio`: tasks that each await a step of their own, in ticks of a pool.

batcher    `Batcher`: the steps that wait are taken in one tick
rounds     what waits, in an order that keeps that of each key
tick       one tick, in which an error reaches only its own key
metrics    what a batcher counts
"""

from streamrnn.aio.batcher import Batcher

__all__ = ["Batcher"]
