"""What the benchmark of start codons writes into sites, and what it measures."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def starts(root: Path) -> ModuleType:
    file = root / "benchmarks" / "explain_starts.py"
    spec = importlib.util.spec_from_file_location("benchmarks_explain_starts", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def stops_in_frame(text: str, focus: int) -> int:
    codons = [text[place : place + 3] for place in range(focus, len(text) - 2, 3)]
    return sum(codon in ("TAA", "TAG", "TGA") for codon in codons)


@pytest.mark.parametrize(("shift", "stops"), [(0, 1), (1, 0), (2, 0)])
def test_stops_are_in_frame_only_where_they_are_to_be(
    starts: ModuleType, shift: int, stops: int
) -> None:
    sites = ["ACC" * 20 + "ATG" + "GCC" * 20, "ACG" * 20 + "ATG" + "CTG" * 20]
    found = list(starts.written(sites, 60 + shift, starts.STOPS))
    assert len(found) in (18, 19)
    for texts in found:
        for own, text in zip(sites, texts, strict=True):
            changed = [place for place in range(123) if own[place] != text[place]]
            assert 66 + shift <= min(changed) and max(changed) - min(changed) <= 2
            assert stops_in_frame(text, 60) == stops


def test_a_period_of_three_is_seen_and_noise_is_not(starts: ModuleType) -> None:
    noise = np.random.default_rng(1).random((40, 54))
    periodic = noise * 0.1 + np.tile([1.0, 0.2, 0.1], 18)
    assert starts.powers(periodic)[0] > 0.9
    assert starts.powers(noise)[0] < 0.3
    values = np.zeros((2, 63))
    values[:, 30:33] = 2.0
    found = starts.codons(values, 30)
    assert list(found["start codon minus three others"]) == [6.0, 6.0]
