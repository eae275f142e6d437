from pathlib import Path

from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.job import job
from pipeline_lib.shards.write import join_shards, write_shards

with job(snakemake):
    given, output = snakemake.input, Path(snakemake.output[0])
    if pieces := given.get("pieces"):
        join_shards([Path(piece) for piece in pieces], output)
    else:
        genomes = {Path(genome).parent.name: Path(genome).parent for genome in given.genomes}
        haplotypes = Path(given.haplotypes) if given.haplotypes else None
        piece = snakemake.wildcards.get("piece")
        write_shards(
            Path(given.documents), genomes, Path(given.tokenizer), output,
            ShardsConfig(**snakemake.params.settings), workers=snakemake.threads,
            haplotypes=haplotypes, piece=None if piece is None else int(piece),
        )  # fmt: skip
