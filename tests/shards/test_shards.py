"""Shards: the same bytes for any number of workers, and the tokens of the sentences."""

import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.corpus.reader import Sequences, count_documents, read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.files import checksum
from pipeline_lib.shards.reader import Shards
from pipeline_lib.shards.write import write_shards
from pipeline_lib.tokenizer.encode import load_tokenizer

SETTINGS = ShardsConfig(tokens_per_shard=40_000, documents_per_row_group=4)


@pytest.fixture(scope="module")
def shards(train_documents, genomes, tokenizer, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shards") / "train"
    write_shards(train_documents, genomes, tokenizer, folder, SETTINGS, workers=1)
    return folder


def copy_of(folder: Path, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_do_not_change_a_byte(
    root: Path, shards, train_documents, genomes, tokenizer, tmp_path: Path, workers: int
) -> None:
    # In a process of its own: the library starts its threads once in a process.
    script = (
        "import sys; from pathlib import Path\n"
        "from pipeline_lib.config.shards import ShardsConfig\n"
        "from pipeline_lib.shards.write import write_shards\n"
        "documents, genome, tokenizer, folder, settings, workers = sys.argv[1:]\n"
        "write_shards(Path(documents), {'small': Path(genome)}, Path(tokenizer), Path(folder),\n"
        "    ShardsConfig.model_validate_json(settings), workers=int(workers))\n"
    )
    arguments = [train_documents, genomes["small"], tokenizer, tmp_path / "train"]
    subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments), SETTINGS.model_dump_json(),
         str(workers)],
        check=True, cwd=root,
    )  # fmt: skip
    again = {file.name: file.read_bytes() for file in (tmp_path / "train").iterdir()}
    assert again == {file.name: file.read_bytes() for file in shards.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_tokens_are_those_of_the_sentences(shards, train_documents, genomes, tokenizer) -> None:
    plain, genome, opened = load_tokenizer(tokenizer), Sequences(genomes), Shards(shards)
    ends = [
        row for part in opened.parts for row in pq.read_table(part)["sentence_ends"].to_pylist()
    ]
    for row, document in zip(opened.rows(), read_documents(train_documents), strict=True):
        number, assembly, contig, strand, start, end, tokens = row
        assert (number, assembly, contig, strand, start, end) == (
            document.number, document.assembly, document.contig, document.strand,
            document.start, document.end,
        )  # fmt: skip
        if number % 10:
            continue
        pieces = np.split(tokens, ends[number])
        assert len(pieces.pop()) == 0
        for sentence, ids in zip(genome.sentences(document), pieces, strict=True):
            assert ids.tolist() == plain.encode(sentence.decode()).ids[1:-1]


def test_manifest(shards: Path, train_documents: Path, tokenizer: Path) -> None:
    opened = Shards(shards)
    opened.verify()
    parts = opened.manifest["parts"]
    assert len(parts) > 2
    for key in ("documents", "tokens", "bases"):
        assert opened.manifest[key] == sum(part[key] for part in parts)
    assert opened.manifest["documents"] == count_documents(train_documents)
    documents = list(read_documents(train_documents))
    assert opened.manifest["bases"] == sum(d.end - d.start for d in documents)
    assert opened.manifest["vocab_size"] == 512
    assert opened.manifest["provenance"]["inputs"] == {
        "documents": checksum(train_documents), "tokenizer": checksum(tokenizer)
    }  # fmt: skip
    for part, path in zip(parts, opened.parts, strict=True):
        table = pq.read_table(path)
        counts = table["n_tokens"].to_numpy()
        assert part["tokens"] == counts.sum()
        assert part["documents"] == len(table)
        assert counts[:-1].sum() < SETTINGS.tokens_per_shard  # closed at the first border
        assert part["tokens"] >= SETTINGS.tokens_per_shard or path == opened.parts[-1]


def test_random_access(shards: Path) -> None:
    opened = Shards(shards)
    rows = {row[0]: row for row in opened.rows()}
    assert len(opened.document_tokens) == len(rows)
    for number in np.random.default_rng(1).permutation(len(rows)):
        tokens = opened.tokens(int(number))
        assert tokens.dtype == np.uint16
        assert tokens.tolist() == rows[number][6].tolist()
        assert len(tokens) == opened.document_tokens[number]
        assert opened.coordinates(int(number))["start"] == rows[number][4]


def test_parts_in_a_row(shards: Path) -> None:
    opened = Shards(shards)
    tokens, begins = opened.part(1)
    first = opened.manifest["parts"][0]["documents"]
    assert tokens[begins[2] : begins[3]].tolist() == opened.tokens(first + 2).tolist()
    assert begins[0] == 0
    assert begins[-1] == len(tokens)


def test_datasets_library_reads_them(shards: Path, tmp_path: Path) -> None:
    table = datasets.load_dataset(
        "parquet", data_files=sorted(map(str, shards.glob("*.parquet"))), split="train",
        cache_dir=str(tmp_path),
    )  # fmt: skip
    opened = Shards(shards)
    assert len(table) == opened.manifest["documents"]
    assert table[7]["tokens"] == opened.tokens(7).tolist()


def test_a_missing_part(shards: Path, tmp_path: Path) -> None:
    folder = copy_of(shards, tmp_path / "train")
    (folder / "part-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"part-00001\.parquet: the file is missing"):
        Shards(folder)


def test_a_flipped_bit(shards: Path, tmp_path: Path) -> None:
    folder = copy_of(shards, tmp_path / "train")
    path = folder / "part-00001.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"part-00001\.parquet.*damaged"):
        Shards(folder).verify()


def test_a_truncated_part(shards: Path, tmp_path: Path) -> None:
    folder = copy_of(shards, tmp_path / "train")
    path = folder / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    for use in (lambda s: s.document_tokens, lambda s: list(s.rows()), lambda s: s.part(1)):
        with pytest.raises(InputError, match=r"part-00001\.parquet"):
            use(Shards(folder))


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json is missing"):
        Shards(tmp_path)


def test_a_damaged_tokenizer_is_named(train_documents, genomes, tmp_path: Path) -> None:
    broken = tmp_path / "tokenizer.json"
    broken.write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json: cannot be read as a tokenizer"):
        write_shards(train_documents, genomes, broken, tmp_path / "out", SETTINGS, workers=2)
    assert not (tmp_path / "out").exists()


def test_a_missing_genome_is_named(train_documents, tokenizer, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"genome\.fa\.gz is missing"):
        write_shards(
            train_documents, {"small": tmp_path}, tokenizer, tmp_path / "out", SETTINGS, workers=1
        )
    assert not (tmp_path / "out").exists()
