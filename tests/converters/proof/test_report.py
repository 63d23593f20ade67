"""The report of a verification: its verdict, its table and its JSON."""

import json
import math
from dataclasses import replace

from streamrnn_converters.proof.report import Comparison, Report

AGREES = Comparison("y", "quiet", 1.25e-7, 3e-6, {"time": 17, "batch": 0, "feature": 3}, 0.5, 0.50000012, None)
DIFFERS = Comparison("y", "loud", 0.25, 1.0, {"time": 9, "batch": 1, "feature": 0}, 0.5, 0.25, 4)
STATE = Comparison("h", "loud", 0.5, 2.0, {"layer": 1, "batch": 0, "feature": 2}, 0.75, 0.25, 0)
NOWHERE = Comparison("y", "saturating", math.nan, math.nan, {"feature": 0}, math.nan, math.inf, 0)


def report(*comparisons: Comparison, remarks: tuple[str, ...] = ()) -> Report:
    return Report("5a", "f1", "1.20.0", "0.1", 7, 1e-5, comparisons, remarks)


def test_proven_is_what_agrees_everywhere() -> None:
    assert report(AGREES).proven
    assert report(AGREES, AGREES).proven
    for wrong in (DIFFERS, STATE, NOWHERE):
        assert not report(AGREES, wrong).proven
        assert not report(wrong, AGREES).proven


def test_nothing_is_proven_where_nothing_was_compared() -> None:
    assert not report().proven
    assert "NOT proven: nothing was compared" in str(report())
    assert report().to_json()["proven"] is False


def test_the_largest_error_is_nan_where_one_is() -> None:
    assert report(AGREES, DIFFERS, STATE).largest_error == 0.5
    for comparisons in ((AGREES, NOWHERE), (NOWHERE, AGREES), (DIFFERS, NOWHERE, AGREES)):
        assert math.isnan(report(*comparisons).largest_error)


def test_the_table_has_a_line_for_each_comparison_then_remarks_then_the_verdict() -> None:
    lines = str(report(AGREES, DIFFERS, STATE, remarks=("node 'a' (GRU): rewritten",))).splitlines()
    assert lines == [
        "output  case   abs. error  rel. error  at                         ours  onnxruntime",
        "y       quiet  1.25e-07    3.00e-06    time 17 batch 0 feature 3  0.5   0.5000001",
        "y       loud   2.50e-01    1.00e+00    time 9 batch 1 feature 0   0.5   0.25         differs from step 4 on",
        "h       loud   5.00e-01    2.00e+00    layer 1 batch 0 feature 2  0.75  0.25         differs",
        "node 'a' (GRU): rewritten",
        "NOT proven: 2 of 3 comparisons differ, first 'y'; tolerance 1e-05 · max(1, |reference|), onnxruntime 1.20.0, seed 7",
    ]


def test_the_verdict_on_a_right_model_says_by_what_rule() -> None:
    verdict = str(report(AGREES)).splitlines()[-1]
    assert verdict == "proven: tolerance 1e-05 · max(1, |reference|), onnxruntime 1.20.0, seed 7"


def test_the_json_is_json_even_of_what_is_no_number() -> None:
    proof = report(AGREES, NOWHERE, replace(NOWHERE, ours=-math.inf), remarks=("one",)).to_json()
    read = json.loads(json.dumps(proof, allow_nan=False))
    assert read == proof
    assert read["proven"] is False
    assert [comparison["ours"] for comparison in read["comparisons"]] == [0.5, "nan", "-inf"]
    assert read["comparisons"][0]["place"] == {"time": 17, "batch": 0, "feature": 3}
    assert read["remarks"] == ["one"]
