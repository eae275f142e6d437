from pathlib import Path

from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.job import folders, job, optional
from pipeline_lib.tokenizer.train import make_tokenizer

with job(snakemake):
    files, made = snakemake.input, snakemake.output
    make_tokenizer(
        Path(files.documents), folders(files.genomes), Path(made.tokenizer), Path(made.stats),
        Tokenizer(**snakemake.params.settings), seed=snakemake.params.seed,
        haplotypes=optional(files.haplotypes), threads=snakemake.threads,
    )  # fmt: skip
