"""A storm of Ctrl-C leaves streams, pools and stores whole and usable. `python -m tests.storm` is a longer one."""

import signal
from pathlib import Path

import pytest

from tests import storm


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system cannot send itself signals")
@pytest.mark.parametrize("name", storm.SUBJECTS)
def test_an_interrupted_call_is_done_as_a_whole_or_not_at_all(name: str, tmp_path: Path) -> None:
    storm.run(name, 40, tmp_path)
