"""Examples of a user's own tables: made without a genome, anew when their file changes."""

from collections.abc import Callable

import numpy as np

from pipeline_lib.files import read_json
from tests.workflow.conftest import Project


def test_tables_of_the_user(new_project: Callable[..., Project]) -> None:
    project = new_project()
    rng = np.random.default_rng(1)
    tasks = project.values["finetuning"]["tasks"]
    for name, protocol in (("mine", "strict"), ("other", "paper")):
        rows = ["".join(rng.choice(list("ACGT"), 60)) + f",{i % 2}" for i in range(40)]
        (project.folder / f"{name}.csv").write_text("\n".join(["sequence,label", *rows, ""]))
        tasks[name] = {"type": "table", "file": f"{name}.csv", "protocol": protocol}
    project.values["run"]["tasks"] = ["mine", "other"]
    project.write()
    goals = [f"results/finetuning/datasets/{name}/stats.json" for name in ("mine", "other")]
    assert "rule genome_prepare" not in project.succeed(*goals)
    found = [read_json(project.folder / goal) for goal in goals]
    assert [stats["protocol"] for stats in found] == ["strict", "paper"]
    assert [stats["rows"] for stats in found] == [40, 40]
    # How a model is tuned is of no concern to the examples; their file is.
    tasks["mine"]["learning_rate"] = 2e-3
    project.write()
    with (project.folder / "other.csv").open("a") as handle:
        handle.write("ACGTACGTTGCA,1\n")
    planned = project.succeed("--dry-run", *goals)
    assert "datasets/other/examples.parquet" in planned
    assert "datasets/mine/examples.parquet" not in planned
