from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.embeddings import evaluate_embeddings
from pipeline_lib.job import job

with job(snakemake):
    paths = map(Path, (*snakemake.input, snakemake.output.scores, snakemake.output.points))
    evaluate_embeddings(
        *paths,
        EvaluationConfig(**snakemake.params.settings),
        name=snakemake.wildcards.model,
        task=snakemake.wildcards.task,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
        cache=Path(f"results/finetuning/{snakemake.wildcards.model}/embeddings"),
    )
