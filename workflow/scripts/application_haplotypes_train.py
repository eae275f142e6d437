from pathlib import Path

import torch

from pipeline_lib.application.haplotypes.files import read_panel
from pipeline_lib.application.haplotypes.training import train_haplotypes
from pipeline_lib.config.application_haplotypes import HaplotypeTraining
from pipeline_lib.job import job, optional

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    panel = read_panel(Path(snakemake.input.real), optional(snakemake.input.legend))
    settings = HaplotypeTraining(**snakemake.params.training)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    output, seed = Path(snakemake.output[0]), snakemake.params.seed
    train_haplotypes(panel, output, settings, seed=seed, device=device)
