"""Stage genome: fetch an assembly, check it, and keep the contigs worth learning from.

:func:`fetch` downloads, :func:`prepare_genome` turns a FASTA file into an indexed genome without
organelles and scraps, :func:`prepare_annotation` joins a GFF3 file to it, and :class:`Genome`
reads the result in all later stages.
"""

from pipeline_lib.genome.annotation import Feature, prepare_annotation, read_features
from pipeline_lib.genome.download import fetch
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.genome.reader import Genome

__all__ = [
    "Feature",
    "Genome",
    "fetch",
    "prepare_annotation",
    "prepare_genome",
    "read_features",
]
