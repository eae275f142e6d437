"""A small genome in which something can be known: genes of few amino acids, introns, a GFF3."""

from pathlib import Path

import numpy as np

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome import prepare_annotation, prepare_genome
from pipeline_lib.sequence import reverse_complement

CODONS = [b"CTA", b"CTC", b"CTG", b"CTT", b"AAC", b"AAT", b"GGA", b"GGC", b"GAC", b"GAT"]
SPACE, EXON, INTRON = 400, 60, 80
GENE = 2 * 3 * EXON + 6 + INTRON
BEFORE = b"GCCGCCACC"
"""Stands before every start codon, and nowhere else."""


def random_bases(count: int, generator: np.random.Generator) -> bytes:
    return generator.choice(np.frombuffer(b"ACGT", np.uint8), size=count).tobytes()


def make_contig(genes: int, seed: int) -> tuple[bytes, list[str]]:
    """Return the sequence of a contig and its lines of GFF3; every other gene is reversed."""
    generator = np.random.default_rng(seed)
    letters, lines = random_bases(SPACE, generator), []
    for number in range(genes):
        first = b"ATG" + b"".join(generator.choice(CODONS, size=EXON))
        second = b"".join(generator.choice(CODONS, size=EXON)) + b"TAA"
        gene = first + b"GT" + random_bases(INTRON - 4, generator) + b"AG" + second
        start, forward = len(letters) + len(BEFORE), number % 2 == 0
        spans = [(0, len(first)), (len(gene) - len(second), len(gene))]
        whole = BEFORE + gene + BEFORE[::-1]
        if not forward:
            whole = reverse_complement(whole)
            spans = [(len(gene) - end, len(gene) - begin) for begin, end in spans]
        letters += whole + random_bases(SPACE, generator)
        sign, name = "+-"[not forward], f"c{seed}g{number}"
        place = f"c{seed}\t.\t{{}}\t{{}}\t{{}}\t.\t{sign}\t{{}}\t{{}}"
        lines.append(place.format("gene", start + 1, start + len(gene), ".", f"ID={name}"))
        lines += [
            place.format("CDS", start + begin + 1, start + end, 0, f"ID={name}.p;Parent={name}")
            for begin, end in spans
        ]
    return letters, lines


def make_genome(folder: Path, *, annotated: bool = True) -> Path:
    """Return a prepared genome of the contigs c1, to learn from, and c2, held out."""
    contigs = {seed: make_contig(40, seed) for seed in (1, 2)}
    fasta = b"".join(b">c%d\n%s\n" % (seed, letters) for seed, (letters, _) in contigs.items())
    (folder / "genome.fa").write_bytes(fasta)
    settings = Assembly(path="genome.fa", min_contig_length=1)
    prepare_genome(folder / "genome.fa", folder / "test", settings, name="test")
    if annotated:
        lines = ["##gff-version 3", *(line for _, some in contigs.values() for line in some)]
        (folder / "genes.gff3").write_text("\n".join(lines) + "\n")
        prepare_annotation(folder / "genes.gff3", folder / "test")
    return folder / "test"
