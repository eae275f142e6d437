from pathlib import Path

from pipeline_lib.config.family import parse_architecture
from pipeline_lib.config.pretraining import Model
from pipeline_lib.job import job
from pipeline_lib.pretraining.run import pretrain

with job(snakemake):
    train, valid, tokenizer = map(Path, snakemake.input)
    settings = Model(**snakemake.params.settings)
    shape = parse_architecture(snakemake.params.architecture)
    name, seed, threads = snakemake.wildcards.model, snakemake.params.seed, snakemake.threads
    folder = Path(snakemake.output.config).parent
    pretrain(
        train, valid, tokenizer, folder, settings, shape, name=name, seed=seed, threads=threads
    )
