from pathlib import Path

import torch

from pipeline_lib.application.embedding.embed import HowToEmbed, embed
from pipeline_lib.application.embedding.shown import show
from pipeline_lib.job import job

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    paths = map(Path, (snakemake.input.sequences, snakemake.input.model, snakemake.output.vectors))
    genome = Path(snakemake.input.genome).parent if snakemake.input.genome else None
    embed(*paths, HowToEmbed(**snakemake.params.how), genome=genome)
    shown = map(Path, (snakemake.output.vectors, snakemake.output.figure))
    show(*shown, **snakemake.params.shown, seed=snakemake.params.seed)
