"""Encoding: the fast way gives the ids of the plain way, for any sequence."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from pipeline_lib.corpus.reader import Sequences, read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.tokenizer.encode import SentenceEncoder, load_tokenizer, write_tokenizer_files

UNK, CLS, SEP, PAD, MASK, GAP = range(6)

ONCE = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
short_n = st.lists(
    st.one_of(st.text("ACGT", min_size=1, max_size=30), st.sampled_from(["N", "NNN", "N" * 8])),
    max_size=8,
).map("A".join)
any_n = st.lists(
    st.one_of(st.text("ACGTN", max_size=30), st.integers(8, 25).map(lambda n: "N" * n)), max_size=8
).map("".join)


@pytest.fixture(scope="module")
def plain(tokenizer: Path):
    return load_tokenizer(tokenizer)


@pytest.fixture(scope="module")
def encoder(tokenizer: Path) -> SentenceEncoder:
    return SentenceEncoder(tokenizer)


@given(text=short_n)
@ONCE
def test_decoding_undoes_encoding(plain, text: str) -> None:
    assert plain.decode(plain.encode(text).ids) == text


@given(text=short_n)
@ONCE
def test_the_fast_way_can_be_undone(encoder, text: str) -> None:
    tokens, _ = encoder.encode([text.encode()])
    assert encoder.decode(tokens) == text.encode()


@given(sentences=st.lists(any_n, max_size=5))
@ONCE
def test_sentence_encoder_gives_the_plain_ids(plain, encoder, sentences: list[str]) -> None:
    tokens, ends = encoder.encode([sentence.encode() for sentence in sentences])
    expected = [plain.encode(text, add_special_tokens=False).ids for text in sentences]
    assert tokens.dtype == np.uint16
    assert tokens.tolist() == [token for ids in expected for token in ids]
    assert ends.tolist() == np.cumsum([len(ids) for ids in expected]).tolist()


@given(text=any_n)
@ONCE
def test_case_does_not_matter(plain, text: str) -> None:
    assert plain.encode(text.lower()).ids == plain.encode(text).ids


def test_sentence_encoder_on_real_documents(plain, encoder, train_documents, genomes) -> None:
    genome = Sequences(genomes)
    for number, document in enumerate(read_documents(train_documents)):
        if number % 20 == 0:
            sentences = genome.sentences(document)
            tokens, ends = encoder.encode(sentences)
            pieces = np.split(tokens, ends)[:-1]
            for sentence, ids in zip(sentences, pieces, strict=True):
                assert ids.tolist() == plain.encode(sentence.decode()).ids[1:-1]


def test_special_tokens_and_gap(plain) -> None:
    assert plain.encode("").ids == [CLS, SEP]
    for length in (10, 11, 5_000):
        ids = plain.encode("ACGT" + "N" * length + "acgt").ids
        assert ids.count(GAP) == 1
    assert GAP not in plain.encode("ACGT" + "N" * 9 + "ACGT").ids
    assert plain.encode("A[MASK]C").ids[2] == MASK


def test_other_letters(plain) -> None:
    assert plain.encode("ACRYKMSWBDHVGT").ids == plain.encode("ACNNNNNNNNNNGT").ids
    assert plain.encode("ACUu").ids == plain.encode("ACTT").ids
    assert UNK in plain.encode("ACJGT").ids


def test_nothing_to_encode(encoder) -> None:
    tokens, ends = encoder.encode([])
    assert tokens.shape == ends.shape == (0,)
    tokens, ends = encoder.encode([b"", b"A", b""])
    assert ends.tolist() == [0, 1, 1]


def test_pickling(encoder) -> None:
    again = pickle.loads(pickle.dumps(encoder))
    assert again.encode([b"ACGTACGT"])[0].tolist() == encoder.encode([b"ACGTACGT"])[0].tolist()


def test_transformers_load_the_folder(tokenizer: Path, plain, tmp_path: Path) -> None:
    write_tokenizer_files(tokenizer, tmp_path, context_length=128)
    auto = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("ACGTTTGACA", "acgt" + "n" * 30 + "ACG"):
        assert auto(text)["input_ids"] == plain.encode(text).ids
    special = (auto.unk_token_id, auto.cls_token_id, auto.sep_token_id, auto.pad_token_id,
               auto.mask_token_id)  # fmt: skip
    assert special == (UNK, CLS, SEP, PAD, MASK)
    assert auto.model_max_length == 128
    assert auto.decode(auto("ACGTTTGACA")["input_ids"], skip_special_tokens=True) == "ACGTTTGACA"


def test_a_damaged_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="cannot be read as a tokenizer"):
        load_tokenizer(path)


def test_somebody_elses_tokenizer(tokenizer: Path, tmp_path: Path) -> None:
    other = tmp_path / "tokenizer.json"
    other.write_text(tokenizer.read_text().replace("[CLS]", "[BOS]"))
    with pytest.raises(InputError, match=r"first tokens are \[UNK\] \[BOS\]"):
        load_tokenizer(other)
