"""Damaged files of variants, haplotypes, sequences and motifs: a sentence or a result.

The environment variable FUZZ_INPUTS sets how many inputs are tried (2,500 for a full run).
"""

import gzip
import os
import random
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import pysam
import pytest
import torch

from pipeline_lib.application.explanation.motifs import read_motifs
from pipeline_lib.application.haplotypes.files import read_panel
from pipeline_lib.application.inputs import read_inputs
from pipeline_lib.application.scoring.score import score_file
from pipeline_lib.config.application_scoring import ScoreSettings
from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.errors import DnalmError
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from tests.finetuning import toys
from tests.fuzz.mutate import mutate

INPUTS = int(os.environ.get("FUZZ_INPUTS", "40"))
SCORED = max(INPUTS // 5, 20)
"""A model runs for each of these."""
DNA = random.Random(3)
CONTIGS = {name: "".join(DNA.choices("ACGTacgt", k=size)) for name, size in (("1", 300), ("2", 80))}
SHAPE = Architecture(
    layers=1, width=8, heads=1, feedforward_width=8, context_length=34, dropout=0.0
)


def variants() -> bytes:
    """Return a VCF with records of every kind."""
    lines = [
        "##fileformat=VCFv4.2",
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        *(f"##contig=<ID=chr{name},length={len(text)}>" for name, text in CONTIGS.items()),
        "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT one two".replace(" ", "\t"),
    ]
    for name, text in CONTIGS.items():
        for position in range(3, len(text) - 10, 23):
            ref = text[position : position + DNA.choice((1, 1, 3))]
            alt = DNA.choice(("A", "C,T", ref[0] + "GT", ref[0], "<DEL>", "*,G", ".", "G[chr1:7["))
            fixed = [f"chr{name}", str(position + 1), f"v{position}", ref, alt, "30", "PASS"]
            lines.append("\t".join([*fixed, "AF=0.5;X", "GT", "0|1", "./."]))
    return ("\n".join(lines) + "\n").encode()


def zipped(content: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as folder:
        folder.writestr("real.hapt", content)
    return file.getvalue()


HAPT = b"".join(b"Real HG%d_%s %s\n" % (i // 2, b"AB"[i % 2 :][:1], b" ".join(
    b"%d" % DNA.randrange(2) for _ in range(9))) for i in range(12))  # fmt: skip
LEGEND = b"id position a0 a1\n" + b"".join(
    b"1:%d_A_G %d A G\n" % (i, i) for i in range(10, 100, 10)
)
PHASED = (
    b'##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
    b"##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tone\ttwo\n"
    + b"".join(b"1\t%d\t.\tA\tG\t.\t.\t.\tGT\t0|1\t1|0\n" % i for i in range(10, 90, 10))
)
SEQUENCES = {
    "fa": b"".join(b">s%d words\n%s\n" % (i, CONTIGS["1"][i : i + 40].encode()) for i in range(5)),
    "bed": b"# regions\nchr1\t10\t40\ta\t0\t-\n2\t0\t80\tb\n1\t5\t6\n",
    "csv": b"name,sequence,label\na,ACGT,1\nb,GGGTTT,0\n",
    "tsv": b"sequence\tcontig\tstart\tend\tstrand\nACGT\t1\t0\t4\t+\nAC\t1\t7\t9\t-\n",
}
MOTIFS = {
    "jaspar": b">MA1.1 TATA\nA [ 1 9 1 9 ]\nC [ 0 0 0 0 ]\nG [ 0 0 0 0 ]\nT [ 9 1 9 1 ]\n",
    "pfm": b">MA2.1\n1 9 1\n0 0 4\n0 3 0\n9 1 9\n",
    "meme": b"MEME version 4\n\nALPHABET= ACGT\n\nMOTIF MA3.1 CAT\n"
    b"letter-probability matrix: alength= 4 w= 3 nsites= 20 E= 0\n"
    b" 0.0 1.0 0.0 0.0\n 1.0 0.0 0.0 0.0\n 0.0 0.0 0.0 1.0\n",
}  # fmt: skip


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in CONTIGS.items()))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(kmer_tokenizer(TokenizerSettings(kind="nucleotide")).to_str())
    return toys.write_model(folder / "model", tokenizer, SHAPE)


def survives(call: Callable[[], object], seed: str) -> bool:
    """Make a call; return whether it succeeded. Anything but a sentence is a failure."""
    try:
        call()
    except DnalmError as error:
        assert "To fix: " in str(error), seed
        return False
    except Exception as error:
        raise AssertionError(f"{seed}: {type(error).__name__}: {error}") from error
    return True


def read(path: Path) -> list[tuple[str, int]] | None:
    """Return place of every record, or None if another reader does not understand the file."""
    try:
        with pysam.VariantFile(str(path)) as records:
            return [(record.chrom, record.pos) for record in records]
    except (OSError, ValueError):
        return None


def bgzip(content: bytes, folder: Path) -> bytes:
    with pysam.BGZFile(str(folder / "packed.gz"), "wb") as handle:
        handle.write(content)
    return (folder / "packed.gz").read_bytes()


@pytest.mark.parametrize("way", ["plain", "damaged and packed", "packed and damaged"])
def test_damaged_variants(way: str, genome: Path, model: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    settings, good = ScoreSettings(max_mismatch=1.0), variants()
    output, fine = tmp_path / "out.vcf.gz", 0
    for number in range(SCORED):
        rng = random.Random(f"{way} {number}")
        path = tmp_path / ("in.vcf" if way == "plain" else "in.vcf.gz")
        if way == "packed and damaged":
            path.write_bytes(mutate(bgzip(good, tmp_path), rng))
        else:
            content = mutate(good, rng)
            path.write_bytes(content if way == "plain" else bgzip(content, tmp_path))
        if survives(partial(score_file, path, genome, model, output, settings), f"{way} {number}"):
            fine += 1
            given = read(path)
            assert given is None or read(output) == given, f"{way} {number}"
            for file in tmp_path.glob("out.vcf.gz*"):
                file.unlink()
        assert not list(tmp_path.glob("out.vcf*")), f"{way} {number}"
    # Checksums notice nearly all damage that comes after packing.
    assert fine < SCORED and (fine or way == "packed and damaged")


def test_damaged_panels(tmp_path: Path) -> None:
    legend = tmp_path / "a.legend"
    kinds = {"a.hapt": HAPT, "a.hapt.zip": zipped(HAPT), "a.vcf": PHASED, "b.vcf.gz": PHASED}
    for name, good in kinds.items():
        fine = 0
        for number in range(INPUTS):
            rng = random.Random(f"{name} {number}")
            content = bgzip(good, tmp_path) if name.endswith("gz") else good
            of_legend = "hapt" in name and rng.random() < 0.3
            (tmp_path / name).write_bytes(content if of_legend else mutate(content, rng))
            legend.write_bytes(mutate(LEGEND, rng) if of_legend else LEGEND)
            given = legend if "hapt" in name else None
            fine += survives(partial(read_panel, tmp_path / name, given), f"{name} {number}")
        assert 0 < fine < INPUTS, name


@pytest.mark.parametrize("kind", SEQUENCES)
def test_damaged_sequences(kind: str, genome: Path, tmp_path: Path) -> None:
    path, fine = tmp_path / f"in.{kind}", 0
    for number in range(INPUTS):
        rng = random.Random(f"{kind} {number}")
        content = mutate(SEQUENCES[kind], rng)
        packed = rng.random() < 0.2
        source = path.with_name(f"{path.name}.gz") if packed else path
        source.write_bytes(gzip.compress(content, 1) if packed else content)
        fine += survives(partial(read_inputs, source, genome), f"{kind} {number}")
    assert 0 < fine < INPUTS


@pytest.mark.parametrize("kind", MOTIFS)
def test_damaged_motifs(kind: str, tmp_path: Path) -> None:
    path, fine = tmp_path / f"motifs.{kind}", 0
    for number in range(INPUTS):
        path.write_bytes(mutate(MOTIFS[kind], random.Random(f"{kind} {number}")))
        fine += survives(partial(read_motifs, path), f"{kind} {number}")
    assert 0 < fine < INPUTS
