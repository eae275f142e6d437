"""Tasks made from the public files of papers.

Each is a class derived from :class:`pipeline_lib.config.finetuning.Task` with
``type: Literal["its_name"]``; ``PATHS`` names its keys that hold paths. The module
``pipeline_lib/finetuning/sources/its_name.py`` has ``read(settings, genome) -> Raw``.
Join them at the end, ``PublicTask = FastaClassesTask | CsvFolderTask | ...``, import it in
``tasks.py`` and join it to ``AnyTask`` there.
"""
