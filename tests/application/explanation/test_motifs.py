"""Files of motifs, and the match of stretches with them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.application.explanation.matching import match, q_values
from pipeline_lib.application.explanation.motifs import Motif, read_motifs
from pipeline_lib.application.explanation.seqlets import find_seqlets
from pipeline_lib.errors import InputError
from tests.application.conftest import random_dna

JASPAR = ">MA0004.1\tArnt\nA [ 4 19 0 ]\nC [16 0 20 ]\nG [ 0 1 0 ]\nT [ 0 0 0 ]\n"
PFM = ">MA0004.1 Arnt\n4 19 0\n16 0 20\n0 1 0\n0 0 0\n"
MEME = """MEME version 4

ALPHABET= ACGT

MOTIF MA0004.1 Arnt
letter-probability matrix: alength= 4 w= 3 nsites= 20 E= 0
 0.2 0.8 0 0
 0.95 0 0.05 0
 0 1 0 0
URL http://example.org

MOTIF other
letter-probability matrix: w= 1
 0.25 0.25 0.25 0.25
"""


def test_formats_agree(tmp_path: Path) -> None:
    (tmp_path / "a.jaspar").write_text(JASPAR)
    (tmp_path / "a.pfm").write_text(PFM)
    (tmp_path / "a.meme").write_text(MEME)
    (jaspar,), (pfm,), memes = (
        read_motifs(tmp_path / name) for name in ("a.jaspar", "a.pfm", "a.meme")
    )
    for motif in (jaspar, pfm, memes[0]):
        assert (motif.id, motif.name, motif.consensus) == ("MA0004.1", "Arnt", "CAC")
    np.testing.assert_array_equal(jaspar.shares, pfm.shares)
    np.testing.assert_allclose(memes[0].shares, jaspar.shares, atol=0.02)
    assert len(memes) == 2
    assert jaspar.turned().consensus == "GTG"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("hello\n", "line 1: cannot read 'hello'"),
        (">a\nA 1 2\nC 1 2\nG 1 2\nT 1\n", "between 1 and 2 counts"),
        (">a\nA 1 x\n", "line 2: cannot read 'A 1 x'"),
        (">a\nA 0\nC 0\nG 0\nT 0\n", "a column without counts"),
        (">a\nA -1\nC 2\nG 0\nT 0\n", "a column without counts"),
        ("MEME version 4\n", "holds no motif"),
        ("MEME version 4\nMOTIF a\n", "has no letter-probability matrix"),
        (MEME.replace(" 0 1 0 0\n", ""), "line 9"),
        (MEME.replace("0.2 0.8 0 0", "0.2 0.8 0"), "four probabilities"),
        ("MEME version 4\nALPHABET= ACDE\n", "ALPHABET= ACGT"),
    ],
)
def test_broken_files_are_sentences(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad").write_text(text)
    with pytest.raises(InputError) as error:
        read_motifs(tmp_path / "bad")
    assert words in str(error.value)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_are_monotone_and_not_below_p(values: list[float]) -> None:
    p = np.array(values)
    q = q_values(p)
    assert (q >= p - 1e-12).all() and (q <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(q[order]) >= 0).all()
    # The rule itself: those accepted at a level are the k smallest, p_k <= k / m * level.
    for level in (0.05, 0.3):
        ranks = np.flatnonzero(p[order] <= level * np.arange(1, len(p) + 1) / len(p) + 1e-15)
        accepted = ranks.max() + 1 if len(ranks) else 0
        assert (q <= level + 1e-12).sum() == accepted


def consensus(identity: str, word: str) -> Motif:
    one_hot = np.array(list(word))[:, None] == np.array(list("ACGT"))
    return Motif(identity, "", np.where(one_hot, 0.97, 0.01))


def test_motifs_of_either_strand_are_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    motifs = [consensus(f"m{n}", random_dna(8, n)) for n in range(30)]
    motifs.append(consensus("planted", "TGACGTCC"))
    texts, importance = [], []
    for number in range(40):
        text = random_dna(80, 100 + number)
        values = rng.normal(0, 0.05, 80)
        if number < 20:
            word = "TGACGTCC" if number % 2 else "GGACGTCA"
            text = text[:30] + word + text[38:]
        values[30:38] = 1  # half of the sequences have random bases there
        texts.append(text)
        importance.append(values if number % 3 else -values)
    seqlets = find_seqlets(importance, 8, 1000)
    assert [(one.number, one.start) for one in seqlets if abs(one.importance) > 4] == [
        (number, 30) for number in range(40)
    ]
    large = [one for one in seqlets if abs(one.importance) > 4]
    found, fits = match(texts, importance, large, motifs, permutations=400, seed=1)
    planted = found.iloc[:20]
    assert (planted["motif"] == "planted").all()
    assert (planted["motif_start"] == 30).all()
    assert list(planted["strand"]) == ["-", "+"] * 10
    assert (planted["q"] <= 0.05).all()
    assert (found.iloc[20:]["q"] <= 0.05).sum() <= 2
    assert fits.iloc[0]["motif"] == "planted"
    assert fits.iloc[0]["q"] < 1e-6
    assert (fits["q"].iloc[1:] > 0.05).all()


def test_nothing_stands_out_of_nothing() -> None:
    assert find_seqlets([np.zeros(30)], 5, 10) == []
    assert find_seqlets([np.ones(3)], 5, 10) == []
    assert [len(table) for table in match([], [], [], [], permutations=10, seed=1)] == [0, 0]
