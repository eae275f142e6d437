from pathlib import Path

from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.job import folders, job, optional
from pipeline_lib.shards.write import write_shards

with job(snakemake):
    files, piece = snakemake.input, snakemake.wildcards.get("piece")
    write_shards(
        Path(files.documents), folders(files.genomes), Path(files.tokenizer),
        Path(snakemake.output[0]), ShardsConfig(**snakemake.params.settings),
        workers=snakemake.threads, haplotypes=optional(files.haplotypes),
        piece=None if piece is None else int(piece),
    )  # fmt: skip
