from collections import defaultdict
from pathlib import Path

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.plan import plan_corpus
from pipeline_lib.job import folders, job

with job(snakemake):
    alignments = defaultdict(dict)
    for file in map(Path, snakemake.input.alignments):
        assembly, split = file.stem.rsplit(".", 1)
        alignments[assembly][split] = file
    genomes = folders(snakemake.input.genomes)
    settings = Corpus(**snakemake.params.settings)
    plan_corpus(genomes, Path(snakemake.output[0]), settings, alignments=alignments)
