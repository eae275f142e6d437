from pathlib import Path

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.build import join_corpus
from pipeline_lib.job import folders, job

with job(snakemake):
    join_corpus(
        {Path(part).name: Path(part) for part in snakemake.input.assemblies},
        folders(snakemake.input.genomes),
        Path(snakemake.input.plan),
        Path(snakemake.output.stats).parent,
        Corpus(**snakemake.params.settings),
        seed=snakemake.params.seed,
    )
