"""The naive way, to compare: a thread for each client, and a `Stream` in each. Nothing is saved.

python threads.py [--port 8765]
"""

import argparse
from pathlib import Path

import numpy as np
from websockets.sync.server import ServerConnection, serve

from streamrnn import Model, Stream
from streamrnn_converters import from_onnx

MODEL = Path(__file__).parent.parent / "host_load" / "gru.onnx"


def answer(model: Model, connection: ServerConnection) -> None:
    """Answer the inputs of a client."""
    stream = Stream(model)
    for message in connection:
        connection.send(stream.step(np.frombuffer(message, "<f4")).tobytes())


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8765, help="0: any that is free")
    args = parser.parse_args()
    model = from_onnx(MODEL)
    Stream(model)  # compiles, if need be, before anybody comes
    with serve(lambda connection: answer(model, connection), "127.0.0.1", args.port, compression=None) as server:
        print(f"serving ws://127.0.0.1:{server.socket.getsockname()[1]}/KEY", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
