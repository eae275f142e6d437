"""Windows along a sequence: what they cover, and that their seams agree."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.application.annotation import plan as plans
from pipeline_lib.application.annotation.plan import Plan, stretches
from pipeline_lib.application.annotation.shape import Shape, shape_of
from pipeline_lib.application.annotation.tracks import Tracker, tracks
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.scorer import load_tuned
from pipeline_lib.sequence import reverse_complement
from tests.application.conftest import random_dna


@given(
    st.lists(st.tuples(st.sampled_from("NAR"), st.integers(1, 15)), max_size=8),
    st.integers(1, 20),
)
def test_gaps_are_found_whatever_the_pieces_that_are_read(runs, piece):
    text = "".join(letter * count for letter, count in runs).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "READ", piece)
        found = list(stretches(lambda start, end: text[start:end], len(text)))
    edges = [0, *(edge for gap in re.finditer(rb"[NR]{10,}", text) for edge in gap.span())]
    pairs = zip(edges[::2], [*edges[1::2], len(text)], strict=True)
    assert found == [(low, high) for low, high in pairs if high > low]


@st.composite
def layouts(draw):
    dense = draw(st.booleans())
    units = draw(st.integers(1, 9)) if dense else 1
    size, first = draw(st.integers(1, 5)), draw(st.integers(0, 6))
    behind = first if dense else draw(st.integers(0, 6))
    covered = units * size if dense else 1
    edge = draw(st.integers(0, (units - 1) // 2))
    shape = Shape(first + covered + behind, first, units, size, edge, dense)
    low = draw(st.integers(0, 40))
    return Plan(shape, low, low + draw(st.integers(0, 80)), draw(st.booleans()))


@given(layouts(), st.data())
def test_every_bin_is_spoken_of_once_by_a_window_that_lies_inside(plan, data):
    size, bins = plan.shape.size, []
    for number in range(len(plan)):
        first, end = plan.bins(number, number + 1)
        begin = int(plan.begins(number, number + 1)[0])
        assert begin <= first < end <= begin + plan.shape.units
        assert plan.low <= begin * size - plan.before
        assert begin * size + plan.after <= plan.high
        inner = plan.first < begin < plan.end - plan.shape.units
        assert not inner or first - begin >= plan.shape.edge
        bins += range(first, end)
    assert bins == list(range(plan.first, plan.end))
    start = data.draw(st.integers(plan.low, plan.high))
    stop = data.draw(st.integers(start, plan.high))
    first, last = plan.touching(start, stop)
    assert start == stop or list(range(first, last)) == [
        number
        for number in range(len(plan))
        if plan.bins(number, number + 1)[0] * size < stop
        and plan.bins(number, number + 1)[1] * size > start
    ]


@pytest.mark.parametrize("kind", ["bases local", "tracks local"])
def test_seams_of_a_local_model_do_not_show(dense, kind):
    scorer, text = load_tuned(dense[kind]), random_dna(150, 4).encode()
    found = [
        tracks(scorer, text, shape_of(scorer, edge=edge, window=window))
        for edge, window in ((0.0, None), (0.25, None), (0.45, 40))
    ]
    assert np.isfinite(found[0][:148]).all()
    for values in found[1:]:
        both = np.isfinite(values) & np.isfinite(found[0])
        assert both.sum() > 200
        np.testing.assert_allclose(values[both], found[0][both], rtol=1e-5, atol=1e-6)


def test_values_are_those_of_the_windows_themselves(dense):
    scorer, text = load_tuned(dense["bases"]), random_dna(100, 5)
    shape = shape_of(scorer)
    found = tracks(scorer, text.lower().encode(), shape)
    # The second window speaks of bases 12 to 24, its own 6 to 18.
    own = scorer.score(pd.DataFrame({"sequence": [text[6:30]]})).reshape(24, 3)
    np.testing.assert_allclose(found[12:24], own[6:18], rtol=1e-5)


def test_the_other_strand_is_the_reverse_complement(dense, tuned):
    text = random_dna(204, 6).encode()  # as long as its windows lie alike from either end
    for scorer in (load_tuned(dense["bases"]), load_tuned(tuned)):
        shape = shape_of(scorer, window=24 if scorer.target.dense else 63, focus=30)
        count = len(scorer.target.names)
        each = tracks(scorer, text, shape, strands="each")
        turned = tracks(scorer, reverse_complement(text), shape, strands="each")
        np.testing.assert_allclose(each[:, count:], turned[::-1, :count], rtol=1e-4, atol=1e-6)
        mean = tracks(scorer, text, shape, strands="mean")
        np.testing.assert_allclose(mean, (each[:, :count] + each[:, count:]) / 2, rtol=1e-5)


def test_a_planted_site_is_found_on_either_strand(tuned):
    text = bytearray(random_dna(400, 7).encode())
    text[97:103], text[300:306] = b"GGGATG", reverse_complement(b"GGGATG")
    scorer = load_tuned(tuned)
    shape = shape_of(scorer, window=63, focus=30)
    found = tracks(scorer, bytes(text), shape, strands="each", only="ATG")
    names = [(track.name, track.strand) for track in Tracker(scorer, shape, "each").tracks]
    forward, reverse = names.index(("tis", "+")), names.index(("tis", "-"))
    assert found[100, forward] > 0.9
    assert found[302, reverse] > 0.9
    places = [match.start() for match in re.finditer(b"(?=ATG)", text[30 : 400 - 32 + 2])]
    assert np.flatnonzero(np.isfinite(found[:, forward])).tolist() == [30 + at for at in places]


def test_gaps_and_ends_get_no_value_but_with_padding(tuned, dense):
    text = random_dna(150, 8) + "N" * 20 + random_dna(150, 9).lower() + "N"
    scorer = load_tuned(tuned)
    shape = shape_of(scorer, window=63, focus=30)
    found = np.isfinite(tracks(scorer, text.encode(), shape)[:, 0])
    expected = np.zeros(321, dtype=bool)
    expected[30 : 150 - 32] = expected[170 + 30 : 321 - 32] = True
    np.testing.assert_array_equal(found, expected)
    padded = np.isfinite(tracks(scorer, text.encode(), shape, pad=True)[:, 0])
    expected[:150] = expected[170:320] = True
    np.testing.assert_array_equal(padded, expected)
    scorer = load_tuned(dense["tracks"])
    short = tracks(scorer, b"ACGTACGTAC", shape_of(scorer), pad=True)
    assert np.isfinite(short).all()
    assert np.isnan(tracks(scorer, b"ACGTACGTAC", shape_of(scorer))).all()


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 7), st.integers(1, 400))
def test_parts_and_places_change_nothing(dense, at_once, cut):
    scorer, text = load_tuned(dense["tracks"]), random_dna(400, 10).encode()
    whole = tracks(scorer, text, shape_of(scorer))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tracker, "at_once", at_once)
        parts = tracks(scorer, text, shape_of(scorer))
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)


def test_windows_are_those_of_training_unless_others_are_asked_for(tuned):
    scorer = load_tuned(tuned)
    wanted = [({}, (63, 30)), ({"window": 63}, (63, 30)), ({"window": 41}, (41, 20)),
              ({"focus": 7}, (63, 7))]  # fmt: skip
    for options, expected in wanted:
        found = shape_of(scorer, **options)
        assert (found.window, found.first) == expected


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("untold", {}, "give `--window`"),
        ("tuned", {"window": 20, "focus": 20}, "lower `--focus`"),
        ("tuned", {"window": 63, "step": 0}, "correct `--step`"),
        ("bases", {"window": 23}, "leave `--window` out"),
        ("bases", {"edge": 0.5}, "less than 0.5"),
    ],
)
def test_shapes_that_cannot_be_are_refused(tuned, untold, dense, kind, options, message):
    folder = {"tuned": tuned, "untold": untold, **dense}[kind]
    with pytest.raises(InputError, match=message):
        shape_of(load_tuned(folder), model=folder, **options)
