"""Make the examples of a task, of whatever type it is."""

import importlib
from pathlib import Path

from pipeline_lib.config.task_files import source_files
from pipeline_lib.config.tasks import AnyTask, StartSitesTask
from pipeline_lib.files import write_json
from pipeline_lib.finetuning.examples import check_splits, write_examples
from pipeline_lib.finetuning.protocol import Divided, divide
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sites import build_sites
from pipeline_lib.genome.reader import Genome
from pipeline_lib.provenance import provenance


def build_examples(
    directory: Path, settings: AnyTask, *, genome: Path | None = None, seed: int
) -> None:
    """Write ``examples.parquet`` and ``stats.json`` of a task.

    Parameters
    ----------
    directory
        Where the two files are written.
    settings
        The task; its files are found from the working folder.
    genome
        Folder of the assembly that the task names, if it names one.
    seed
        Seed of random splits and of the choice of decoys.

    Raises
    ------
    InputError
        If a file of the task cannot be used, or a split lacks examples.
    """
    if settings.assembly is not None and genome is None:
        raise ValueError("the task names an assembly: give its folder")
    if isinstance(settings, StartSitesTask):
        assert genome is not None
        build_sites(genome, directory, settings, assembly=settings.assembly, seed=seed)
        return
    if genome is None:
        raw, divided = _make(settings, None, seed)
    else:
        with Genome(genome) as reader:
            raw, divided = _make(settings, reader, seed)
    files = source_files(settings)
    check_splits(divided.examples, files[0] if files else directory)
    inputs: dict[str, str | Path] = {
        f"{number} {file.name}": file for number, file in enumerate(files)
    }
    if genome is not None:
        inputs["genome"] = genome / "genome.fa.gz"
    stats = {"type": settings.type, "rows": len(raw.table), **divided.stats}
    stats["provenance"] = provenance(settings.example_settings(), inputs=inputs, seed=seed)
    write_examples(directory / "examples.parquet", divided.examples)
    write_json(directory / "stats.json", stats)


def _make(settings: AnyTask, genome: Genome | None, seed: int) -> tuple[Raw, Divided]:
    source = importlib.import_module(f"pipeline_lib.finetuning.sources.{settings.type}")
    raw: Raw = source.read(settings, genome, seed=seed)
    return raw, divide(raw, settings, genome, seed=seed)
