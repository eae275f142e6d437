"""Scores of many outputs as INFO fields."""

import numpy as np
import pytest

from pipeline_lib.application.scoring.fields import Fields, plain, strength

NAMES = ("DIFF", "LFC")
NONE = np.full(3, np.nan)
SCORES = {
    "DIFF": np.array([[0.1, -0.3, 0.2], NONE]),
    "LFC": np.array([[2.0, -1.0, 0.5], NONE]),
}


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("lists", "P_DIFF=0.1,-0.3,0.2,.,.,.;P_LFC=2,-1,0.5,.,.,.;P_SKIPPED=.,SYMBOLIC_ALT"),
        ("strongest", "P_TOP=b,.;P_TOP_DIFF=-0.3,.;P_TOP_LFC=-1,.;P_SKIPPED=.,SYMBOLIC_ALT"),
        (
            "fields",
            "P_a_DIFF=0.1,.;P_a_LFC=2,.;P_b_DIFF=-0.3,.;P_b_LFC=-1,.;P_c_DIFF=0.2,.;P_c_LFC=0.5,.;"
            "P_SKIPPED=.,SYMBOLIC_ALT",
        ),
    ],
)
def test_values_stand_allele_by_allele(layout: str, expected: str) -> None:
    fields = Fields("P", NAMES, ("a", "b", "c"), layout, "")
    assert fields.info(SCORES, range(2), ["", "SYMBOLIC_ALT"]) == expected
    named = {part.partition("=")[0] for part in expected.split(";")}
    header = {line.split("ID=")[1].split(",")[0] for line in fields.header() if "ID=" in line}
    assert named <= header and "##P_OUTPUTS=a,b,c" in fields.header()


def test_a_record_without_any_score_says_only_why() -> None:
    fields = Fields("P", ("LLR",), (), "fields", "")
    scores = {"LLR": np.array([np.nan])}
    assert (
        fields.info(scores, range(1), ["REF_MISMATCH"]) == "P_SKIPPED=REF_MISMATCH;P_REF_MISMATCH"
    )


def test_the_strongest_is_what_changes_in_probability_and_in_odds() -> None:
    assert strength(SCORES)[0].argmax() == 1
    assert strength({"DIFF": SCORES["DIFF"]})[0].argmax() == 1
    assert strength({"LLR": np.array([-3.0])}) == [3.0]
    assert plain("H3K4me3 (K562), rep=1") == "H3K4me3__K562___rep_1"
