"""The hooks before a commit are the commands of `make check`."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOOKS = ROOT / ".pre-commit-config.yaml"


@pytest.mark.skipif(not HOOKS.exists(), reason=".pre-commit-config.yaml is not part of a source distribution")
def test_the_hooks_run_what_make_check_runs() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe
    checks = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    hooks = re.findall(r"^ +entry: (.*)$", HOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert hooks == checks != []
