"""A server of forecasts: each client has a stream of its own, which outlives its connection and the server.

    python server.py --store states.db [--durable] [--sync] [--port 8765] [--model MODEL.onnx]

A client connects to ws://HOST:PORT/KEY and sends inputs as float32 (little-endian, one step in a message). The answer to each
is the output, as float32. To an input that cannot be taken the answer is a text, which says why, and its stream is unchanged.
Needs `pip install 'streamrnn[convert,server]'`. Ctrl-C or SIGTERM ends it, and saves all streams.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from streamrnn import StateStore, StreamPool, StreamRNNError
from streamrnn.aio import Batcher
from streamrnn_converters import from_onnx

MODEL = Path(__file__).parent.parent / "host_load" / "gru.onnx"
CAPACITY = 4096  # streams in memory; the others are in the store


async def answer(batcher: Batcher, connection: ServerConnection) -> None:
    """Answer the inputs of a client, in their order."""
    key = unquote(connection.request.path.removeprefix("/"))
    try:
        async for message in connection:
            try:
                if isinstance(message, str) or len(message) % 4:
                    raise ValueError("the message is not float32; send an input as bytes, 4 for each number")
                y = await batcher.step(key, np.frombuffer(message, "<f4"))
                await connection.send(y.astype("<f4", copy=False).tobytes())
            except (ValueError, StreamRNNError) as error:
                await connection.send(str(error))
    except ConnectionClosed:
        pass  # it went without a goodbye; its stream waits for the next connection


async def run(model: Path, store: StateStore, port: int, durable: bool) -> None:
    """Serve until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    pool = StreamPool(from_onnx(model), CAPACITY, store)
    async with (
        Batcher(pool, durable=durable) as batcher,
        serve(lambda connection: answer(batcher, connection), "127.0.0.1", port, compression=None, backlog=1024) as server,
    ):
        print(f"serving ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/KEY", flush=True)
        await stop.wait()
        print(batcher.metrics, file=sys.stderr)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="the file of the states")
    parser.add_argument("--durable", action="store_true", help="answer after the state has been saved: safe from kill -9")
    parser.add_argument("--sync", action="store_true", help="a commit waits for the disk: safe from a power failure too")
    parser.add_argument("--port", type=int, default=8765, help="0: any that is free")
    parser.add_argument("--model", type=Path, default=MODEL)
    args = parser.parse_args()
    with StateStore(args.store, sync=args.sync) as store:
        asyncio.run(run(args.model, store, args.port, args.durable))


if __name__ == "__main__":
    main()
