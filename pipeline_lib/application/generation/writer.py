"""A model of the next token as a writer of bases, whatever its family and its tokenizer."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.models import generation, hyena_generation
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.sampling import Chances, Sampling
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.pretraining.next_token import ASK_NUMBER
from pipeline_lib.tokenizer.encode import SentenceEncoder

_SPARE = 1.2  # of words of unequal length, so many times as many as are expected


@dataclass(frozen=True)
class Writer:
    """A model that writes from left to right, with its tokenizer.

    Attributes
    ----------
    network
        In evaluation mode, in float64: what a sequence draws does not depend on its batch.
    encoder
        Its tokenizer.
    context_length
        Most tokens of an input.
    allowed
        Ids of the words of A, C, G and T that can be written.
    spans
        Bases of each token; (vocabulary,).
    """

    network: CausalLanguageModel | HyenaLanguageModel
    encoder: SentenceEncoder
    context_length: int
    allowed: tuple[int, ...]
    spans: NDArray[np.int64]

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Writer":
        """Load a model folder.

        Raises
        ------
        InputError
            If the model cannot write from left to right.
        """
        folder = Path(folder)
        network, architecture = load_language_model(folder)
        writes = isinstance(network, CausalLanguageModel | HyenaLanguageModel) and network.causal
        if not writes or not isinstance(network, CausalLanguageModel | HyenaLanguageModel):
            raise InputError(
                f"a model of masked tokens (family {architecture.family}) sees both sides of a "
                "base and cannot write from left to right",
                path=folder,
                expected="a model of the next token",
                remedy="train one of a preset of DNAGPT (`dnagpt-*`) or HyenaDNA (`hyena-*`)",
            )
        encoder = SentenceEncoder(folder / "tokenizer.json")
        vocabulary = encoder.vocabulary
        if vocabulary.overlap:
            raise InputError(
                "the words of the tokenizer overlap: the next one could contradict the last",
                path=folder / "tokenizer.json",
                remedy="train a model of single bases, of k-mers that do not overlap, or of BPE",
            )
        spans = vocabulary.lengths.astype(np.int64)
        allowed = vocabulary.predictable.copy()
        content = json.loads((folder / "tokenizer.json").read_text())
        if content["model"].get("type") != "BPE":
            # Shorter words end a sentence, or answer a question: they are no way to go on.
            allowed &= spans == spans[allowed].max()
        network = network.to(device).double().eval().requires_grad_(False)
        ids = tuple(np.flatnonzero(allowed).tolist())
        return cls(network, encoder, architecture.input_length, ids, spans)

    @property
    def word(self) -> int:
        """Bases of every word that can be written; 0 if they differ."""
        found = set(self.spans[list(self.allowed)].tolist())
        return found.pop() if len(found) == 1 else 0

    def begin(self, prompt: bytes) -> list[int]:
        """Return the tokens that a sequence begins with."""
        tokens, _ = self.encoder.encode([prompt]) if prompt else (np.empty(0, np.int64), None)
        return [self.encoder.vocabulary.cls, *tokens.tolist()]

    def check_room(self, begun: int, bases: int, spare: int = 0) -> None:
        """Refuse more bases than the context holds.

        Raises
        ------
        InputError
            Saying how many bases there is room for.
        """
        longest = int(self.spans[list(self.allowed)].max())
        room = self.context_length - begun - spare
        if -(-bases // longest) > room:
            raise InputError(
                f"{bases:,} bases after {begun:,} tokens do not fit into the context of "
                f"{self.context_length:,} tokens",
                expected=f"at most {max(room, 0) * longest:,} bases",
                remedy="ask for fewer with `--length`, shorten the prompt, or train a model with a "
                "larger `context_length`",
            )

    def write(
        self, begun: list[list[int]], uniforms: list[np.random.Generator], bases: int,
        sampling: Sampling,
    ) -> list[list[int]]:  # fmt: skip
        """Write on; return the new tokens of each sequence, which hold ``bases`` bases or more.

        Parameters
        ----------
        begun
            Tokens so far, as many in each sequence.
        uniforms
            Source of chance of each sequence.

        Raises
        ------
        InputError
            If words of unequal length fill the context before there are enough bases.
        """
        room = self.context_length - len(begun[0])
        count = -(-bases // self.word) if self.word else self._expected(bases)
        drawn = np.empty((len(begun), 0))
        while True:
            count = min(count, room)
            missing = count - drawn.shape[1]
            drawn = np.hstack([drawn, np.stack([one.random(missing) for one in uniforms])])
            tokens = self._draw(begun, drawn, sampling)
            enough = np.cumsum(self.spans[tokens], axis=1) >= bases
            if enough[:, -1].all():
                ends = enough.argmax(axis=1) + 1
                return [row[:end].tolist() for row, end in zip(tokens, ends, strict=True)]
            if count == room:
                raise InputError(
                    f"the context of {self.context_length:,} tokens was full before there were "
                    f"{bases:,} bases",
                    remedy="ask for fewer bases with `--length`",
                )
            count *= 2  # the same chances first: it begins as before

    def letters(self, tokens: list[int]) -> str:
        """Return the bases of tokens."""
        words = self.encoder.vocabulary.words
        return "".join(words[token] for token in tokens)

    def numbers(self, begun: list[list[int]], written: list[list[int]]) -> NDArray[np.float64]:
        """Return the number that the model reads off sequences of equal numbers of tokens.

        The question is that of pretraining: the sequence, ``<=>`` and ``<M>``.
        """
        vocabulary = self.encoder.vocabulary
        question = [vocabulary.sep, vocabulary.id(ASK_NUMBER)]
        lines = [[*one, *more, *question] for one, more in zip(begun, written, strict=True)]
        assert isinstance(self.network, CausalLanguageModel)
        with torch.inference_mode():
            said = self.network.regress(self._tensor(lines))
        return said.cpu().numpy()

    def _draw(
        self, begun: list[list[int]], uniforms: NDArray[np.float64], sampling: Sampling
    ) -> NDArray[np.int64]:
        chances, prompt = Chances(torch.from_numpy(uniforms)), self._tensor(begun)
        count = uniforms.shape[1]
        if isinstance(self.network, HyenaLanguageModel):
            found = hyena_generation.generate(
                self.network, prompt, count, sampling=sampling, generator=chances
            )
        else:
            found = generation.generate(
                self.network, prompt, count, sampling=sampling, generator=chances
            )
        return found.cpu().numpy()

    def _expected(self, bases: int) -> int:
        """Return how many words of unequal length are likely to be enough."""
        return int(_SPARE * bases / self.spans[list(self.allowed)].mean()) + 8

    def _tensor(self, rows: list[list[int]]) -> torch.Tensor:
        return torch.tensor(rows, device=next(self.network.parameters()).device)
