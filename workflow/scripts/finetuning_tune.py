from pathlib import Path

from pipeline_lib.config.finetuning import Task
from pipeline_lib.finetuning.tune import finetune
from pipeline_lib.job import job

with job(snakemake):
    model, examples = Path(snakemake.input.model), Path(snakemake.input.examples)
    folder, task = Path(snakemake.output.metrics).parent, Task(**snakemake.params.settings)
    init, seed = snakemake.wildcards.init, int(snakemake.wildcards.seed)
    finetune(model, examples, folder, task, init=init, seed=seed, threads=snakemake.threads)
