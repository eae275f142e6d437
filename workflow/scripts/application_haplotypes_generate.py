from pathlib import Path

import torch

from pipeline_lib.application.haplotypes.generation import generate_haplotypes
from pipeline_lib.job import job

with job(snakemake):
    torch.set_num_threads(snakemake.threads)
    model, output, params = Path(snakemake.input[0]), Path(snakemake.output[0]), snakemake.params
    how = {"seed": params.seed, "temperature": params.temperature}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generate_haplotypes(model, output, params.drawn, **how, device=device)
