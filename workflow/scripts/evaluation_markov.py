from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.markov import evaluate_markov
from pipeline_lib.job import job

with job(snakemake):
    evaluate_markov(
        *(Path(snakemake.input[split]) for split in ("train", "test", "valid")),
        {Path(genome).parent.name: Path(genome).parent for genome in snakemake.input.genomes},
        Path(snakemake.output[0]),
        EvaluationConfig(**snakemake.params.settings),
        seed=snakemake.params.seed,
    )
