from pathlib import Path

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.finetuning.build import build_examples
from pipeline_lib.job import folders, job

with job(snakemake):
    task, genomes = parse_task(snakemake.params.settings), folders(snakemake.input.genome)
    one = genomes[task.assembly] if task.assembly else None
    several = None if one else genomes
    directory, seed = Path(snakemake.output.stats).parent, snakemake.params.seed
    build_examples(directory, task, genome=one, genomes=several, seed=seed)
