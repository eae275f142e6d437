from importlib import import_module
from pathlib import Path

from pipeline_lib.job import job
from pipeline_lib.report.style import Outputs

with job(snakemake):
    module, function = snakemake.params.draw.split(".")
    inputs = snakemake.params.get("folder", snakemake.input)
    files = (snakemake.output.figure, snakemake.output.table, snakemake.output.page)
    draw = getattr(import_module(f"pipeline_lib.report.{module}"), function)
    paths = [inputs] if isinstance(inputs, str) else inputs
    draw(*map(Path, paths), outputs=Outputs(*map(Path, files)))
