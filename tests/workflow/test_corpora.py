"""Real runs of what a corpus can be asked for: haplotypes, pieces."""

import gzip
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.corpus.reader import read_documents
from pipeline_lib.shards.reader import Shards
from tests.workflow.conftest import Project


def test_pieces_hold_what_one_job_writes(new_project: Callable[..., Project]) -> None:
    project = new_project()
    whole, in_pieces = rows_of(project, pieces=1), rows_of(project, pieces=3)
    assert whole[0] == in_pieces[0]
    assert (whole[1] == in_pieces[1]).all()


def rows_of(project: Project, *, pieces: int) -> tuple[list[tuple[object, ...]], NDArray[np.int64]]:
    """Write shards in so many jobs; return what is said of each document, and all tokens."""
    project.values["shards"]["pieces"] = pieces
    project.write()
    rule = "shards_write" if pieces == 1 else "shards_piece"
    assert rule in project.planned("--", "shards")
    project.succeed("shards")
    shards = Shards(project.folder / "results/shards/small/bpe256/train")
    shards.verify()
    rows = list(shards.rows())
    assert not (shards.directory.parent / "pieces" / "train-0").exists()
    return [tuple(row[:6]) for row in rows], np.concatenate([row[6] for row in rows])


def test_haplotypes_all_the_way_to_shards(
    new_project: Callable[..., Project], tmp_path: Path
) -> None:
    generator, lines = random.Random(1), ["##fileformat=VCFv4.2"]
    lines += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">']
    lines += ["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\tbob"]
    project = new_project()
    with gzip.open(project.folder / "data/small.fa.gz", "rt") as handle:
        records = handle.read().split(">")[1:]
    names = {"NC_001133": "I", "NC_001135": "III", "NC_001138": "VI", "NC_001141": "IX"}
    for record in records:
        header, _, body = record.partition("\n")
        name = next((n for key, n in names.items() if key in header), None)
        text = body.replace("\n", "")
        for place in range(500, len(text) - 10, 700) if name else ():
            other = generator.choice([base for base in "ACGT" if base != text[place]])
            calls = f"{generator.choice(['0|1', '1|0', '1|1'])}\t0|0"
            site = f"{name}\t{place + 1}\t.\t{text[place]}\t{other}"
            lines.append(f"{site}\t.\tPASS\t.\tGT\t{calls}")
    (tmp_path / "calls.vcf").write_text("\n".join(lines) + "\n")
    corpus = project.values["corpus"]["corpora"]["small"]
    corpus["variants"] = {"vcf": [str(tmp_path / "calls.vcf")], "samples": ["ann", "bob"]}
    project.write()
    project.succeed("shards")
    train = project.folder / "results/corpus/small/train/documents.parquet"
    documents = list(read_documents(train))
    assert {document.sample for document in documents} == {"ann"}  # bob has no variant
    assert {document.haplotype for document in documents} == {0, 1}
    assert sum(document.variants for document in documents) > 500
