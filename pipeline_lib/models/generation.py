"""Sequences written by a causal Transformer, token by token."""

from collections.abc import Collection

import torch
from torch import Tensor

from pipeline_lib.errors import InputError
from pipeline_lib.models.attention import Cache
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.sampling import Chances, Sampling, choose


@torch.inference_mode()
def generate(
    model: CausalLanguageModel,
    prompt: Tensor,
    count: int,
    *,
    sampling: Sampling | None = None,
    generator: torch.Generator | Chances | None = None,
    stop: Collection[int] = (),
    cached: bool = True,
) -> Tensor:
    """Continue sequences.

    Parameters
    ----------
    model
        In evaluation mode: dropout would act on what is drawn.
    prompt
        Ids, at least one per sequence, as many in each; (batch, length).
    count
        Most tokens to add to each sequence.
    sampling
        How tokens are chosen; by default drawn as the model predicts them.
    generator
        Source of chance, seeded by the caller; of all sequences, or of each its own.
    stop
        Tokens that end a sequence; the one that ended it fills it up.
    cached
        Keep keys and values of earlier tokens; False computes all again, with the same result.

    Returns
    -------
    Tensor
        The new tokens; (batch, ``count``, or fewer if all sequences have ended).

    Raises
    ------
    InputError
        If there is no prompt, or the result does not fit into the context.
    """
    _check_length(prompt.shape[1], count, model.encoder.architecture.context_length)
    sampling = sampling or Sampling()
    cache = Cache(model.encoder.architecture, prompt.shape[1] + count) if cached else None
    ends = torch.tensor(sorted(stop), dtype=prompt.dtype, device=prompt.device)
    ended = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    tokens = fresh = prompt
    for _ in range(count):
        scores = model.next_scores(fresh if cached else tokens, cache)
        drawn = choose(scores, sampling, generator)[:, None]
        fresh = torch.where(ended[:, None], tokens[:, -1:], drawn)  # (batch, 1)
        tokens = torch.cat([tokens, fresh], dim=1)
        ended = ended | torch.isin(fresh[:, 0], ends)
        if len(ends) and bool(ended.all()):
            break
    return tokens[:, prompt.shape[1] :]


def _check_length(length: int, count: int, most: int) -> None:
    if length < 1 or count < 0 or length + count > most:
        raise InputError(
            f"a prompt of {length:,} tokens and {count:,} new ones do not fit into the context",
            expected=f"at least 1 token to begin with, at most {most:,} in all",
            remedy="ask for fewer tokens, or shorten the prompt",
        )
