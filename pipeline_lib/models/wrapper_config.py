"""The settings of a model of ours for ``transformers``.

Nothing of the library imports this file: :mod:`pipeline_lib.models.remote` writes it into model
folders as ``configuration_dnalm.py``.
"""

# What mypy says of it depends on whether `transformers` is installed.
# mypy: ignore-errors

from typing import Any

from transformers import PretrainedConfig


class DnalmConfig(PretrainedConfig):
    """The shape of a model under the key ``dnalm``, beside the usual settings.

    Parameters
    ----------
    vocab_size
        Number of tokens.
    dnalm
        ``architecture``: settings of the model; ``resolved``: what follows from them;
        ``complements``: the complement of each token, for models of both strands.
    usual
        All that ``transformers`` knows.
    """

    model_type = "dnalm"

    def __init__(
        self, vocab_size: int = 0, dnalm: dict[str, Any] | None = None, **usual: Any
    ) -> None:
        self.vocab_size = vocab_size
        self.dnalm = dnalm or {}
        super().__init__(**usual)
