"""The unique form of a variant, and windows of equal length around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.application.scoring.alleles import (
    InMemory,
    UpperCase,
    misplaced,
    normalised,
    unusable,
)
from pipeline_lib.application.scoring.windows import readings
from pipeline_lib.sequence import reverse_complement

REPEATS = st.lists(st.sampled_from([b"A", b"CA", b"CAG", b"T", b"GT"]), min_size=4, max_size=40)


def memory(text: bytes) -> UpperCase:
    return UpperCase(InMemory(text))


@st.composite
def variants(draw: st.DrawFn) -> tuple[bytes, int, bytes, bytes]:
    """Return a sequence with many repeats, a place and two alleles there."""
    text = b"".join(draw(REPEATS))
    start = draw(st.integers(0, len(text) - 1))
    ref = text[start : start + draw(st.integers(0, 6))]
    alt = draw(st.text("ACGT", max_size=6)).encode()
    return text, start, ref, alt


def test_the_leftmost_form_of_a_deletion_in_a_repeat() -> None:
    change = normalised(memory(b"GGCACACAT"), "sequence", 4, "CAC", "C")
    assert (change.start, change.removed, change.added, change.shift) == (2, b"CA", b"", 4)


@given(variants())
def test_normalisation_keeps_the_altered_sequence_and_goes_as_far_as_possible(
    variant: tuple[bytes, int, bytes, bytes],
) -> None:
    text, start, ref, alt = variant
    altered = text[:start] + alt + text[start + len(ref) :]
    change = normalised(memory(text), "sequence", start, ref.decode(), alt.decode())
    forms = []
    for moved in range(len(text) + 1):
        gone, come = len(change.removed), len(change.added)
        if gone and come:
            forms = [change.start]
            break
        inserted = altered[moved : moved + come]
        if text[:moved] + inserted + text[moved + gone :] == altered:
            forms.append(moved)
    end = change.start + len(change.removed)
    assert text[: change.start] + change.added + text[end:] == altered
    if change.removed != change.added:
        assert forms == list(range(change.start, change.start + change.shift + 1))


@given(variants(), st.integers(4, 40), st.sampled_from([1, 3]))
def test_windows_have_one_length_and_hold_what_the_alleles_give(
    variant: tuple[bytes, int, bytes, bytes], length: int, word: int
) -> None:
    text, start, ref, alt = variant
    change = normalised(memory(text), "sequence", start, ref.decode(), alt.decode())
    pair = readings(memory(text), change, length, word)
    if pair is None:
        return
    altered = text[:start] + alt + text[start + len(ref) :]
    for reading, own, other in (
        (pair[0], text, altered),
        (pair[1], reverse_complement(text), reverse_complement(altered)),
    ):
        assert len(reading.reference) == len(reading.alternative) <= length
        assert reading.reference in own and reading.alternative in other
        place, end = reading.place, reading.place + reading.removed
        assert 0 <= place <= end <= len(reading.reference)


@given(variants(), st.integers(4, 40))
def test_the_other_strand_of_a_genome_gives_the_same_windows(
    variant: tuple[bytes, int, bytes, bytes], length: int
) -> None:
    text, start, ref, alt = variant
    change = normalised(memory(text), "sequence", start, ref.decode(), alt.decode())
    turned = reverse_complement(text)
    sides = (reverse_complement(allele).decode() for allele in (ref, alt))
    other = normalised(memory(turned), "sequence", len(text) - start - len(ref), *sides)
    one, two = readings(memory(text), change, length), readings(memory(turned), other, length)
    assert (one and one[::-1]) == two


def test_windows_stay_within_contigs_and_known_bases() -> None:
    text = b"ACGTACGTTG" + b"N" * 20 + b"GATTACAGATTACA"
    for start in (0, 9, 30, 43):
        change = normalised(memory(text), "sequence", start, chr(text[start]), "A")
        if not change.removed:
            continue
        pair = readings(memory(text), change, 30)
        assert pair is not None
        for reading in pair:
            assert b"N" not in reading.reference + reading.alternative
            assert len(reading.reference) == (10 if start < 10 else 14)


@pytest.mark.parametrize(
    ("ref", "alt", "reason"),
    [
        ("A", ".", "MISSING_ALT"), ("A", "*", "SPANNING_DELETION"), ("A", "<DEL>", "SYMBOLIC_ALT"),
        ("A", "A[chr2:5[", "BREAKEND"), ("A", "]chr2:5]A", "BREAKEND"), ("A", ".A", "BREAKEND"),
        ("N", "A", "NOT_ACGT"), ("A", "R", "NOT_ACGT"), ("a", "t", ""), ("AC", "A", ""),
    ],
)  # fmt: skip
def test_alleles_that_no_model_can_read(ref: str, alt: str, reason: str) -> None:
    assert unusable(ref, alt) == reason


def test_what_is_wrong_with_a_place() -> None:
    genome = memory(b"acgtNN")
    asked = [("x", 0, "A"), ("sequence", 5, "NNN"), ("sequence", 0, "C"), ("sequence", 4, "A")]
    found = [misplaced(genome, genome.resolve(name), at, ref) for name, at, ref in asked]
    assert found == ["UNKNOWN_CONTIG", "OUTSIDE_CONTIG", "REF_MISMATCH", "GENOME_NOT_ACGT"]
    assert misplaced(genome, "sequence", 1, "Cg") == ""
