"""Examples as tokens: the focus, pairs, what is too long, the other strand and batches."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import (
    encode_examples,
    joined,
    mirrored,
    numbers_of,
    training_batches,
)
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.vocabulary import read_vocabulary
from tests.finetuning import toys

DNA = st.text(alphabet="ACGT", min_size=1, max_size=120)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return toys.write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


def encode(tokenizer, context_length=1000, **columns):
    table = pd.DataFrame({name: [value] for name, value in columns.items()})
    return encode_examples(table, tokenizer, context_length=context_length, too_long="crop")


def words(tokenizer, encoded):
    """Return the tokens of one example as text."""
    vocabulary = read_vocabulary(tokenizer).words
    return [vocabulary[token] for token in encoded.tokens]


def test_focus_is_the_token_that_holds_the_base(tokenizer):
    lengths = read_vocabulary(tokenizer).lengths

    @settings(max_examples=50, deadline=None)
    @given(st.text(alphabet="ACGTN", min_size=1, max_size=120), st.data())
    def check(sequence, data):
        base = data.draw(st.integers(-1, len(sequence) - 1))
        if "N" * 10 in sequence:  # a gap token stands for any number of bases
            return
        encoded = encode(tokenizer, sequence=sequence, focus=base)
        ends = np.cumsum(lengths[encoded.tokens])
        holder = int(encoded.focus[0])
        place = len(sequence) // 2 if base < 0 else base
        assert ends[holder - 1] <= place < ends[holder]
        assert ends[-1] == len(sequence)

    check()


def test_pairs_are_one_input(tokenizer):
    @settings(max_examples=30, deadline=None)
    @given(DNA, DNA, st.data())
    def check(first, second, data):
        base = data.draw(st.integers(0, len(first) - 1))
        pair = encode(tokenizer, sequence=first, partner=second, focus=base)
        alone = [encode(tokenizer, sequence=text, focus=base) for text in (first, second)]
        one, other = (words(tokenizer, each) for each in alone)
        assert words(tokenizer, pair) == [*one, *other[1:]]
        assert one[0] == "[CLS]" and one[-1] == other[-1] == "[SEP]"
        assert pair.focus[0] == alone[0].focus[0]

    check()


def test_a_table_may_hold_both_pairs_and_single_sequences(tokenizer):
    table = pd.DataFrame({"sequence": ["ACGT", "ACGT"], "partner": ["", "ACGT"]})
    encoded = encode_examples(table, tokenizer, context_length=20)
    single, pair = encoded.lengths
    assert pair == 2 * single - 1


def test_what_is_too_long_is_refused(tokenizer):
    table = toys.make_examples(count=8).table.assign(start=1234)
    message = r"example 0 at a:1,234 has \d+ tokens.*reads 9 at most.*`too_long: crop`"
    with pytest.raises(InputError, match=message):
        encode_examples(table, tokenizer, context_length=9)
    nowhere = pd.DataFrame({"sequence": ["A", "ACGT" * 30], "partner": ["A", "A"]})
    with pytest.raises(InputError, match=r"^example 1 has \d+ tokens"):
        encode_examples(nowhere, tokenizer, context_length=9)


def test_a_crop_holds_what_is_around_the_focus(tokenizer):
    @settings(max_examples=50, deadline=None)
    @given(DNA, st.integers(4, 70), st.data())
    def check(sequence, context, data):
        base = data.draw(st.integers(-1, len(sequence) - 1))
        whole = encode(tokenizer, sequence=sequence, focus=base)
        part = encode(tokenizer, context, sequence=sequence, focus=base)
        inner, kept = whole.tokens[1:-1].tolist(), part.tokens[1:-1].tolist()
        assert len(kept) == min(len(inner), context - 2)
        # The focus is the same token, and what surrounds it is where it was.
        offset = int(whole.focus[0] - part.focus[0])
        assert kept == inner[offset : offset + len(kept)]
        before, after = part.focus[0] - 1, len(kept) - part.focus[0]
        if offset and offset + len(kept) < len(inner):
            assert abs(before - after) <= 1

    check()


def test_cropped_pairs_share_the_room(tokenizer):
    @settings(max_examples=50, deadline=None)
    @given(DNA, DNA, st.integers(6, 90))
    def check(first, second, context):
        whole = [len(encode(tokenizer, sequence=text).tokens) - 2 for text in (first, second)]
        pair = words(tokenizer, encode(tokenizer, context, sequence=first, partner=second))
        middle = pair.index("[SEP]")
        kept = (middle - 1, len(pair) - middle - 2)
        room = context - 3
        assert sum(kept) == min(sum(whole), room)
        for own, all_of_it in zip(kept, whole, strict=True):
            assert own >= min(all_of_it, room // 2)

    check()


def test_turning_twice_changes_nothing():
    table = toys.make_examples(count=12).table.assign(partner="ACCGT")
    table.loc[3, "focus"] = -1
    turned = mirrored(table)
    for one, other in zip(table.itertuples(), turned.itertuples(), strict=True):
        assert reverse_complement(other.sequence.encode()).decode() == one.sequence
        if one.focus >= 0:
            mate = {"A": "T", "T": "A", "C": "G", "G": "C"}
            assert other.sequence[other.focus] == mate[one.sequence[one.focus]]
    assert turned.loc[3, "focus"] == -1
    assert set(turned["partner"]) == {"ACGGT"}
    assert mirrored(turned).equals(table)


def test_joined_is_encoded_together(tokenizer):
    table = toys.make_examples(count=12).table
    table["numbers"] = [np.array([row], dtype=np.float32) for row in range(12)]
    whole = encode_examples(table, tokenizer, context_length=64)
    halves = [
        encode_examples(part, tokenizer, context_length=64) for part in (table[:5], table[5:])
    ]
    both = joined(*halves)
    for name in ("tokens", "ends", "focus", "numbers", "targets"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(both, name))


def test_a_batch_is_padded_and_scaled(tokenizer):
    table = pd.DataFrame({"sequence": ["ACGTACGT", "AC", "ACGT"]})
    table["numbers"] = [[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]
    scaler = Scaler.of(numbers_of(table))
    encoded = encode_examples(table, tokenizer, context_length=64, scaler=scaler)
    tokens, mask, focus, numbers = encoded.batch(np.array([2, 0]), torch.device("cpu"))
    assert mask.sum(dim=1).tolist() == encoded.lengths[[2, 0]].tolist()
    assert (tokens[~mask] == encoded.pad).all() and len(focus) == 2
    np.testing.assert_allclose(numbers, [[1.5**0.5, 0], [-(1.5**0.5), 0]], rtol=1e-6)
    none = encode_examples(table[["sequence"]], tokenizer, context_length=64)
    assert none.batch(np.array([0]), torch.device("cpu")).mask is None
    assert none.batch(np.array([0]), torch.device("cpu")).numbers is None


@pytest.mark.parametrize("row", [[1.0], [1.0, float("nan")]])
def test_numbers_must_be_there_for_all(row):
    table = pd.DataFrame({"sequence": ["A", "C"], "numbers": [[1.0, 2.0], row]})
    with pytest.raises(InputError, match=r"given with example 1 are \[1.0.*2 finite numbers"):
        numbers_of(table)


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(1, 20))
def test_an_epoch_has_every_example_once(lengths, size):
    batches = training_batches(np.array(lengths), size, seed=1, epoch=2)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    again = training_batches(np.array(lengths), size, seed=1, epoch=2)
    assert all((one == other).all() for one, other in zip(batches, again, strict=True))
