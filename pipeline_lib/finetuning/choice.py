"""Which of the settings that were tried to tune with. Needs no torch: done in no time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline_lib.config.tasks import AnyTask, parse_task
from pipeline_lib.files import read_json, write_json

INITS = ("pretrained", "scratch")


def choose(points: Sequence[Path], path: Path) -> None:
    """Choose the best combination for either start, and write all of them to ``path``.

    Of equals the first is chosen, in the order of ``points``. ``scratch`` has a choice of its own:
    a control that is tuned less well than what it is compared with is none.

    Parameters
    ----------
    points
        ``point.json`` of each combination and start.
    path
        JSON: ``measure``; ``chosen``, the values by start; ``points``, all that was tried.
    """
    tried = [read_json(point) for point in points]
    best = {
        init: max((point for point in tried if point["init"] == init), key=lambda p: p["score"])
        for init in INITS
    }
    rows = [point | {"chosen": point is best[point["init"]]} for point in tried]
    chosen = {init: point["values"] for init, point in best.items()}
    write_json(path, {"measure": tried[0]["measure"], "chosen": chosen, "points": rows})


def with_choice(settings: Mapping[str, Any], choice: Path | None, init: str) -> AnyTask:
    """Return a task from plain values, with what was chosen for a start, if there is a choice."""
    chosen = read_json(choice)["chosen"][init] if choice is not None else {}
    return parse_task({**settings, **chosen})
