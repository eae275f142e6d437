from pathlib import Path

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.assembly import cut_assembly
from pipeline_lib.job import job

with job(snakemake):
    files = {key: snakemake.input.get(key) for key in ("annotation", "haplotypes", "copies")}
    annotation, haplotypes, hits = (Path(file) if file else None for file in files.values())
    cut_assembly(
        Path(snakemake.input.genome).parent, Path(snakemake.input.plan),
        Path(snakemake.output[0]), Corpus(**snakemake.params.settings),
        assembly=snakemake.wildcards.assembly, seed=snakemake.params.seed,
        workers=snakemake.threads,
        annotation=annotation, haplotypes=haplotypes, hits=hits,
    )  # fmt: skip
