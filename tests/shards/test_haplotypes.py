"""Human chromosome 20 and its 1000 Genomes haplotypes, all the way to shards."""

import gzip
from pathlib import Path

import numpy as np
import pysam
import pytest

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.corpus.build import build_corpus
from pipeline_lib.corpus.haplotypes.vcf import build_store
from pipeline_lib.corpus.reader import read_documents
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.genome.reader import Genome
from pipeline_lib.shards.reader import Shards
from pipeline_lib.shards.write import write_shards
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.train import make_tokenizer

SAMPLES = ("HG00096", "HG00099")
MATES = str.maketrans("ACGTN", "TGCAN")


def haplotypes(fasta: Path, vcf: Path) -> dict[tuple[str, int], list[str]]:
    """Return what stands at each base of the reference, by walking the text of the VCF.

    A deleted base is empty; what is inserted stands with the base before it.
    """
    reference = pysam.FastaFile(str(fasta)).fetch("20", 0, 4_100_000).upper()
    found = {(sample, h): list(reference) for sample in SAMPLES for h in (0, 1)}
    done = dict.fromkeys(found, 0)
    columns: dict[str, int] = {}
    with gzip.open(vcf, "rt") as lines:
        for line in lines:
            if line.startswith("##"):
                continue
            cells = line.rstrip("\n").split("\t")
            if line.startswith("#"):
                columns = {sample: cells.index(sample) for sample in SAMPLES}
                continue
            place, alleles = int(cells[1]) - 1, [cells[3], *cells[4].split(",")]
            for sample, column in columns.items():
                for haplotype, call in enumerate(cells[column].split(":")[0].split("|")):
                    # The second of two that overlap is left out.
                    if call not in "0." and place >= done[sample, haplotype]:
                        letters, size = found[sample, haplotype], len(cells[3])
                        allele = alleles[int(call)]
                        letters[place : place + size] = list(allele[:size].ljust(size))
                        letters[place + size - 1] += allele[size:]
                        done[sample, haplotype] = place + size
    return {key: [letter.replace(" ", "") for letter in letters] for key, letters in found.items()}


@pytest.fixture(scope="module")
def made(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("chr20")
    fasta = shared / "data/human_chr20/20.GRCh37.fa.gz"
    vcf = shared / "data/human_chr20/1000G_phased_300samples_20_1.0-4.0Mb.vcf.gz"
    prepare_genome(fasta, folder / "genome", Assembly(path=str(fasta)), name="GRCh37")
    beds = {"all": (1_000_000, 4_000_000), "valid": (1_000_000, 1_200_000),
            "test": (3_700_000, 4_000_000)}  # fmt: skip
    for name, (start, end) in beds.items():
        (folder / f"{name}.bed").write_text(f"chr20\t{start}\t{end}\n")
    build_store([vcf], Genome(folder / "genome"), SAMPLES, folder / "haplotypes")
    settings = Corpus(
        assemblies=("GRCh37",), passes=1, regions={"bed": str(folder / "all.bed")},
        holdouts={s: {"bed": str(folder / f"{s}.bed")} for s in ("valid", "test")},
        variants={"vcf": [str(vcf)], "samples": SAMPLES},
    )  # fmt: skip
    genomes = {"GRCh37": folder / "genome"}
    build_corpus(
        genomes, folder / "corpus", settings, seed=1, haplotypes=folder / "haplotypes", workers=2
    )
    train = folder / "corpus/train/documents.parquet"
    values = Tokenizer(corpus="any", vocab_size=1_000, sample_bases=500_000)
    make_tokenizer(
        train, genomes, folder / "tokenizer.json", folder / "stats.json", values,
        seed=1, haplotypes=folder / "haplotypes",
    )  # fmt: skip
    for split in ("train", "valid", "test"):
        write_shards(
            folder / "corpus" / split / "documents.parquet", genomes, folder / "tokenizer.json",
            folder / "shards" / split, ShardsConfig(), workers=2, haplotypes=folder / "haplotypes",
        )  # fmt: skip
    return {"folder": folder, "fasta": fasta, "vcf": vcf}


def test_every_window_is_that_of_an_independent_reading(made: dict[str, Path]) -> None:
    folder = made["folder"]
    expected = haplotypes(made["fasta"], made["vcf"])
    encoder = SentenceEncoder(folder / "tokenizer.json")
    bounds = {"train": (1_200_000, 3_700_000), "valid": (1_000_000, 1_200_000),
              "test": (3_700_000, 4_000_000)}  # fmt: skip
    seen = set()
    for split, (first, last) in bounds.items():
        shards = Shards(folder / "shards" / split)
        documents = list(read_documents(folder / "corpus" / split / "documents.parquet"))
        assert len(documents) == shards.manifest["documents"] > 4
        for document in documents:
            assert first <= document.start < document.end <= last
            letters = expected[document.sample, document.haplotype]
            text = "".join(letters[document.start : document.end])
            reference = Genome(folder / "genome").fetch("20", document.start, document.end)
            changed = [
                a != b
                for a, b in zip(
                    letters[document.start : document.end], reference.decode().upper(), strict=True
                )
            ]
            # Deletions change several bases; those across a border perhaps none in the window.
            assert 0 < document.variants <= sum(changed) + 2
            if document.strand == "-":
                text = text.translate(MATES)[::-1]
            assert encoder.decode(shards.tokens(document.number)).decode() == text
            seen.add((split, document.strand, document.sample, document.haplotype))
    assert len(seen) == 3 * 2 * 2 * 2


def test_shards_name_the_haplotype(made: dict[str, Path]) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(Shards(made["folder"] / "shards" / "test").parts[0])
    assert set(table["sample"].to_pylist()) == set(SAMPLES)
    assert set(table["haplotype"].to_pylist()) == {0, 1}
    assert np.all(table["variants"].to_numpy() > 0)
