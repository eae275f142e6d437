from pathlib import Path

import torch

from pipeline_lib.application.generation.run import generate_sequences
from pipeline_lib.config.application_generation import GenerationEntry
from pipeline_lib.job import job, optional

with job(snakemake):
    values = {**snakemake.params.settings, "prompts": snakemake.input.prompts or None}
    settings, device = GenerationEntry(**values), "cuda" if torch.cuda.is_available() else "cpu"
    model, output = Path(snakemake.input.model), Path(snakemake.output.fasta)
    compare, seed = optional(snakemake.input.genome), snakemake.params.seed
    generate_sequences(model, output, settings, seed=seed, compare=compare, device=device)
