"""Tuned models of bases and of bins, with random weights: as they are, and without attention."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.losses import restore_objective
from pipeline_lib.finetuning.scaling import Scaler
from pipeline_lib.finetuning.scorer import HEAD, HowToScore, own_weights, save_head
from pipeline_lib.models.build import build_model
from pipeline_lib.pretraining.folder import save_model
from pipeline_lib.tokenizer.vocabulary import read_vocabulary
from tests.application.conftest import MASKED

TARGETS = {
    "bases": Target("bases", ("other", "exon", "intron"), bin=1, units=24),
    "tracks": Target("tracks", ("signal", "input"), bin=4, units=6),
}
STATES = {
    "bases": {"weights": [1.0, 1.0, 1.0], "shares": [0.4, 0.3, 0.3]},
    "tracks": {"means": [1.0, 2.0]},
}


def write_tuned(folder: Path, models: dict[str, Path], kind: str, local: bool) -> Path:
    target, tokenizer = TARGETS[kind], models["bases"] / "tokenizer.json"
    torch.manual_seed(3)
    shape = MASKED.model_copy(update={"positions": "rotary"})
    model = build_model(shape, len(read_vocabulary(tokenizer)))
    if local:  # what is said of a base then depends on that base alone
        for layer in model.encoder.layers:
            torch.nn.init.zeros_(layer.attention.output.weight)
            torch.nn.init.zeros_(layer.attention.output.bias)
    none = Scaler.of(np.empty((1, 0), dtype=np.float32))
    how = HowToScore(target, "mean", 0.0, False, "error", "fp32", none)
    classifier = how.classifier(model, tokenizer)
    torch.nn.init.normal_(classifier.head.weight, std=1.0)
    save_model(folder, model, shape, tokenizer, card="test")
    objective = restore_objective(target, STATES[kind])
    save_head(folder / HEAD, own_weights(classifier), objective, how)
    return folder


@pytest.fixture(scope="session")
def dense(models, tmp_path_factory) -> dict[str, Path]:
    """Return model folders by kind and locality: `bases`, `bases local`, `tracks`, ..."""
    folder = tmp_path_factory.mktemp("dense")
    return {
        f"{kind}{' local' * local}": write_tuned(folder / f"{kind}{local}", models, kind, local)
        for kind in TARGETS
        for local in (False, True)
    }
