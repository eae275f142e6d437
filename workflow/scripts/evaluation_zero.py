from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.zero.evaluate import Inputs, evaluate_zero
from pipeline_lib.job import folders, job

with job(snakemake):
    files = {key: Path(snakemake.input[key]) for key in ("model", "test", "baselines", "markov")}
    genomes = folders(snakemake.input.genomes)
    evaluate_zero(
        Inputs(**files, genomes=genomes, annotated=tuple(folders(snakemake.input.annotations))),
        Path(snakemake.output[0]),
        EvaluationConfig(**snakemake.params.settings, zero=snakemake.params.zero),
        name=snakemake.wildcards.model,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
