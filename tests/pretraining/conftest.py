"""Small shards, written by the shards stage's own writer."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_lib.corpus.reader import Document
from pipeline_lib.files import checksum, write_json
from pipeline_lib.shards.write import SHARD_SCHEMA, Encoded, _table
from pipeline_lib.tokenizer.train import byte_pair_tokenizer
from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN, SPECIAL_TOKENS, Vocabulary, read_vocabulary

WORDS = (*SPECIAL_TOKENS, GAP_TOKEN, *"ACGNT", "AC", "GT", "AT", "CG", "TTT")


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [*WORDS, "TT"]
    pairs = [("A", "C"), ("G", "T"), ("A", "T"), ("C", "G"), ("T", "T"), ("TT", "T")]
    tokenizer = byte_pair_tokenizer(words, [(words.index(a), words.index(b)) for a, b in pairs])
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def vocabulary(tokenizer: Path) -> Vocabulary:
    return read_vocabulary(tokenizer)


def write_folder(directory: Path, documents: list[list[int]], per_part: int) -> Path:
    """Write documents of given tokens as a folder of shards."""
    directory.mkdir(parents=True)
    parts = []
    for number, begin in enumerate(range(0, len(documents), per_part)):
        rows = []
        for index, tokens in enumerate(documents[begin : begin + per_part], start=begin):
            document = Document(
                index, "toy", "chr1", "+", index * 1000, index * 1000 + 900, 0, [900]
            )
            ends = np.array([len(tokens)], np.int32)
            masked = np.array([255 * (token == 6) for token in tokens], np.uint8)
            rows.append(Encoded(document, np.array(tokens, np.uint16), ends, masked, 900))
        path = directory / f"part-{number:05d}.parquet"
        table: pa.Table = _table(rows)
        assert table.schema == SHARD_SCHEMA
        pq.write_table(table, path, row_group_size=2)
        count = sum(len(row.tokens) for row in rows)
        parts.append({"name": path.name, "documents": len(rows), "tokens": count,
                      "bases": 900 * len(rows), "sha256": checksum(path)})  # fmt: skip
    write_json(directory / "manifest.json", {"vocab_size": len(WORDS) + 1, "parts": parts})
    return directory


@pytest.fixture(scope="session")
def make_shards(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes shards of random documents with a pattern to be learnt."""

    def make(documents: int = 12, longest: int = 150, per_part: int = 3, seed: int = 0) -> Path:
        generator = np.random.default_rng(seed)
        texts = []
        for _ in range(documents):
            length = int(generator.integers(1, longest + 1))
            start = int(generator.integers(0, 8))
            texts.append([6 + (start + i) % 8 for i in range(length)])
        return write_folder(tmp_path_factory.mktemp("shards") / "train", texts, per_part)

    return make
