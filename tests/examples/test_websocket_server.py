"""The server: forecasts over real sockets, that go on after `kill -9` where the last answer was."""

import asyncio
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from streamrnn import Stream
from streamrnn_converters import from_onnx

websockets = pytest.importorskip("websockets", reason="the example needs websockets, the extra `server`")

N_CLIENTS, N_STEPS = 12, 9
XS = np.random.default_rng(0).normal(size=(N_CLIENTS, 2 * N_STEPS, 12)).astype(np.float32)


@contextmanager
def serving(folder, cwd, *arguments):
    """The server in a process of its own, and its address."""
    command = [sys.executable, folder / "server.py", "--store", "states.db", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            yield server, server.stdout.readline().split()[-1].removesuffix("/KEY")
        finally:
            server.kill()


async def ask(address, xs):
    """The answers to each client's inputs, (n_clients, n, output_size); each asks as soon as it has its answer."""
    from websockets.asyncio.client import connect

    async def client(key):
        async with connect(f"{address}/client%20{key}") as connection:
            answers = []
            for x in xs[key]:
                await connection.send(x.tobytes())
                answers.append(np.frombuffer(await connection.recv(), np.float32))
            return answers

    async with asyncio.timeout(60):
        return await asyncio.gather(*map(client, range(len(xs))))


def test_streams_go_on_after_kill_9_and_after_an_end_with_the_bits_that_they_have_alone(examples, tmp_path):
    folder, found = examples / "websocket_server", []
    for part, arguments, end in (
        (slice(0, 5), ["--durable"], "kill"),
        (slice(5, 9), [], "terminate"),
        (slice(9, 18), [], "kill"),
    ):
        with serving(folder, tmp_path, *arguments) as (server, address):
            found.append(asyncio.run(ask(address, XS[:, part])))
            getattr(server, end)()
            server.wait(30)
    model = from_onnx(examples / "host_load" / "gru.onnx")
    expected = [Stream(model).process(xs) for xs in XS]
    np.testing.assert_array_equal(np.concatenate(found, axis=1), expected)


def test_what_is_wrong_is_answered_with_words_and_changes_nothing(examples, tmp_path):
    async def talk(address):
        from websockets.asyncio.client import connect

        async with connect(f"{address}/a") as connection:
            answers = []
            for message in ("hello", b"abc", XS[0, 0, :3].tobytes(), np.full(12, np.nan, np.float32).tobytes()):
                await connection.send(message)
                answers.append(await connection.recv())
            await connection.send(XS[0, 0].tobytes())
            return answers, np.frombuffer(await connection.recv(), np.float32)

    with serving(examples / "websocket_server", tmp_path) as (_, address):
        (text, short, shape, nan), y = asyncio.run(talk(address))
    assert text == short == "the message is not float32; send an input as bytes, 4 for each number"
    assert shape == "step: key 'a': shape (3,) does not fit, expected (12,); process takes many steps at once"
    assert nan.startswith("key 'a': input[0] is nan; its stream is unchanged")
    np.testing.assert_array_equal(y, Stream(from_onnx(examples / "host_load" / "gru.onnx")).step(XS[0, 0]))


def test_the_clients_print_a_table_of_times(examples, tmp_path):
    command = [
        sys.executable,
        examples / "websocket_server" / "clients.py",
        "--clients",
        "5",
        "--seconds",
        "0.3",
        "--rate",
        "20",
    ]
    done = subprocess.run([*command, "batched", "threads"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    names = [line.split()[:2] for line in done.stdout.splitlines()[3:]]
    assert names == [["batched", "30"], ["threads", "30"]]
