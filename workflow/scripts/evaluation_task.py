from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.task import evaluate_task
from pipeline_lib.job import job

with job(snakemake):
    runs = {Path(file).parent.name: Path(file).parent for file in snakemake.input.runs}
    inputs = map(Path, (snakemake.input.examples, snakemake.input.kmers))
    documents = list(map(Path, snakemake.input.train_documents))
    settings, seed = EvaluationConfig(**snakemake.params.settings), snakemake.params.seed
    names = {"name": snakemake.wildcards.model, "task": snakemake.wildcards.task}
    evaluate_task(
        *inputs, runs, documents, *map(Path, snakemake.output), settings, **names, seed=seed
    )
