from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig, Variants
from pipeline_lib.evaluation.variants import evaluate_variants
from pipeline_lib.job import job

with job(snakemake):
    file, genome, examples, model = map(Path, snakemake.input[:4])
    runs = {Path(run).parent.name: Path(run) for run in snakemake.input.runs}
    paths = (file, genome.parent, examples, model, runs, *map(Path, snakemake.output))
    about = Variants(**snakemake.params.about)
    settings = EvaluationConfig(**snakemake.params.settings)
    names = {"name": snakemake.wildcards.model, "variants_name": snakemake.wildcards.variants}
    more = {"seed": snakemake.params.seed, "threads": snakemake.threads}
    evaluate_variants(*paths, about, settings, **names, **more)
