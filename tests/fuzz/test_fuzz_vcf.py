"""Damaged variant files: a sentence or a store, and never anything else.

The environment variable FUZZ_INPUTS sets how many inputs are tried (2,500 for a full run).
"""

import gzip
import os
import random
import signal

import pysam
import pytest

from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
from pipeline_lib.corpus.haplotypes.vcf import build_store
from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome
from tests.fuzz.mutate import mutate

INPUTS = int(os.environ.get("FUZZ_INPUTS", "40"))
SECONDS = 20
SAMPLES = ["HG1", "HG2", "NA3"]
CONTIGS = {"1": 400, "2": 90}


class ToyGenome(Genome):
    def __init__(self):
        rng = random.Random(1)
        self.letters = {
            name: bytes(rng.choices(b"ACGTacgtN", k=length)) for name, length in CONTIGS.items()
        }
        self.contigs = dict(CONTIGS)

    def resolve(self, name):
        return name.removeprefix("chr") if name.removeprefix("chr") in self.contigs else None

    def fetch(self, contig, start, end):
        return self.letters[contig][start:end]


def healthy(genome):
    """Return a VCF with records of every kind."""
    rng = random.Random(2)
    lines = [
        "##fileformat=VCFv4.2",
        '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
        '##FILTER=<ID=q10,Description="Low">',
        '##ALT=<ID=DEL,Description="Deletion">',
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">',
        *(f"##contig=<ID=chr{name}>" for name in (*CONTIGS, "M")),
        "\t".join(["#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT".replace(" ", "\t"), *SAMPLES]),
    ]
    for name, length in CONTIGS.items():
        position = 0
        while (position := position + rng.randrange(12)) < length - 8:
            ref = genome.letters[name][position : position + rng.choice((1, 1, 2, 5))].decode()
            alt = rng.choice(("A", "C", ref[0] + "GT", ref[0], "A,T", "<DEL>", "*,G"))
            genotypes = rng.choices(("0|0", "0|1", "1|0", "1|1", ".|1", "1", "0/1", "./."), k=3)
            cells = [f"{genotype}:{rng.randrange(99)}" for genotype in genotypes]
            fixed = [f"chr{name}", str(position + 1), ".", ref.upper(), alt]
            lines.append("\t".join([*fixed, "30", "PASS", "AF=0.5", "GT:DP", *cells]))
    lines.append("\t".join(["chrM", "3", ".", "A", "G", ".", "q10", ".", "GT", "1", "1", "0"]))
    return ("\n".join(lines) + "\n").encode()


def bgzip(content, folder):
    path = folder / "packed.gz"
    with pysam.BGZFile(str(path), "wb") as handle:
        handle.write(content)
    return path.read_bytes()


def bcf(content, folder):
    """Return uncompressed BCF: damage to it gets past every checksum."""
    source, target = folder / "source.vcf", folder / "target.bcf"
    source.write_bytes(content)
    with (
        pysam.VariantFile(str(source)) as records,
        pysam.VariantFile(str(target), "wb", header=records.header) as handle,
    ):
        for record in records:
            handle.write(record)
    return gzip.decompress(target.read_bytes())


def forms(folder, genome):
    """Return by name: content to be damaged, and what is done to it afterwards."""
    plain = healthy(genome)
    raw = bcf(plain, folder)
    return {
        "plain": (plain, bytes),
        "damaged, then gzip": (plain, lambda data: gzip.compress(data, 1)),
        "damaged, then bgzip": (plain, lambda data: bgzip(data, folder)),
        "gzip, then damaged": (gzip.compress(plain), bytes),
        "bgzip, then damaged": (bgzip(plain, folder), bytes),
        "BCF": (raw, bytes),
        "BCF, damaged, then bgzip": (raw, lambda data: bgzip(data, folder)),
    }


def too_slow(*_):
    raise AssertionError(f"the input took more than {SECONDS} s")


def attempt(path, genome, target, samples):
    """Return whether a store was made; it must be whole, and otherwise nothing may be left."""
    signal.signal(signal.SIGALRM, too_slow)
    signal.alarm(SECONDS)
    try:
        build_store([path], genome, samples, target, unphased="keep")
        stored = Haplotypes(target)
        for contig, length in CONTIGS.items():
            window = stored.window(contig, 0, length)
            for sample in range(len(stored.samples)):
                for haplotype in (0, 1):
                    sequence, lift = window.consensus(
                        genome.fetch(contig, 0, length), sample, haplotype
                    )
                    assert lift(length) == len(sequence)
        return True
    except InputError as error:
        assert str(path.name) in str(error)
        assert "To fix: " in str(error)
        assert len(str(error)) < 1_500
        assert not target.exists()
        return False
    finally:
        signal.alarm(0)


@pytest.mark.parametrize("form", range(7))
def test_damaged_files(tmp_path, capfd, form):
    genome = ToyGenome()
    name, (content, finish) = list(forms(tmp_path, genome).items())[form]
    for file in tmp_path.iterdir():
        file.unlink()
    target, outcomes = tmp_path / "out" / "store", []
    target.parent.mkdir()
    path = tmp_path / "input"
    path.write_bytes(finish(content))
    assert attempt(path, genome, target, SAMPLES), f"the {name} form is no good undamaged"
    for number in range(-(-INPUTS // 7)):
        rng = random.Random(f"{form} {number}")
        damaged = mutate(content, rng)
        path.write_bytes(finish(damaged))
        remove(target)
        try:
            outcomes.append(attempt(path, genome, target, rng.choice((SAMPLES, SAMPLES[:1], None))))
        except BaseException:
            print(f"input {number} of form {form} ({name})")
            raise
        left = [entry.name for entry in target.parent.iterdir()]
        assert left == (["store"] if outcomes[-1] else [])
    assert INPUTS < 100 or not all(outcomes)
    messages = capfd.readouterr().err
    assert "[E::" not in messages
    assert "[W::" not in messages


def remove(folder):
    if folder.exists():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
