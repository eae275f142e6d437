from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.markov import evaluate_markov
from pipeline_lib.job import folders, job

with job(snakemake):
    evaluate_markov(
        *(Path(snakemake.input[split]) for split in ("train", "test", "valid")),
        folders(snakemake.input.genomes),
        Path(snakemake.output.scores),
        EvaluationConfig(**snakemake.params.settings),
        seed=snakemake.params.seed,
        counted=Path(snakemake.output.best),
    )
