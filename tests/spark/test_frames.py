"""`streamrnn.spark.advance` within Spark: exactly once over restarts, the bits of single streams, states that move."""

import datetime
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamrnn import InputError, Model, ModelError, StateStore, StoreError, Stream, StreamPool
from streamrnn import spark as on_spark
from streamrnn.spark import reasons
from streamrnn.spark.rules import Rules
from tests.models import model
from tests.spark.plain_model import Event, answers

MODEL = model("lstm", inputs=2, hidden=5)
OTHER = model("lstm", inputs=2, hidden=6, seed=1)
N_OUTPUTS = MODEL.output_size
COLUMNS = "name string, n int, a double, b float, ends boolean"
ADVANCE = {"key": "name", "inputs": ["a", "b"], "order": "n", "shards": 3}


def events(orders: range, n_keys: int = 7, seed: int = 0) -> list[Event]:
    random = np.random.default_rng([seed, orders.start])
    rows = [
        Event(f"k{key}", order, tuple(np.float32(random.normal(size=2)).tolist())) for key in range(n_keys) for order in orders
    ]
    random.shuffle(rows)  # type: ignore[arg-type]
    return rows


def write(folder: Path, number: int, rows: list[Event]) -> None:
    """A file, which is a micro-batch of its own. Its name decides its turn."""
    import pyarrow as pa
    from pyarrow import parquet

    names = {"name": pa.string(), "n": pa.int32(), "a": pa.float64(), "b": pa.float32(), "ends": pa.bool_()}
    cells = [dict(zip(names, (event.key, event.order, *event.x, event.closes), strict=True)) for event in rows]
    parquet.write_table(pa.Table.from_pylist(cells, pa.schema(list(names.items()))), folder / f"{number:03}.parquet")
    os.utime(folder / f"{number:03}.parquet", (1e9 + number, 1e9 + number))


def run(session: Any, folder: Path, whole: Model = MODEL, **options: Any) -> Any:
    """Take all new files of `folder / "in"` through a query with the checkpoint there. Returns the query, which has ended."""
    files = session.readStream.schema(COLUMNS).option("maxFilesPerTrigger", 1).parquet(str(folder / "in"))
    answered = on_spark.advance(files, whole, **ADVANCE | options)
    writer = answered.writeStream.option("checkpointLocation", str(folder / "checkpoint")).option("path", str(folder / "out"))
    query = writer.trigger(availableNow=True).format("parquet").start()
    query.awaitTermination()
    return query


def outputs(frame: Any) -> dict[tuple[str, int], bytes]:
    """By key and order: the bytes of the output. No row may be there twice."""
    rows = frame.collect()
    found = {(row["name"], row["n"]): np.float32(row["y"]).tobytes() for row in rows if row["y"] is not None}
    assert len(found) == len([row for row in rows if row["y"] is not None])
    return found


def expected(batches: list[list[Event]], whole: Model = MODEL, rules: Rules | None = None) -> dict[tuple[str, int], bytes]:
    told, _ = answers(whole, rules or Rules(), batches)
    return {(answer.event.key, answer.event.order or 0): answer.y for answer in told if answer.y}


@pytest.fixture(scope="module", autouse=True)
def _compiled(session: Any) -> None:
    """Once here, and not in each of Spark's workers."""
    for whole in MODEL, OTHER:
        Stream(whole), StreamPool(whole)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path


def test_rows_are_answered_once_with_the_bits_of_single_streams_over_restarts(session: Any, folder: Path) -> None:
    batches = [events(range(begin, begin + 3)) for begin in (0, 3, 6)]
    for number, batch in enumerate(batches):
        write(folder / "in", number, batch + batch[:2])  # two rows twice
        if number != 1:
            query = run(session, folder)
    assert outputs(session.read.parquet(str(folder / "out"))) == expected(batches)
    assert query.lastProgress.observedMetrics["streamrnn"].asDict()["doubled"] == 2
    static = on_spark.advance(session.read.schema(COLUMNS).parquet(str(folder / "in")), MODEL, **ADVANCE | {"shards": 64})
    assert static.columns == ["name", "n", "y"]
    assert static.schema["n"].dataType.simpleString() == "int"
    assert outputs(static) == expected(batches)


def test_a_query_of_another_model_or_another_number_of_shards_or_partitions_is_refused_or_begins_anew(
    session: Any, folder: Path
) -> None:
    first, second = events(range(3)), events(range(2, 5))
    write(folder / "in", 0, first)
    run(session, folder)
    write(folder / "in", 1, second)
    with pytest.raises(Exception, match=r"shards, not 5, and the number is fixed"):
        run(session, folder, shards=5)
    session.conf.set("spark.sql.shuffle.partitions", "3")
    with pytest.raises(Exception, match=r"has 2 shuffle partitions, not 3, and Spark keeps their number"):
        run(session, folder)
    session.conf.set("spark.sql.shuffle.partitions", "2")
    with pytest.raises(Exception, match=r"not of this one, [0-9a-f]{12}…; go on with"):
        run(session, folder, OTHER)
    run(session, folder, OTHER, on_model_change="reset")
    again = expected([[event for event in second if (event.order or 0) > 2]], OTHER)
    assert outputs(session.read.parquet(str(folder / "out"))) == expected([first]) | again


def test_bad_late_and_closing_rows_come_out_as_in_plain_python_with_their_reasons(session: Any, folder: Path) -> None:
    nan = float("nan")
    first = [*events(range(4)), Event("k0", 4, (nan, 1.0)), Event("k1", 4, (nan, nan), True), Event(None, 4, (1.0, 1.0))]
    again = [event for event in events(range(2, 8), 2) if event.key != "k1" or (event.order or 0) > 4]
    second = [*again, Event("k2", None, (1.0, 1.0)), Event("k3", 9, (0.5, 0.5), True), Event("k3", 10, (0.5, 0.5))]
    for number, batch in enumerate((first, second)):
        write(folder / "in", number, batch)
    query = run(session, folder, close="ends", report="why", bad="poison")
    rows = session.read.parquet(str(folder / "out")).collect()
    told, kept = answers(MODEL, Rules(bad="poison"), [first, second])
    assert sorted((str(row["name"]), str(row["n"]), str(row["why"])) for row in rows) == sorted(
        (str(answer.event.key), str(answer.event.order), str(reasons.TEXTS[answer.reason]))
        for answer in told
        if answer.reason != reasons.CLOSED
    )
    assert outputs(session.read.parquet(str(folder / "out"))) == expected([first, second], rules=Rules(bad="poison"))
    assert query.lastProgress.observedMetrics["streamrnn"].asDict() == {
        "answered": sum(answer.reason == reasons.ANSWERED for answer in told[len(first) :]),
        "late": sum(answer.reason == reasons.LATE for answer in told[len(first) :]),
        "doubled": sum(answer.reason == reasons.DOUBLED for answer in told[len(first) :]),
        "bad": 0,
        "poisoned": sum(answer.reason == reasons.POISONED for answer in told[len(first) :]),
        "without_key_or_order": 1,
    }
    states = {row["key"]: row for row in on_spark.read_states(session, str(folder / "checkpoint")).collect()}
    assert {key: (row["order"], row["poisoned"]) for key, row in states.items()} == {
        key: (of_key.last, of_key.poisoned) for key, of_key in kept.items()
    }


def test_states_move_from_a_store_to_a_cluster_and_back_with_the_same_bits(session: Any, folder: Path) -> None:
    parts = [events(range(begin, begin + 3)) for begin in (0, 3, 6)]
    with StateStore(folder / "before.db") as store, StateStore(folder / "after.db") as after:
        pool = StreamPool(MODEL, store=store)
        for event in sorted(parts[0], key=lambda event: event.order or 0):
            pool.open(event.key)
            pool.step_keys({event.key: event.x})
        pool.flush()
        write(folder / "in", 0, parts[1])
        run(session, folder, states=on_spark.states_of_store(session, store))
        assert on_spark.put_states(on_spark.read_states(session, str(folder / "checkpoint")), after) == 7
        streams = {f"k{key}": Stream(MODEL) for key in range(7)}
        for key, stream in streams.items():
            stream.restore(after.get([key])[key])
    on_spark.read_states(session, str(folder / "checkpoint")).write.parquet(str(folder / "states"))
    write(folder / "in", 1, parts[2])
    last = on_spark.advance(
        session.read.schema(COLUMNS).parquet(str(folder / "in" / "001.parquet")),
        MODEL,
        states=session.read.parquet(str(folder / "states")),
        **ADVANCE,
    )
    answered = outputs(session.read.parquet(str(folder / "out"))) | outputs(last)
    assert answered == {name: y for name, y in expected(parts).items() if name[1] >= 3}
    for event in sorted(parts[2], key=lambda event: event.order or 0):
        assert streams[event.key].step(event.x).tobytes() == answered[event.key, event.order or 0]


def test_keys_that_have_timed_out_begin_anew_and_their_states_are_removed(session: Any, folder: Path) -> None:
    def at(second: int) -> datetime.datetime:
        return datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=second)

    columns, batches = (
        "name string, n timestamp, a double, b float",
        [
            [("old", at(0), 0.5, 0.5), ("lasting", at(0), 0.5, 0.5), ("lasting", at(50), 0.5, 0.5)],
            [("lasting", at(100), 0.5, 0.5)],
            [("lasting", at(150), 0.5, 0.5), ("old", at(1), 0.5, 0.5)],
        ],
    )
    for number, batch in enumerate(batches):
        session.createDataFrame(batch, columns).coalesce(1).write.parquet(str(folder / "in" / str(number)))
        files = session.readStream.schema(columns).parquet(str(folder / "in" / "*"))
        told = on_spark.advance(files, MODEL, **ADVANCE | {"timeout": 60, "watermark": "10 seconds", "report": "why"})
        writer = told.writeStream.option("checkpointLocation", str(folder / "checkpoint")).option("path", str(folder / "out"))
        writer.trigger(availableNow=True).format("parquet").start().awaitTermination()
    rows = session.read.parquet(str(folder / "out")).collect()
    assert {(row["name"], row["n"]) for row in rows if row["why"]} == {("old", at(1))}
    assert {row["why"] for row in rows} == {None, reasons.TEXTS[reasons.LATE]}
    stream = Stream(MODEL)
    for second in 0, 50, 100, 150:
        (y,) = (row["y"] for row in rows if row["name"] == "lasting" and row["n"] == at(second))
        assert np.float32(y).tobytes() == stream.step([0.5, 0.5]).tobytes()
    states = on_spark.read_states(session, str(folder / "checkpoint")).collect()
    assert [(row["key"], row["snapshot"]) for row in states] == [("lasting", stream.snapshot())]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no such key": ({"key": "who"}, "no column 'who', which key names; its columns are name, n, a, b, ends"),
    "a key that is a fraction": ({"key": "a"}, "of type double; it takes a whole number, a string or binary"),
    "an order that is text": ({"order": "name"}, "of type string; it must be a whole number or a timestamp"),
    "inputs that are too few": ({"inputs": "a"}, "1 columns of inputs, but the model takes 2"),
    "inputs that are no numbers": ({"inputs": ["a", "name"]}, "not a number"),
    "outputs that are too few": ({"outputs": ["y", "z"]}, "2 names of outputs"),
    "an output of a name that is taken": ({"outputs": "n"}, "two columns 'n'"),
    "no shards": ({"shards": 0}, "shards=0 is not a whole number"),
    "an unknown rule": ({"late": "keep"}, "late='keep' is not known; it is one of 'drop', 'refuse'"),
    "a timeout below zero": ({"timeout": -1}, "timeout=-1 is not a whole number, as the order is"),
    "a timeout without an order": ({"timeout": 5, "order": None}, "a timeout needs an order"),
    "a watermark for a static frame": ({"watermark": "1 second"}, "a watermark needs a streaming frame"),
    "a column that closes nothing": ({"close": "a"}, "not boolean"),
    "states of something else": ({"states": True}, "no column"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_before_spark_starts(session: Any, case: str) -> None:
    options, message = REFUSED[case]
    frame = session.createDataFrame([], COLUMNS)
    if "states" in options:
        options = {"states": frame}
    with pytest.raises(InputError, match=message):
        on_spark.advance(frame, MODEL, **ADVANCE | options)


def test_models_whose_steps_are_not_rows_are_refused(session: Any) -> None:
    frame = session.createDataFrame([], COLUMNS)
    with pytest.raises(ModelError, match="takes 4 rows"):
        on_spark.advance(frame, model("stride-frame", inputs=2), **ADVANCE)
    with pytest.raises(InputError, match=r"streamrnn\.load"):
        on_spark.advance(frame, "model.safetensors", **ADVANCE)  # type: ignore[arg-type]


def test_a_streaming_frame_needs_an_order_and_its_settings(session: Any, folder: Path) -> None:
    files = session.readStream.schema(COLUMNS).parquet(str(folder / "in"))
    with pytest.raises(InputError, match=r"a streaming frame needs order="):
        on_spark.advance(files, MODEL, **ADVANCE | {"order": None})
    session.conf.unset(next(iter(on_spark.SETTINGS)))
    try:
        with pytest.raises(InputError, match=r"config\(map=streamrnn\.spark\.SETTINGS\)"):
            on_spark.advance(files, MODEL, **ADVANCE)
    finally:
        for name, value in on_spark.SETTINGS.items():
            session.conf.set(name, value)


def test_a_static_frame_without_an_order_is_taken_in_its_own(session: Any) -> None:
    rows = sorted(events(range(5)), key=lambda event: event.order or 0)
    frame = session.createDataFrame([(e.key, e.order, *e.x, e.closes) for e in rows], COLUMNS)
    several = [f"y{index}" for index in range(N_OUTPUTS)]
    found = on_spark.advance(frame, MODEL, **ADVANCE | {"order": None, "outputs": several}).collect()
    assert sorted((row["name"], np.float32([row[name] for name in several]).tobytes()) for row in found) == sorted(
        (name, y) for (name, _), y in expected([rows]).items()
    )


def test_a_folder_that_is_no_checkpoint_has_no_states(session: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no states"):
        on_spark.read_states(session, str(tmp_path))
