"""Models of ours as classes of ``transformers``.

Nothing of the library imports this file, which needs the optional package ``transformers``:
:mod:`pipeline_lib.models.remote` writes it, together with the model, into model folders as
``modeling_dnalm.py``. There, ``Network`` and ``Shape`` are the classes of the model in that folder.
"""

# What mypy says of it depends on whether `transformers` is installed.
# mypy: ignore-errors

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, CausalLMOutput, MaskedLMOutput

from pipeline_lib.config.architecture import Architecture as Shape
from pipeline_lib.models.embedding import Numbers
from pipeline_lib.models.masked import MaskedLanguageModel as Network
from pipeline_lib.models.wrapper_config import DnalmConfig


class DnalmPreTrainedModel(PreTrainedModel):
    """What all of them share."""

    config_class = DnalmConfig
    base_model_prefix = "model"
    _supports_sdpa = True

    def _init_weights(self, module: nn.Module) -> None:
        """Fill what a file of weights does not hold; the model draws its own initial weights."""
        if hasattr(module, "complements"):
            module.complements = torch.tensor(
                self.config.dnalm["complements"], device=module.complements.device
            )

    def get_input_embeddings(self) -> nn.Module:
        """Return the table of token vectors."""
        encoder = self.encoder if hasattr(self, "encoder") else self.model.encoder
        encoder = getattr(encoder, "strand", encoder)
        return encoder.tokens

    def get_output_embeddings(self) -> None:
        """Return nothing: the model ties its output to its input by itself."""
        return


class DnalmModel(DnalmPreTrainedModel):
    """The encoder alone: hidden vectors of tokens."""

    def __init__(self, config: DnalmConfig) -> None:
        super().__init__(config)
        self.encoder = network(config).encoder
        self.post_init()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **inputs: Any
    ) -> BaseModelOutput:
        """Return hidden vectors; ``tracks`` may be given where the model has annotation tracks."""
        hidden = self.encoder(input_ids, padding(attention_mask), **chosen(inputs, "tracks"))
        return BaseModelOutput(last_hidden_state=hidden)


class DnalmForMaskedLM(DnalmPreTrainedModel):
    """The model with its output layer: masked tokens."""

    def __init__(self, config: DnalmConfig) -> None:
        super().__init__(config)
        self.model = network(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        **inputs: Any,
    ) -> MaskedLMOutput:
        """Return logits of all positions, and the loss where ``labels`` are not -100."""
        everywhere = torch.ones_like(input_ids, dtype=torch.bool)
        more = chosen(inputs, "tracks")
        logits = self.model(input_ids, padding(attention_mask), everywhere, **more)
        logits = logits.view(*input_ids.shape, -1)
        loss = None
        if labels is not None:
            loss = functional.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        return MaskedLMOutput(loss=loss, logits=logits)


class DnalmForCausalLM(DnalmPreTrainedModel, GenerationMixin):
    """The model with its output layer: the next token."""

    def __init__(self, config: DnalmConfig) -> None:
        super().__init__(config)
        self.model = network(config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        numbers: Tensor | None = None,
        number_place: int = -2,
        **inputs: Any,
    ) -> CausalLMOutput:
        """Return logits of all positions, and the loss of ``labels``, which are shifted here.

        ``numbers`` (batch, count), where the model has them, are spliced in before the token
        ``number_place``; the logits are longer by as many.
        """
        more = {} if numbers is None else {"numbers": Numbers(numbers, number_place)}
        added = 0 if numbers is None else numbers.shape[1]
        shape = (input_ids.shape[0], input_ids.shape[1] + added)
        everywhere = torch.ones(shape, dtype=torch.bool, device=input_ids.device)
        logits = self.model(input_ids, padding(attention_mask), everywhere, **more)
        logits = logits.view(*shape, -1)
        loss = None
        if labels is not None:
            ahead = logits[:, :-1].flatten(0, 1).float()
            loss = functional.cross_entropy(ahead, labels[:, 1:].flatten())
        return CausalLMOutput(loss=loss, logits=logits)

    def regress(
        self, input_ids: Tensor, numbers: Tensor | None = None, number_place: int = -2
    ) -> Tensor:
        """Return the number predicted at the last token of each sequence; (batch,)."""
        more = {} if numbers is None else {"numbers": Numbers(numbers, number_place)}
        return self.model.regress(input_ids, **more)

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **kept: Any
    ) -> dict[str, Any]:
        """Return the whole sequence for each step: this class keeps no cache."""
        return {"input_ids": input_ids, "attention_mask": attention_mask}


def network(config: DnalmConfig) -> nn.Module:
    """Return the model that the settings describe."""
    complements = config.dnalm.get("complements")
    more = {} if complements is None else {"complements": complements}
    return Network(Shape(**config.dnalm["architecture"]), config.vocab_size, **more)


def padding(attention_mask: Tensor | None) -> Tensor | None:
    """Return True where there is a token, or None where there is no padding."""
    if attention_mask is None or bool(attention_mask.all()):
        return None
    return attention_mask.bool()


def chosen(inputs: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return those of the inputs that are given and that the model may know."""
    return {name: inputs[name] for name in names if inputs.get(name) is not None}
