"""A process that launches toy work, as a rule's script does; its settings come as JSON."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from pipeline_lib.cluster.launch import launch
from pipeline_lib.cluster.work import Work
from pipeline_lib.config.launching import Parallel
from pipeline_lib.errors import DnalmError


def toy(directory: Path, function: str = "count", **arguments: Any) -> Work:
    return Work(
        f"tests.cluster.toy:{function}",
        {"directory": directory, **arguments},
        resumable=function == "count",
        results=(directory / "result.txt",),
    )


def main(directory: str, how: str, arguments: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        work = toy(Path(directory), **json.loads(arguments))
        launch(work, Parallel(**json.loads(how)), Path(directory), "toy")
    except DnalmError as error:
        logging.error("failed: %s", error)
        sys.exit(1)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
