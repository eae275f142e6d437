"""What pretrained models say of variants: likelihood ratios, and how far embeddings move."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.application.scoring.asked import Hidden, batches, hide, strands
from pipeline_lib.application.scoring.narrow import Narrow, can_narrow
from pipeline_lib.application.scoring.tokens import Tokens, WindowTokens, changed_tokens
from pipeline_lib.application.scoring.windows import Pair, Reading
from pipeline_lib.finetuning.training import preferred_device
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.tokenizer.vocabulary import Vocabulary

Array = NDArray[np.float64]
ROUNDS = 16
"""Changed tokens are hidden one after another; of more than these, every 16th at once."""
WHOLE_ON_CPU = 1_024
"""Tokens that a CPU reads at a time where all are computed: what its caches hold is faster."""
CELLS = 1 << 22
"""Logits that are normalised at a time: 32 MB."""


class LanguageScorer:
    """A pretrained model as a judge of variants.

    Parameters
    ----------
    model
        Model folder.
    window
        Bases of a window; 0: as many as fit into the context, up to 2,048.
    embedding
        Also tell how far the mean of the hidden vectors moves.
    batch_tokens
        Most tokens read at a time; more on a GPU are faster.

    Attributes
    ----------
    windows
        How windows are cut and encoded.
    """

    outputs: tuple[str, ...] = ()

    def __init__(
        self, model: Path, *, window: int = 0, embedding: bool = True, batch_tokens: int = 8_192
    ) -> None:
        network, architecture = load_language_model(model)
        self.device = preferred_device()
        self.network: LanguageModel = network.to(self.device).eval()
        self.windows = WindowTokens.of(
            network, model / "tokenizer.json", architecture.input_length, window
        )
        self.embedding, self.batch_tokens = embedding, batch_tokens
        encoder = self.network.encoder
        self._narrow = Narrow(encoder) if can_narrow(encoder) else None

    def score(self, pairs: list[Pair]) -> dict[str, Array]:
        """Return the scores of variants.

        Parameters
        ----------
        pairs
            As :meth:`WindowTokens.pair` gives them.

        Returns
        -------
        dict
            ``LLR``: log2 of the likelihood of the alternative over that of the reference;
            ``COSINE`` and ``L2``: distance of the mean hidden vectors of both windows. Each the
            mean of both strands, with their absolute difference as ``..._SPREAD``; shape
            (variants,).
        """
        sides = [reading for pair in pairs for reading in pair]
        distinct = {reading: number for number, reading in enumerate(dict.fromkeys(sides))}
        own = list(distinct)
        values: dict[str, Array] = {}
        read: dict[bytes, int] = {}
        if self.network.causal or self.embedding:
            texts = (t for r in own for t in (r.reference, r.alternative))
            read = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        pooled, likelihood = self._read(list(read))
        first = np.array([read.get(r.reference, 0) for r in own], dtype=np.int64)
        second = np.array([read.get(r.alternative, 0) for r in own], dtype=np.int64)
        if self.network.causal:
            values["LLR"] = likelihood[second] - likelihood[first]
        else:
            values["LLR"] = self._hidden_ratios(own)
        if self.embedding:
            values["COSINE"], values["L2"] = _distances(pooled[first], pooled[second])
        index = np.array([distinct[reading] for reading in sides], dtype=np.int64).reshape(-1, 2)
        return strands({name: found[index] for name, found in values.items()})

    def _hidden_ratios(self, sides: list[Reading]) -> Array:
        """Return log2 p(alternative) - log2 p(reference) of a masked model; (readings,)."""
        asked = Hidden()
        seen: dict[tuple[bytes, int], int] = {}
        tokens = self.windows.encode([t for r in sides for t in (r.reference, r.alternative)])
        for owner, reading in enumerate(sides):
            pair = tokens[2 * owner], tokens[2 * owner + 1]
            if reading.reference == reading.alternative:
                continue
            if self.windows.word and reading.removed == reading.added == 1:
                self._ask_word(asked, seen, owner, reading, pair)
            else:
                self._ask_changed(asked, owner, reading, pair)
        return self._hidden_sums(asked, len(sides))

    def _ask_word(
        self,
        asked: Hidden,
        seen: dict[tuple[bytes, int], int],
        owner: int,
        reading: Reading,
        pair: tuple[Tokens, Tokens],
    ) -> None:
        """Hide the word that holds a base; all alternatives at a place share the input."""
        vocabulary, word = self.windows.vocabulary, self.windows.word
        place = reading.place // word
        if vocabulary.overlap:
            place = min(max(reading.place - word // 2, 0), len(pair[0]) - 1)
        key = reading.reference, place
        if key not in seen:
            seen[key] = len(asked.rows)
            asked.rows.append(hide(pair[0], np.array([place]), vocabulary))
        for tokens, sign in zip(pair, (-1.0, 1.0), strict=True):
            asked.ask(seen[key], place, int(tokens[place]), owner, sign)

    def _ask_changed(
        self, asked: Hidden, owner: int, reading: Reading, pair: tuple[Tokens, Tokens]
    ) -> None:
        """Hide what one window has and the other has not."""
        vocabulary = self.windows.vocabulary
        starts = [self.windows.starts(tokens) for tokens in pair]
        flags = changed_tokens(reading, starts[0], pair[0], starts[1], pair[1])
        for tokens, changed, sign in zip(pair, flags, (-1.0, 1.0), strict=True):
            places = np.flatnonzero(changed)
            for number in range(min(ROUNDS, len(places))):
                # Of words that overlap each base is told as often as it has words.
                own, weight = places[number::ROUNDS], sign / (vocabulary.overlap + 1)
                asked.rows.append(hide(tokens, own, vocabulary))
                for place in own.tolist():
                    row = len(asked.rows) - 1
                    asked.ask(row, place, int(tokens[place]), owner, weight)

    @torch.inference_mode()
    def _hidden_sums(self, asked: Hidden, owners: int) -> Array:
        vocabulary = self.windows.vocabulary
        row, place, token, owner = (
            np.array(values, dtype=np.int64)
            for values in (asked.row, asked.place, asked.token, asked.owner)
        )
        bits = np.zeros(len(row))
        # Requests stand in the order of the inputs but for alternatives that share one.
        order = np.argsort(row, kind="stable")
        bounds = np.searchsorted(row[order], np.arange(len(asked.rows) + 1))
        for batch in batches([len(tokens) for tokens in asked.rows], self.batch_tokens):
            chosen = [order[bounds[index] : bounds[index + 1]] for index in batch]
            some = np.concatenate(chosen)
            line = np.repeat(np.arange(len(batch)), [len(part) for part in chosen])
            rows = [asked.rows[index] for index in batch]
            vectors = self._vectors(rows, line, place[some] + 1)
            bits[some] = self._log2(vectors, token[some], vocabulary)
        sums = np.bincount(owner, bits * np.array(asked.weight), minlength=owners)
        return sums.astype(np.float64)  # of whole numbers where nothing is asked

    @torch.inference_mode()
    def _read(self, texts: list[bytes]) -> tuple[Array, Array]:
        """Return the mean hidden vector of each window, and of a causal model its log2 p."""
        pooled = np.zeros((max(len(texts), 1), self.network.encoder.width))
        likelihood = np.zeros(max(len(texts), 1))
        tokens = self.windows.encode(texts)
        most = self.batch_tokens
        if self.device.type == "cpu":
            most = min(most, WHOLE_ON_CPU)
        for batch in batches([len(one) for one in tokens], most):
            rows = [tokens[index] for index in batch]
            hidden = self._encode(rows, end=not self.network.causal)
            sizes = torch.tensor([len(one) for one in rows], device=self.device)
            within = torch.arange(hidden.shape[1], device=self.device)[None] - 1
            own = ((within >= 0) & (within < sizes[:, None]))[..., None]
            means = torch.where(own, hidden, 0).sum(1, dtype=torch.float64) / sizes[:, None]
            pooled[batch] = means.cpu().numpy()
            if self.network.causal:
                # What stands at a token tells of the next one.
                asked = (within + 1 < sizes[:, None]).cpu()
                found = self._log2(hidden[asked.to(self.device)], np.concatenate(rows),
                                   self.windows.vocabulary)  # fmt: skip
                owner = np.repeat(np.arange(len(rows)), [len(one) for one in rows])
                likelihood[batch] = np.bincount(owner, found, minlength=len(rows))
        return pooled, likelihood

    def _vectors(self, rows: list[Tokens], line: Tokens, place: Tokens) -> torch.Tensor:
        """Return the hidden vectors at some places of some inputs; (places, width)."""
        at = torch.from_numpy(place).to(self.device)
        index = torch.from_numpy(line).to(self.device)
        first = np.zeros(len(rows), dtype=np.int64)
        first[line] = place
        if self._narrow is not None and (first[line] == place).all():
            only = torch.from_numpy(first).to(self.device)
            return self._narrow.hidden_at(*self._inputs(rows, end=True), only)[index]
        return self._encode(rows, end=True)[index, at]

    def _encode(self, rows: list[Tokens], *, end: bool) -> torch.Tensor:
        """Return hidden vectors of [CLS], tokens and, with ``end``, [SEP]; (rows, length, w)."""
        hidden: torch.Tensor = self.network.encoder(*self._inputs(rows, end=end))
        return hidden

    def _inputs(self, rows: list[Tokens], *, end: bool) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return inputs of a model, and where they are no padding: None for everywhere."""
        vocabulary = self.windows.vocabulary
        width = max(len(tokens) for tokens in rows) + 1 + end
        inputs = np.full((len(rows), width), vocabulary.pad, dtype=np.int64)
        inputs[:, 0] = vocabulary.cls
        shown = np.zeros(inputs.shape, dtype=bool)
        for line, tokens in enumerate(rows):
            inputs[line, 1 : len(tokens) + 1] = tokens
            if end:
                inputs[line, len(tokens) + 1] = vocabulary.sep
            shown[line, : len(tokens) + 1 + end] = True
        mask = None if shown.all() else torch.from_numpy(shown).to(self.device)
        return torch.from_numpy(inputs).to(self.device), mask

    def _log2(self, vectors: torch.Tensor, tokens: Tokens, vocabulary: Vocabulary) -> Array:
        """Return log2 p, over ordinary tokens, of a token at each hidden vector."""
        found = np.empty(len(tokens))
        step = max(1, CELLS // len(vocabulary))
        for start in range(0, len(tokens), step):
            logits = self.network.scores(vectors[start : start + step])[:, vocabulary.first :]
            column = torch.from_numpy(tokens[start : start + step] - vocabulary.first)
            known = torch.log_softmax(logits.double(), dim=1)
            chosen = known.gather(1, column.clamp(min=0).to(self.device)[:, None])[:, 0]
            found[start : start + step] = chosen.cpu().numpy() / np.log(2)
        return np.where(tokens >= vocabulary.first, found, 0.0)


def _distances(first: Array, second: Array) -> tuple[Array, Array]:
    """Return cosine and Euclidean distance of vectors; each (n,)."""
    one, other = (side / np.linalg.norm(side, axis=1, keepdims=True).clip(1e-12)
                  for side in (first, second))  # fmt: skip
    # 1 - cos of unit vectors, exact also where they hardly differ.
    cosine = ((one - other) ** 2).sum(axis=1) / 2
    return cosine, np.linalg.norm(first - second, axis=1)
