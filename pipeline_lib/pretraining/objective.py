"""What a run asks of its model."""

from dataclasses import dataclass, replace

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import InputError
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.recurrent_memory import RecurrentMemoryModel
from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.masking import mask_tokens
from pipeline_lib.pretraining.next_token import (
    next_tokens,
    number_task_words,
    with_number_tasks,
)
from pipeline_lib.pretraining.sentence_order import swap_halves
from pipeline_lib.tokenizer.vocabulary import Vocabulary

VALIDATION_SEED = 1_000_003


@dataclass(frozen=True)
class Objective:
    """Makes examples of batches.

    Attributes
    ----------
    causal
        Whether the next token is asked for, not masked ones.
    context_length
        Most tokens of an input.
    """

    settings: PretrainingSettings
    vocabulary: Vocabulary
    causal: bool
    context_length: int
    seed: int

    def examples(self, batch: Batch) -> Examples:
        """Return what is asked of a training batch."""
        settings, vocabulary, seed = self.settings, self.vocabulary, self.seed
        if self.causal:
            examples = next_tokens(
                batch, vocabulary=vocabulary, repeat_weight=settings.repeat_weight
            )
            if settings.number_tasks is None:
                return examples
            return with_number_tasks(
                examples, batch, tasks=settings.number_tasks, vocabulary=vocabulary, seed=seed
            )
        swapped = None
        if settings.sentence_order:
            batch, swapped = swap_halves(
                batch, vocabulary=vocabulary, context_length=self.context_length, seed=seed
            )
        masked = mask_tokens(
            batch,
            share=settings.mask_share,
            span=settings.mask_span,
            vocabulary=vocabulary,
            seed=seed,
            repeat_weight=settings.repeat_weight,
        )
        return replace(masked, swapped=swapped)

    def validation(self, batch: Batch) -> Examples:
        """Return what is asked of a held-out batch: every time the same, tokens alone.

        All targets are hidden here, so that the loss is not lowered by those left alone.
        """
        if self.causal:
            return next_tokens(batch, vocabulary=self.vocabulary)
        return mask_tokens(
            batch,
            share=self.settings.mask_share,
            vocabulary=self.vocabulary,
            seed=VALIDATION_SEED,
            hide_all=True,
        )


def make_objective(
    settings: PretrainingSettings,
    vocabulary: Vocabulary,
    model: LanguageModel,
    *,
    context_length: int,
    seed: int,
) -> Objective:
    """Return the objective of a run.

    Raises
    ------
    InputError
        If the model, or the vocabulary, is not made for it.
    """
    wanted = {"masked": False, "next": True}.get(settings.objective, model.causal)
    if wanted != model.causal:
        kind = "the next token" if model.causal else "masked tokens"
        raise InputError(
            f"`objective: {settings.objective}` for a model that predicts {kind}",
            where="pretraining.models.*.objective",
            expected="`auto`, or what the architecture is made for",
            remedy="leave `objective` out, or choose a causal preset (dnagpt, hyenadna) for the "
            "next token and any other for masked tokens",
        )
    if getattr(model.encoder.architecture, "tracks", 0):
        raise InputError(
            "a model with annotation tracks: shards hold sequence, and no tracks yet",
            where="pretraining.models.*.preset",
            expected="an architecture with `tracks: 0`",
            remedy="choose the preset logo or logo-conv, or set `architecture: {tracks: 0}`",
        )
    if settings.sentence_order and (model.causal or isinstance(model, RecurrentMemoryModel)):
        raise InputError(
            "`sentence_order` for a model without a [CLS] that has seen the whole sample",
            where="pretraining.models.*.sentence_order",
            remedy="leave it out, or choose an encoder without memory, such as bert-base",
        )
    if settings.number_tasks is not None:
        if not isinstance(model, CausalLanguageModel) or model.regression is None:
            raise InputError(
                "`number_tasks` for a model without a head for numbers",
                where="pretraining.models.*.number_tasks",
                remedy="choose a preset of DNAGPT, or set `architecture: {numbers: true}`",
            )
        if lacking := number_task_words(vocabulary):
            raise InputError(
                f"the vocabulary lacks the words {' '.join(lacking)}",
                where="pretraining.models.*.tokenizer",
                expected="the vocabulary of DNAGPT",
                remedy="choose a tokenizer with `vocabulary: dnagpt`",
            )
    return Objective(settings, vocabulary, model.causal, context_length, seed)
