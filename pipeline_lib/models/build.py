"""From the shape of a model to the model."""

from collections.abc import Sequence

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.recurrent_memory import RecurrentMemoryModel

LanguageModel = MaskedLanguageModel | CausalLanguageModel | HyenaLanguageModel


def build_model(
    architecture: AnyArchitecture, vocab_size: int, complements: Sequence[int] | None = None
) -> LanguageModel:
    """Return a freshly initialised language model.

    Parameters
    ----------
    architecture
        Shape of the model: of a Transformer or of a stack of Hyena operators.
    vocab_size
        Number of tokens.
    complements
        For models of both strands: the id of the complement of every token.
    """
    if isinstance(architecture, HyenaArchitecture):
        return HyenaLanguageModel(architecture, vocab_size, complements)
    if architecture.attention == "causal":
        return CausalLanguageModel(architecture, vocab_size)
    if architecture.memory is not None:
        return RecurrentMemoryModel(architecture, vocab_size)
    return MaskedLanguageModel(architecture, vocab_size)
