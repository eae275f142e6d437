"""Bases, complements and k-mers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.sequence import IUPAC, base_codes, kmer_codes, reverse_complement

DNA = st.text(alphabet="ACGTacgtN", max_size=60).map(str.encode)


@given(DNA)
def test_reverse_complement_twice_is_nothing(sequence: bytes) -> None:
    assert reverse_complement(reverse_complement(sequence)) == sequence


def test_ambiguity_codes_are_complemented_as_sets() -> None:
    sets = {
        "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT",
        "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
    }  # fmt: skip
    mate = {"A": "T", "C": "G", "G": "C", "T": "A"}
    for letter in IUPAC.decode().replace("U", ""):
        complement = reverse_complement(letter.encode()).decode()
        assert set(sets[complement]) == {mate[base] for base in sets[letter]}


@given(DNA, st.integers(1, 5))
def test_kmer_codes_equal_a_plain_count(sequence: bytes, k: int) -> None:
    codes = kmer_codes(base_codes(sequence), k)
    text = sequence.decode().upper()
    expected = [
        -1
        if "N" in text[i : i + k]
        else int("".join(map(str, map("ACGT".index, text[i : i + k]))), 4)
        for i in range(len(text) - k + 1)
    ]
    assert codes.tolist() == expected
    assert codes.dtype == np.int64
