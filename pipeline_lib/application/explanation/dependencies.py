"""Nucleotide dependency maps (Tomaz da Silva et al. 2025, Nature Genetics).

Each base in turn is changed to the three others. How far that moves what a language model expects
of another base, is how much the one depends on the other: the largest change of log2-odds, over
the three changes and the four bases that are expected.

A causal model expects each base from those before it: its map is zero below the diagonal. A masked
model is asked in a few rounds, each of which hides a share of the sequence but never the base that
is changed; with 0 rounds nothing is hidden, as in the publication.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_lib.application.explanation.model import Array
from pipeline_lib.application.explanation.mutagenesis import check_fits, substitutions
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.likelihood import BATCH_TOKENS
from pipeline_lib.evaluation.windows import Window, assign_rounds, batches, masked_inputs
from pipeline_lib.evaluation.zero.model import NOWHERE, ModelReader
from pipeline_lib.randomness import named_generator

Tokens = NDArray[np.int64]
CELLS = 1_000_000
"""Expected bases, of all changed sequences together, that are held at a time."""
SMALLEST = 1e-300


@dataclass(frozen=True)
class Dependencies:
    """Maps of one language model.

    Attributes
    ----------
    reader
        The model, of single bases or of words of one length side by side.
    rounds
        In how many rounds a masked model is asked; 0 to hide nothing.
    seed
        Of the rounds.

    Raises
    ------
    InputError
        If its tokens do not tell which base stands where.
    """

    reader: ModelReader
    rounds: int
    seed: int
    device: torch.device = field(init=False)

    def __post_init__(self) -> None:
        overlap = self.reader.encoder.vocabulary.overlap
        if overlap or not self.reader.word:
            raise InputError(
                "dependencies of a model of "
                + ("words that overlap" if overlap else "words of unequal length"),
                expected="single bases, or words of one length side by side: a change must not "
                "move the borders of words, nor be seen in several",
                remedy="take another model, or `--method mutagenesis`",
            )
        if self.rounds == 1:
            raise InputError(
                "1 round hides the whole sequence at once",
                expected="0, or at least 2 rounds",
                remedy="correct `--rounds`",
            )
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        object.__setattr__(self, "device", device)
        self.reader.network.to(device).eval()

    def map(self, row: pd.DataFrame) -> Array:
        """Return the map of a table of one sequence.

        Returns
        -------
        ndarray
            Row: the base that is changed; column: the one that is expected. NaN where both are
            of one word. Shape (length, length), in bits.

        Raises
        ------
        InputError
            If the sequence does not fit into the context.
        """
        sequence: str = row["sequence"].iloc[0]
        check_fits(self.reader, sequence.encode(), row["name"].iloc[0])
        owner = np.arange(len(sequence)) // self.reader.word
        found = np.empty((len(sequence), len(sequence)))
        size = max(1, CELLS // (len(sequence) * (3 * self.reader.word + 1)))
        for words in np.array_split(np.unique(owner), -(-(owner[-1] + 1) // size)):
            first, last = np.searchsorted(owner, [words[0], words[-1] + 1])
            found[first:last] = self._rows(sequence, owner, int(first), int(last))
        found[owner[:, None] == owner] = np.nan
        return found

    def _rows(self, sequence: str, owner: Tokens, first: int, last: int) -> Array:
        """Return the rows of some whole words."""
        words = np.unique(owner[first:last])
        windows = [self._window(sequence, word, owner) for word in words]
        changed = list(substitutions(sequence[first:last]))
        for number, text in enumerate(changed):
            other = sequence[:first] + text + sequence[last:]
            windows.append(self._window(other, owner[first + number // 3], owner))
        odds = self._odds(windows, len(sequence))  # (windows, length, 4)
        own = np.repeat(np.searchsorted(words, owner[first:last]), 3)
        shift = np.abs(odds[len(words) :] - odds[own]).max(axis=2)
        return np.asarray(shift.reshape(last - first, 3, -1).max(axis=1))

    def _window(self, sequence: str, word: int, owner: Tokens) -> Window:
        """Return a sequence, and the rounds that hide each of its words but the one."""
        tokens = self.reader.encoder.encode([sequence.encode()])[0].astype(np.int64)
        count = int(owner[-1]) + 1
        rounds = np.full(count, -1)
        hidden = np.delete(np.arange(count), word)
        if self.rounds and not self.reader.network.causal:
            generator = named_generator(self.seed, "dependencies", count, int(word))
            rounds[hidden] = assign_rounds(len(hidden), self.rounds, generator)
        else:
            rounds[:] = 0
        return Window(tokens, NOWHERE, rounds)

    @torch.inference_mode()
    def _odds(self, windows: list[Window], length: int) -> Array:
        """Return the log2-odds of the bases, (windows, length, 4); NaN where not expected."""
        network, found = self.reader.network, np.full((len(windows), length, 4), np.nan)
        hiding = bool(self.rounds) and not network.causal
        for chosen in batches(windows, BATCH_TOKENS):
            batch = [windows[index] for index in chosen]
            for number in range(self.rounds if hiding else 1):
                tokens, targets = masked_inputs(batch, number, self.reader.encoder.vocabulary)
                if not targets.any():
                    continue
                if not hiding:  # nothing was to be hidden
                    tokens[targets] = np.concatenate([window.tokens for window in batch])
                if network.causal:  # what follows a token is told where it stands
                    tokens, targets = tokens[:, :-1], targets[:, 1:]
                inputs = torch.from_numpy(tokens).to(self.device)
                asked = torch.from_numpy(targets).to(self.device)
                logits = network(inputs, None, asked).double()
                expected = self._bases(logits, tokens.shape, targets, length, network.causal)
                known = ~np.isnan(expected)
                found[chosen] = np.where(known, expected, found[chosen])
        return found

    def _bases(
        self,
        logits: Tensor,
        shape: tuple[int, ...],
        targets: NDArray[np.bool_],
        length: int,
        causal: bool,
    ) -> Array:
        """Return the log2-odds of bases from the logits of words; (rows, length, 4)."""
        word = self.reader.word
        found = np.full((shape[0], length, 4), np.nan)
        rows, places = np.nonzero(targets)
        starts = (places - (0 if causal else 1)) * word
        sizes = np.minimum(length - starts, word)
        for size in np.unique(sizes).tolist():
            of_size = sizes == size
            ids, letters = self._words(size)
            shares = torch.softmax(logits[torch.from_numpy(of_size)][:, ids], dim=1)
            bases = (shares @ letters).reshape(-1, size, 4)
            rest = bases.sum(dim=2, keepdim=True) - bases
            odds = bases.clamp_min(SMALLEST).log2() - rest.clamp_min(SMALLEST).log2()
            columns = starts[of_size][:, None] + np.arange(size)
            found[rows[of_size][:, None], columns] = odds.cpu().numpy()
        return found

    def _words(self, size: int) -> tuple[Tensor, Tensor]:
        """Return the ids of words of some length, and which base stands where in each.

        Shapes (words,) and (words, 4 times the length).
        """
        vocabulary = self.reader.encoder.vocabulary
        known = vocabulary.predictable & (vocabulary.lengths == size)
        ids = np.flatnonzero(known)
        letters = np.array([["ACGT".index(base) for base in vocabulary.words[i]] for i in ids])
        one_hot = np.eye(4)[letters].reshape(len(ids), -1)
        return torch.from_numpy(ids).to(self.device), torch.from_numpy(one_hot).to(self.device)
