"""What the tokens of a ``tokenizer.json`` are: special tokens, gaps, and words of bases."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.sequence import reverse_complement

Scheme = tuple[str, str, str, str, str]
"""Names of the special tokens: unknown, start, end, padding, mask."""

SPECIAL_TOKENS: Scheme = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
GAP_TOKEN = "-"
GAP_LENGTH = 10
"""Runs of at least this many N become one gap token."""

_BASES = set("ACGT")

SCHEMES: dict[str, tuple[Scheme, str]] = {
    "dnalm": (SPECIAL_TOKENS, GAP_TOKEN),
    "hyenadna": (SPECIAL_TOKENS, "A"),
    "dnagpt": (("<0>", "<R>", "<=>", "<P>", "<W>"), "N"),
    "logo": (("<unk>", "<cls>", "<sep>", "<pad>", "<mask>"), "N"),
}
"""Special tokens of each kind of vocabulary, and the token that the ordinary ones begin with."""


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The tokens of a tokenizer.

    Attributes
    ----------
    words
        All tokens, in the order of their ids.
    special
        Names of the special tokens.
    first
        Id of the first ordinary token: smaller ones are special, and are never predicted.
    lengths
        Bases that each token adds, 0 for special tokens and gaps, 1 for words that overlap; shape
        (vocabulary,).
    overlap
        Bases that neighbouring words have in common: k - 1, or 0.
    predictable
        Which tokens a model is to predict: words of A, C, G and T, nothing that holds an N;
        shape (vocabulary,).
    """

    words: list[str]
    special: Scheme
    first: int
    lengths: NDArray[np.int32]
    overlap: int = 0
    predictable: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        known = [bool(word) and set(word) <= _BASES for word in self.words]
        known[: self.first] = [False] * self.first
        object.__setattr__(self, "predictable", np.array(known))

    def __len__(self) -> int:
        return len(self.words)

    def id(self, name: str) -> int:
        """Return the id of a token."""
        return self.words.index(name)

    def turned(self, *, complement: bool) -> NDArray[np.int64]:
        """Return the id of every word read from its other end, or of its reverse complement.

        Returns
        -------
        ndarray
            Shape (vocabulary,); the own id of special tokens, -1 where there is no such word.
        """
        ids = {word: number for number, word in enumerate(self.words)}
        turned = np.arange(len(self.words))
        for number, word in enumerate(self.words[self.first :], start=self.first):
            other = reverse_complement(word.encode()).decode() if complement else word[::-1]
            turned[number] = ids.get(other, -1)
        return turned

    @property
    def unk(self) -> int:
        """Id of the token for what the vocabulary does not have."""
        return self.id(self.special[0])

    @property
    def cls(self) -> int:
        """Id of the token that begins an input."""
        return self.id(self.special[1])

    @property
    def sep(self) -> int:
        """Id of the token that ends an input."""
        return self.id(self.special[2])

    @property
    def pad(self) -> int:
        """Id of the token that fills up short inputs."""
        return self.id(self.special[3])

    @property
    def mask(self) -> int:
        """Id of the token that hides others."""
        return self.id(self.special[4])


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the vocabulary of a ``tokenizer.json``.

    Raises
    ------
    InputError
        If the file is missing or damaged, or its special tokens are of no known kind.
    """
    try:
        return vocabulary_of(json.loads(Path(path).read_text()), path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"cannot be read as a tokenizer ({error})",
            path=path,
            remedy="make it again with `snakemake --cores 2 tokenizer`",
        ) from error


def vocabulary_of(content: dict[str, Any], path: Path | None = None) -> Vocabulary:
    """Return the vocabulary of the parsed content of a ``tokenizer.json``."""
    ids: dict[str, int] = dict(content["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in content.get("added_tokens", [])}
    words = sorted(ids, key=ids.__getitem__)
    for special, beginning in SCHEMES.values():
        if beginning in ids and all(name in ids for name in special):
            first = ids[beginning]
            # The gap token stands for an unknown number of bases.
            lengths = [0 if word == GAP_TOKEN else len(word) for word in words]
            lengths[:first] = [0] * first
            overlap = 0
            if (content.get("pre_tokenizer") or {}).get("type") == "WhitespaceSplit":
                overlap = max(lengths) - 1
                lengths = [min(length, 1) for length in lengths]
            return Vocabulary(words, special, first, np.array(lengths, dtype=np.int32), overlap)
    known = "; or ".join(" ".join(special) for special, _ in SCHEMES.values())
    raise InputError(
        f"the first tokens are {' '.join(words[:6])}",
        path=path,
        expected=f"special tokens such as {known}",
        remedy="use a tokenizer made by the tokenizer stage, or one of the published vocabularies",
    )
