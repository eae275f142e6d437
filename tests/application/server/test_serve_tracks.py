"""Tracks in windows, and that a mutation changes those windows only that hold it."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.application.annotation.tracks import tracks
from pipeline_lib.application.server.answers import Answers, Asked, AskedMutation, AskedPlace
from pipeline_lib.application.server.limits import Limits
from pipeline_lib.application.server.load import Geometry, open_models, short_name
from pipeline_lib.application.server.readers import LanguageTracks, TunedTracks
from pipeline_lib.application.server.tracks import (
    Plan,
    Window,
    change_of,
    no_check,
    overlapping,
    sliding,
    substituted,
    text_of,
    tracks_along,
)
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.scorer import load_tuned
from tests.application.annotation.conftest import write_tuned
from tests.application.conftest import random_dna

DNA = random_dna(190, 3).encode()
LONG = random_dna(500, 3).encode()  # does not fit into any context


@settings(max_examples=200)
@given(
    length=st.integers(1, 500), reach=st.integers(1, 90), focus=st.integers(0, 60),
    most=st.integers(1, 50), causal=st.booleans(),
)  # fmt: skip
def test_windows_give_every_value_once(
    length: int, reach: int, focus: int, most: int, causal: bool
) -> None:
    plans = [Plan(0, 1, overlapping(length, reach, causal=causal))]
    if length >= reach:
        plans.append(sliding(length, reach, min(focus, reach - 1), most))
        assert len(plans[1].windows) <= most
        assert plans[1].offset + (plans[1].count - 1) * plans[1].step < length
    for plan in plans:
        values = [i for window in plan.windows for i in range(window.first, window.last)]
        assert values == list(range(plan.count))
    assert plans[0].count == length


def test_text_of_windows_beyond_the_ends() -> None:
    assert text_of(b"ACGT", Window(-2, 6, 0, 1)) == b"NNACGTNN"
    assert text_of(b"ACGT", Window(1, 3, 0, 1)) == b"CG"


@pytest.mark.parametrize("kind", ["bases", "words", "bpe", "overlapping", "causal", "hyena"])
def test_a_mutation_changes_what_reading_all_again_does(kind: str, models: dict[str, Path]) -> None:
    model = open_models([f"m={models[kind]}"], {}, 64)["m"].tracks
    place, base = 120, "A" if LONG[120:121] != b"A" else "C"
    _, before = tracks_along(model, LONG)
    _, expected = tracks_along(model, substituted(LONG, place, base))
    found = change_of(model, LONG, place, [base])
    patched = before.copy()
    patched[found.first : found.first + len(found.before)] = found.after[base]
    np.testing.assert_array_equal(patched, expected)
    assert len(found.before) < len(LONG)
    assert np.nanmax(np.abs(expected - before)) > 1e-4


def test_tuned_models_give_the_scores_of_their_windows(tuned: Path) -> None:
    model = open_models([f"m={tuned}"], {"m": Geometry(63, 30)}, 1000)["m"].tracks
    plan, values = tracks_along(model, DNA)
    assert (plan.offset, plan.step, values.shape) == (30, 1, (190 - 62, 2))
    table = pd.DataFrame({"sequence": [DNA[40:103].decode()], "focus": 30})
    np.testing.assert_allclose(values[40], load_tuned(tuned).score(table)[0], atol=1e-5)
    found = change_of(model, DNA, 70, ["A", "C"])
    _, expected = tracks_along(model, substituted(DNA, 70, "C"))
    last = found.first + len(found.before)
    np.testing.assert_allclose(found.after["C"], expected[found.first : last], atol=1e-6)
    for both in (expected, values):
        both[found.first : last] = 0
    np.testing.assert_allclose(expected, values, atol=1e-6)


def test_a_planted_site_stands_out(tuned: Path) -> None:
    planted = bytearray(random_dna(150, 8).encode().replace(b"ATG", b"ACG"))
    planted[70:76] = b"GGGATG"
    model = open_models([f"m={tuned}"], {"m": Geometry(63, 30, "atg")}, 1000)["m"].tracks
    plan, values = tracks_along(model, bytes(planted))
    at = 73 - plan.offset  # the window whose focus is the A of the ATG
    assert np.flatnonzero(np.isfinite(values[:, 1])).tolist() == [at]
    assert values[at, 1] > 0.9
    change = change_of(model, bytes(planted), 71, ["A"])
    assert change.after["A"][at - change.first, 1] < values[at, 1] - 0.2


@pytest.mark.parametrize("length", [300, 131, 40, 7])
@pytest.mark.parametrize("kind", ["bases", "tracks"])
def test_models_of_bins_give_what_annotation_gives(
    kind: str, length: int, models: dict[str, Path], tmp_path: Path
) -> None:
    folder = write_tuned(tmp_path / "model", models, kind, local=False)
    model = open_models([f"m={folder}"], {"m": Geometry(44)}, 100)["m"].tracks
    assert isinstance(model, TunedTracks)
    text = random_dna(length, 4).encode()
    plan, values = tracks_along(model, text)
    assert values.shape == (plan.count, len(model.outputs))
    if length >= 44:
        spread = np.full((length, len(model.outputs)), np.nan)
        spread[plan.offset : plan.offset + plan.count * plan.step] = values.repeat(
            plan.step, axis=0
        )
        np.testing.assert_allclose(spread, tracks(model.scorer, text, model.shape), atol=1e-6)
    change = change_of(model, text, length // 2, ["A"])
    _, expected = tracks_along(model, substituted(text, length // 2, "A"))
    values[change.first : change.first + len(change.before)] = change.after["A"]
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_gaps_have_no_bits(models: dict[str, Path]) -> None:
    model = open_models([f"m={models['bases']}"], {}, 64)["m"].tracks
    text = DNA[:50] + b"N" * 20 + DNA[70:]
    _, values = tracks_along(model, text)
    assert np.isnan(values[50:70]).all()
    assert np.isfinite(values[:50]).all()
    assert isinstance(model, LanguageTracks)
    assert model.ratios(text, 55) == {}
    ratios = model.ratios(text, 20)
    assert ratios[chr(text[20])] == 0
    assert len(ratios) == 4


def test_answers(tuned: Path, models: dict[str, Path]) -> None:
    served = open_models(
        [f"tuned={tuned}", f"causal={models['causal']}"], {"tuned": Geometry(63, 30)}, 1000
    )
    answers = Answers(served, None, Limits())
    asked = Asked(sequence=f">x\n{DNA.decode()}", outputs={"tuned": ["decoy", "tis"]})
    found = answers.tracks(asked, no_check)
    assert [track["output"] for track in found["models"][0]["tracks"]] == ["decoy", "tis"]
    assert len(found["models"][1]["tracks"][0]["values"]) == len(DNA)
    base = "A" if DNA[69:70] != b"A" else "C"
    changed = answers.mutate(AskedMutation(sequence=DNA.decode(), position=70, base=base), no_check)
    other = answers.tracks(Asked(sequence=substituted(DNA, 69, base).decode()), no_check)
    for before, change, after in zip(
        found["models"], changed["models"], other["models"], strict=True
    ):
        values = list(before["tracks"][-1]["values"])
        new = change["tracks"][0]["after"]
        values[change["first"] : change["first"] + len(new)] = new
        np.testing.assert_allclose(values, after["tracks"][0]["values"], atol=1e-4)
        at = change["tracks"][0]["at"] - change["first"]
        differences = np.subtract(new, change["tracks"][0]["before"])
        assert abs(differences[at]) == pytest.approx(np.abs(differences).max(), abs=1e-4)
    scores = answers.substitutions(AskedPlace(sequence=DNA.decode(), position=70), no_check)
    largest = changed["models"][0]["tracks"][0]["change"]
    assert scores["models"][0]["scores"][base] == pytest.approx(largest, abs=1e-4)
    assert scores["models"][1]["scores"][chr(DNA[69])] == 0


def test_names_and_windows_of_models(models: dict[str, Path], tmp_path: Path) -> None:
    assert short_name(Path("/r/results/finetuning/m/tis/pretrained-1/model")) == (
        "m/tis/pretrained-1"
    )
    assert short_name(Path("/r/results/pretraining/m/model")) == "m"
    folder = str(models["bases"])
    assert list(open_models([folder, folder], {}, 9)) == ["bases", "bases-2"]
    with pytest.raises(InputError, match="no model 'x'"):
        open_models([folder], {"x": Geometry(9)}, 9)
    with pytest.raises(InputError, match="a model folder"):
        open_models([str(tmp_path)], {}, 9)


def test_windows_are_those_of_training(tuned: Path, untold: Path, tmp_path: Path) -> None:
    guessed = open_models([f"m={untold}"], {}, 9)["m"]
    assert guessed.about["window"] == 64
    assert "is a guess" in guessed.about["says"]
    folder = tmp_path / "finetuning" / "bases" / "starts" / "run" / "model"
    shutil.copytree(tuned, folder)
    found = open_models([str(folder)], {}, 9)
    assert list(found) == ["bases/starts/run"]
    tracks = found["bases/starts/run"].tracks
    assert isinstance(tracks, TunedTracks)
    assert (tracks.shape.window, tracks.shape.first) == (63, 30)
    assert "guess" not in found["bases/starts/run"].about["says"]
