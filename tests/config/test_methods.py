"""Methods that a model cannot be tuned by are refused before anything is trained."""

import pytest

from pipeline_lib.config.methods import MethodSettings, check_methods
from pipeline_lib.errors import ConfigError
from tests.finetuning import toys

MEMORY = toys.SHAPE.model_validate({**toys.SHAPE.model_dump(), "memory": {"tokens": 2}})
BOTH = toys.HYENA.model_validate({**toys.HYENA.model_dump(), "bidirectional": True})


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({"method": "few_shot"}, toys.SHAPE, r"tasks.mine.method.*asks a model for the next token"),
        ({"method": "few_shot"}, BOTH, "run causal models alone"),
        ({"method": "prompt"}, MEMORY, "not for models with recurrent memory"),
        ({"method": "prompt", "prompt_tokens": 62}, toys.GPT, "62 vectors leave no room in a"),
        (
            {"method": "prompt", "grid": {"prompt_tokens": [4, 200]}},
            toys.HYENA,
            r"tasks.mine.prompt_tokens.*200 vectors leave no room in a context of 64",
        ),
    ],
)
def test_what_does_not_go_together_is_a_sentence(changes, shape, message):
    with pytest.raises(ConfigError, match=message):
        check_methods({"mine": MethodSettings(**changes)}, {"big": shape})


def test_what_goes_together_is_let_through():
    tasks = {"a": MethodSettings(), "b": MethodSettings(method="prompt", prompt_tokens=61)}
    check_methods(tasks, {"bert": toys.SHAPE, "gpt": toys.GPT, "hyena": toys.HYENA})
    check_methods({"c": MethodSettings(method="few_shot")}, {"gpt": toys.GPT, "h": toys.HYENA})
    check_methods({"d": MethodSettings(method="lora")}, {"memory": MEMORY})
