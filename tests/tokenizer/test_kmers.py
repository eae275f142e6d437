"""Vocabularies of fixed words: golden ids of the published ones, and the way there and back."""

import gzip
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers import Tokenizer as PlainTokenizer
from transformers import AutoTokenizer

from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.tokenizer.encode import SentenceEncoder, encode_sequence, write_tokenizer_files
from pipeline_lib.tokenizer.kmers import kmer_tokenizer, kmer_words
from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN

KINDS = {
    "nucleotide": {"kind": "nucleotide"},
    "hyenadna": {"kind": "nucleotide", "vocabulary": "hyenadna"},
    "dnagpt": {"kind": "kmer", "vocabulary": "dnagpt", "k": 6},
    **{f"logo-{k}": {"kind": "kmer", "vocabulary": "logo", "k": k} for k in (3, 4, 5, 6)},
    **{f"kmer-{k}": {"kind": "kmer", "k": k} for k in (1, 3, 6)},
    **{f"overlapping-{k}": {"kind": "kmer", "k": k, "overlapping": True} for k in (3, 6)},
    "logo-overlapping": {"kind": "kmer", "vocabulary": "logo", "k": 4, "overlapping": True},
}


def settings_of(name: str) -> Tokenizer:
    return Tokenizer(corpus="any", **KINDS[name])


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, tuple[SentenceEncoder, PlainTokenizer]]:
    folder, made = tmp_path_factory.mktemp("kmers"), {}
    for name in KINDS:
        path = folder / f"{name}.json"
        kmer_tokenizer(settings_of(name)).save(str(path))
        made[name] = SentenceEncoder(path), PlainTokenizer.from_file(str(path))
    return made


def ids(words: list[str]) -> dict[str, int]:
    return {word: number for number, word in enumerate(words)}


def test_dnagpt_ids() -> None:
    found = ids(kmer_words(settings_of("dnagpt")))
    assert len(found) == 19_564
    golden = {
        "<0>": 0, "<P>": 20, "<R>": 21, "<Z>": 33, "N": 34, "A": 35, "G": 36, "C": 37, "T": 38,
        "AA": 45, "NNNNNN": 3_939, "AAAAAA": 7_845, "AATAAA": 8_220, "TTTTTT": 19_563,
    }  # fmt: skip
    assert {word: found[word] for word in golden} == golden


def test_logo_ids() -> None:
    golden = {3: (59, 134), 4: (259, 634), 5: (1_259, 3_134), 6: (6_259, 15_634)}
    for k, (first, last) in golden.items():
        found = ids(kmer_words(settings_of(f"logo-{k}")))
        assert len(found) == 10 + 5**k
        assert (found["N"], found["A"], found["<unk>"], found["<mask>"]) == (10, 11, 0, 2)
        assert (found["A" * k], found["T" * k]) == (first, last)


def test_hyenadna_ids(encoders) -> None:
    _, plain = encoders["hyenadna"]
    assert plain.encode("ACGTN").ids == [0, 7, 8, 9, 10, 11, 1]
    assert plain.encode("").ids == [0, 1]
    assert plain.encode("acgtnacgtRY").ids == [0, 7, 8, 9, 10, 11, 7, 8, 9, 10, 11, 11, 1]
    assert plain.token_to_id("[PAD]") == 4
    assert plain.token_to_id("[UNK]") == 6


def test_our_words_are_all_there() -> None:
    words = kmer_words(settings_of("kmer-3"))
    assert {"".join(word) for word in product("ACGT", repeat=3)} <= set(words)
    assert len(words) == 7 + 4 + 16 + 64 == len(set(words))


@pytest.mark.parametrize("name", KINDS)
def test_decoding_undoes_encoding(encoders, name) -> None:
    encoder, _ = encoders[name]
    letters = "ACGT" if "logo" in name or "overlapping" in name else "ACGTN"

    @settings(max_examples=100, deadline=None)
    @given(st.text(letters, max_size=200).filter(lambda text: "N" * 10 not in text))
    def check(text: str) -> None:
        tokens, ends = encoder.encode([text.encode()])
        assert encoder.decode(tokens) == text.encode()
        assert ends.tolist() == [len(tokens)]
        assert tokens.dtype == np.uint16

    check()


@pytest.mark.parametrize("name", KINDS)
def test_the_fast_way_gives_the_plain_ids(encoders, name) -> None:
    encoder, plain = encoders[name]
    overlap = encoder._words.k if encoder._words.overlapping else 0

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.text("ACGTN", max_size=80), min_size=1, max_size=4))
    def check(sentences: list[str]) -> None:
        tokens, ends = encoder.encode([sentence.encode() for sentence in sentences])
        for sentence, found in zip(sentences, np.split(tokens, ends)[:-1], strict=True):
            expected, starts = encode_sequence(plain, sentence, overlap)
            assert found.tolist() == expected
            if "N" * 10 not in sentence and encoder.vocabulary.unk not in found:
                lengths = encoder.vocabulary.lengths[found]
                assert starts == (np.cumsum(lengths) - lengths).tolist()

    check()


@pytest.mark.parametrize("name", ["kmer-1", "kmer-3", "kmer-6"])
def test_a_gap_begins_with_its_first_n(encoders, name) -> None:
    _, plain = encoders[name]
    pieces = st.tuples(st.text("ACGT", min_size=1, max_size=9), st.integers(0, 25))

    @settings(max_examples=50, deadline=None)
    @given(st.integers(0, 25), st.lists(pieces, min_size=1, max_size=4))
    def check(first: int, rest: list[tuple[str, int]]) -> None:
        text = "N" * first + "".join(letters + "N" * count for letters, count in rest)
        found, starts = encode_sequence(plain, text)
        for token, start, end in zip(found, starts, [*starts[1:], len(text)], strict=True):
            word = text[start:end]
            gap = len(word) >= 10 and set(word) == {"N"}
            assert plain.id_to_token(token) == (GAP_TOKEN if gap else word)

    check()


@pytest.mark.parametrize("name", ["dnagpt", "logo-5", "kmer-6", "hyenadna", "nucleotide"])
def test_transformers_load_the_folder(encoders, name, tmp_path: Path) -> None:
    encoder, plain = encoders[name]
    path = tmp_path / "from.json"
    plain.save(str(path))
    (tmp_path / "model").mkdir()
    write_tokenizer_files(path, tmp_path / "model", context_length=64)
    auto = AutoTokenizer.from_pretrained(tmp_path / "model")
    found = auto("ACGTTGCAACGTA", add_special_tokens=False)["input_ids"]
    assert found == encoder.encode([b"ACGTTGCAACGTA"])[0].tolist()
    assert auto.pad_token_id == encoder.vocabulary.pad
    assert auto.mask_token_id == encoder.vocabulary.mask


def test_dnagpt_prompts(encoders) -> None:
    _, plain = encoders["dnagpt"]
    assert plain.encode("<R>AATAAAAC<=><R>").tokens == ["<R>", "AATAAA", "AC", "<=>", "<R>"]


def test_bases_of_words(encoders) -> None:
    for name, (encoder, _) in encoders.items():
        lengths = encoder.vocabulary.lengths
        assert lengths[: encoder.vocabulary.first].max() == 0
        assert lengths.max() == (1 if "overlapping" in name else encoder._words.k)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"kind": "kmer", "vocabulary": "hyenadna"}, "dnalm, dnagpt, logo"),
        ({"kind": "bpe", "vocabulary": "logo"}, "for `kind: bpe` it is one of dnalm"),
        ({"kind": "bpe", "overlapping": True}, "goes with `kind: kmer`"),
        ({"kind": "kmer", "vocabulary": "logo", "k": 7}, "at most 6"),
    ],
)
def test_settings_that_do_not_go_together(values, named) -> None:
    with pytest.raises(ValidationError, match=named):
        Tokenizer(corpus="any", **values)


def test_the_published_tokenizer_of_gena_lm(shared, tmp_path: Path) -> None:
    packed = shared / "data/tokenizers/gena_lm_t2t_1000h_multi_32k.json.gz"
    path = tmp_path / "tokenizer.json"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    encoder, plain = SentenceEncoder(path), PlainTokenizer.from_file(str(path))
    text = "ACGT" + "N" * 10 + "ACGT"
    assert plain.encode(text).ids == [1, 120, 15, 5, 120, 15, 2]
    assert encoder.encode([text.encode()])[0].tolist() == [120, 15, 5, 120, 15]
    generator = np.random.default_rng(0)
    for length in (1, 2, 10, 1_000, 100_000):
        sequence = "".join(generator.choice(list("ACGT"), length))
        found = encoder.encode([sequence.encode()])[0].tolist()
        assert found == plain.encode(sequence, add_special_tokens=False).ids
