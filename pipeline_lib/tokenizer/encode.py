"""Loading tokenizers, and encoding sentences fast."""

import json
import shutil
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
import tokenizers
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.files import write_json

SPECIAL_TOKENS = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
UNK, CLS, SEP, PAD, MASK = range(5)
GAP_TOKEN = "-"
GAP = 5
GAP_LENGTH = 10
"""Runs of at least this many N become one gap token."""


def load_tokenizer(path: Path) -> tokenizers.Tokenizer:
    """Load a ``tokenizer.json``.

    Raises
    ------
    InputError
        If the file is missing or damaged, or its special tokens are not ours.
    """
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise InputError(
            f"cannot be read as a tokenizer ({error})",
            path=path,
            remedy="make it again with `snakemake --cores 2 tokenizer`",
        ) from error
    found = tuple(tokenizer.id_to_token(number) for number in range(6))
    if found != (*SPECIAL_TOKENS, GAP_TOKEN):
        raise InputError(
            f"the first tokens are {' '.join(map(str, found))}",
            path=path,
            expected=" ".join((*SPECIAL_TOKENS, GAP_TOKEN)),
            remedy="use a tokenizer made by the tokenizer stage",
        )
    return tokenizer


def token_lengths(tokenizer: tokenizers.Tokenizer) -> NDArray[np.int32]:
    """Return how many bases each token stands for: 0 for special tokens and the gap.

    Shape (vocabulary,).
    """
    lengths = [len(word) for word in vocabulary(tokenizer)]
    lengths[: GAP + 1] = [0] * (GAP + 1)
    return np.array(lengths, dtype=np.int32)


def vocabulary(tokenizer: tokenizers.Tokenizer) -> list[str]:
    """Return all tokens in the order of their ids."""
    ids: dict[str, int] = tokenizer.get_vocab()
    return sorted(ids, key=ids.__getitem__)


class SentenceEncoder:
    """Encode the sentences of a corpus: upper-case ACGTN, as the corpus reader gives them.

    Gives the ids of the plain tokenizer, without [CLS] and [SEP]. The normalizer is left out,
    since such sentences are normal already: that makes it faster.

    Parameters
    ----------
    path
        ``tokenizer.json``.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self._plain = load_tokenizer(self._path)
        self._bare = tokenizers.Tokenizer(self._plain.model)

    def encode(self, sentences: list[bytes]) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
        """Return the tokens of all sentences, and where each sentence ends.

        Returns
        -------
        tokens
            Ids of all sentences in a row; shape (tokens,).
        ends
            Index of the token after the last of each sentence; shape (sentences,).
        """
        parts: list[list[int]] = []
        texts = [sentence.decode("ascii") for sentence in sentences]
        with_gap = ["N" * GAP_LENGTH in text for text in texts]
        if not any(with_gap):
            parts = [e.ids for e in self._bare.encode_batch_fast(texts, add_special_tokens=False)]
        else:
            for text, gap in zip(texts, with_gap, strict=True):
                tokenizer = self._plain if gap else self._bare
                parts.append(tokenizer.encode(text, add_special_tokens=False).ids)
        ends = np.cumsum([len(part) for part in parts], dtype=np.int32)
        tokens = np.fromiter(
            chain.from_iterable(parts),
            dtype=np.uint16,
            count=int(ends[-1]) if len(ends) else 0,
        )
        return tokens, ends

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self._path,)


def write_tokenizer_files(tokenizer: Path, directory: Path, *, context_length: int) -> None:
    """Write the files by which ``AutoTokenizer`` finds a tokenizer in a model folder."""
    shutil.copyfile(tokenizer, directory / "tokenizer.json")
    names = ("unk_token", "cls_token", "sep_token", "pad_token", "mask_token")
    write_json(
        directory / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": context_length,
            "clean_up_tokenization_spaces": False,
            **dict(zip(names, SPECIAL_TOKENS, strict=True)),
        },
    )


def vocabulary_size(path: Path) -> int:
    """Return the number of tokens of a ``tokenizer.json`` without loading the tokenizer."""
    return len(json.loads(Path(path).read_text())["model"]["vocab"])
