from pathlib import Path

from pipeline_lib.application.explanation.run import explain
from pipeline_lib.application.explanation.settings import Settings
from pipeline_lib.files import link_or_copy
from pipeline_lib.job import job

with job(snakemake):
    sequences, model = Path(snakemake.input.sequences), Path(snakemake.input.model)
    genome = Path(snakemake.input.genome).parent if snakemake.input.get("genome") else None
    motifs = Path(snakemake.input.motifs) if snakemake.input.get("motifs") else None
    output, settings = Path(snakemake.output.folder), Settings(**snakemake.params.settings)
    explain(sequences, model, output, settings, genome=genome, motifs=motifs)
    link_or_copy(output / "index.html", Path(snakemake.output.page))
