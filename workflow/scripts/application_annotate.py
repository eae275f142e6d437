from pathlib import Path

import torch

from pipeline_lib.application.annotation.annotate import HowToAnnotate, annotate
from pipeline_lib.job import job

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    genome, model = Path(snakemake.input.genome).parent, Path(snakemake.input.model)
    bed = Path(snakemake.input.bed) if snakemake.input.bed else None
    how = HowToAnnotate(**snakemake.params.how)
    annotate(
        genome, model, Path(snakemake.output[0]), how, contigs=snakemake.params.contigs, bed=bed
    )
