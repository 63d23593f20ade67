"""A small Spark session for all tests that need one: two threads, little memory."""

import importlib.util
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

#: Why the tests with Spark cannot run; "": they can.
MISSING = (
    "pyspark is not installed: pip install '.[spark]'"
    if importlib.util.find_spec("pyspark") is None
    else ""
    if shutil.which("java") or os.environ.get("JAVA_HOME")
    else "Java is not installed, which Spark needs (17 or newer)"
)


@pytest.fixture(scope="session")
def session(store_of_this_run: Any) -> Iterator[Any]:
    if MISSING:
        pytest.skip(MISSING)
    os.environ["PYSPARK_PYTHON"] = sys.executable  # the driver's own worker heeds nothing else
    from pyspark.sql import SparkSession

    from streamrnn.spark import SETTINGS

    settings = SETTINGS | {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": "700m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.session.timeZone": "UTC",
    }
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        started = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
        started.sparkContext.setLogLevel("OFF")
        yield started
        started.stop()
