from pathlib import Path

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.build import build_corpus
from pipeline_lib.job import job

with job(snakemake):
    build_corpus(
        {Path(genome).parent.name: Path(genome).parent for genome in snakemake.input.genomes},
        Path(snakemake.output.stats).parent,
        Corpus(**snakemake.params.settings),
        seed=snakemake.params.seed,
    )
