"""Examples of a user's own tables: made without a genome, anew when their file changes."""

from collections.abc import Callable

import numpy as np

from pipeline_lib.files import read_json
from tests.workflow.conftest import Project


def test_tables_of_the_user(new_project: Callable[..., Project]) -> None:
    project = new_project()
    rng = np.random.default_rng(1)
    tasks = project.values["finetuning"]["tasks"]
    for name in ("mine", "other"):
        rows = ["".join(rng.choice(list("ACGT"), 60)) + f",{i % 2}" for i in range(40)]
        (project.folder / f"{name}.csv").write_text("\n".join(["sequence,label", *rows, ""]))
        tasks[name] = {"type": "table", "file": f"{name}.csv", "protocol": "both"}
    project.values["run"]["tasks"] = ["mine", "other"]
    project.write()
    names = ("mine", "mine.paper", "other", "other.paper")
    goals = [f"results/finetuning/datasets/{name}/stats.json" for name in names]
    assert "rule genome_prepare" not in project.succeed(*goals)
    for name, goal in zip(names, goals, strict=True):
        stats = read_json(project.folder / goal)
        protocol = "paper" if name.endswith(".paper") else "strict"
        assert (stats["protocol"], stats["rows"]) == (protocol, 40)
    # How a model is tuned is of no concern to the examples; their file is.
    tasks["mine"]["learning_rate"] = 2e-3
    project.write()
    with (project.folder / "other.csv").open("a") as handle:
        handle.write("ACGTACGTTGCA,1\n")
    planned = project.succeed("--dry-run", *goals)
    for name in names:
        assert (f"datasets/{name}/examples.parquet" in planned) == name.startswith("other")
