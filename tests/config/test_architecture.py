"""Shapes that make no sense are refused with a sentence."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline_lib.config import load_architecture, read_config
from pipeline_lib.config.architecture import Architecture


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 100}, "`width` 100 is not a multiple of `heads` 12"),
        ({"positions": "rotary", "width": 36}, "even number of dimensions"),
        ({"positions": "rotary", "rotary_width": 128}, "more than a head has: 64"),
        ({"rotary_width": 32}, "need `positions: rotary`"),
        ({"first_norm": False}, "needs `norm: pre`"),
        ({"attention": "local", "local_window": 127}, "127 is odd"),
        ({"attention": "local", "share_layers": True}, "whose layers differ"),
        ({"positions": "rotary", "rotary_theta_local": 1e4}, "needs `attention: local`"),
        ({"attention": "sparse", "window_blocks": 2}, "`window_blocks` 2 is even"),
        ({"attention": "causal"}, "belong together"),
        ({"family": "gpt2"}, "belong together"),
        ({"attention": "causal", "family": "gpt2", "feedforward": "conv"}, "convolutions"),
        ({"attention": "causal", "family": "gpt2", "embedding_width": 64}, "`embedding_width`"),
        ({"numbers": True}, "need `attention: causal`"),
        ({"output": "mlp"}, "need `attention: causal`"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Architecture(**changes)


def test_the_demo_of_families_has_one_of_each(root: Path) -> None:
    config = read_config(root / "config" / "config.yaml", root / "config" / "demo_families.yaml")
    models = [config.pretraining.models[name] for name in config.run.models]
    shapes = [
        load_architecture(model.preset, model.architecture, [root / "config" / "models"])
        for model in models
    ]
    assert {shape.family for shape in shapes} == {
        "bert", "modernbert", "bigbird", "albert", "gpt2", "hyena"
    }  # fmt: skip
    assert any(getattr(shape, "memory", None) for shape in shapes)
    assert len({model.minutes for model in models}) == 1  # equal time
