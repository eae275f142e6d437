"""Names of weights and settings: ours, and those of ``BertForMaskedLM`` in ``transformers``."""

from torch import Tensor

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.models.adapter import Adapter
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.names import (
    POST_NORM_ENCODER,
    USUAL,
    bert_entries,
    common_settings,
    common_shape,
)

TOKEN_TYPES = "bert.embeddings.token_type_embeddings.weight"
ADAPTER = Adapter(
    class_name="BertForMaskedLM",
    model_type="bert",
    entries=bert_entries,
    settings=common_settings,
    shape=common_shape,
    needed={
        **POST_NORM_ENCODER,
        "attention": ["full"],
        "share_layers": [False],
        "embedding_width": [None],
    },
    # Copies of tied weights, buffers, and what is no part of the prediction of tokens.
    ignored=r"cls\.predictions\.decoder\.(weight|bias)|bert\.embeddings\.position_ids"
    r"|bert\.pooler\.dense\.(weight|bias)|cls\.seq_relationship\.(weight|bias)",
    types=TOKEN_TYPES,
    usual=USUAL,
)


def to_transformers(model: MaskedLanguageModel) -> dict[str, Tensor]:
    """Return the weights under the names of ``BertForMaskedLM``."""
    return ADAPTER.export(model)


def from_transformers(state: dict[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """Return weights saved by ``transformers`` under our names.

    Raises
    ------
    InputError
        If weights are missing, or there are some that have no place in the model.
    """
    return ADAPTER.read(state, architecture).weights
