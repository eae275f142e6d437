"""A task with a grid: a run for each combination, one choice, and the runs that are scored."""

from collections.abc import Callable

from tests.workflow.conftest import Project


def test_a_grid_adds_its_runs_and_nothing_else(new_project: Callable[..., Project]) -> None:
    project = new_project()
    before = project.jobs()
    assert "finetuning_point" not in before and before["finetuning_tune"] == 2
    task = project.values["finetuning"]["tasks"]["starts"]
    task["grid"] = {"learning_rate": [1e-5, 1e-3], "batch_size": [16, 32]}
    project.write()
    after = project.jobs()
    added = {"finetuning_point": 8, "finetuning_choose": 1, "report_grid": 1}
    assert {rule: after[rule] for rule in added} == added
    assert {rule: after[rule] for rule in before if rule != "total"} == {
        rule: count for rule, count in before.items() if rule != "total"
    }
