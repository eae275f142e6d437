"""Encoding the sentences of a corpus, fast, and texts, slowly; and the way back."""

import json
import re
import shutil
from pathlib import Path
from typing import Any, Self

import numpy as np
import tokenizers
from numpy.typing import NDArray

from pipeline_lib.errors import InputError
from pipeline_lib.files import write_json
from pipeline_lib.tokenizer import bpe
from pipeline_lib.tokenizer.vocabulary import GAP_LENGTH, GAP_TOKEN, read_vocabulary

_GAP = re.compile(rb"N{%d,}" % GAP_LENGTH)
_DIGITS = np.full(256, 4, dtype=np.int64)  # letters as digits of base 5
_DIGITS[list(b"ACGTN")] = range(5)

Encoded = tuple[NDArray[np.uint16], NDArray[np.int32]]


def load_tokenizer(path: Path) -> tokenizers.Tokenizer:
    """Load a ``tokenizer.json``.

    Raises
    ------
    InputError
        If the file is missing or damaged, or its special tokens are of no known kind.
    """
    read_vocabulary(path)
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise InputError(
            f"cannot be read as a tokenizer ({error})",
            path=path,
            remedy="make it again with `snakemake --cores 2 tokenizer`",
        ) from error


class SentenceEncoder:
    """Encode the sentences of a corpus: upper-case ACGTN, as the corpus reader gives them.

    Gives the ids of the plain tokenizer, without [CLS] and [SEP], several times as fast.

    Parameters
    ----------
    path
        ``tokenizer.json`` of any kind.

    Attributes
    ----------
    vocabulary
        Its tokens.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        self.vocabulary = read_vocabulary(self._path)
        content = json.loads(self._path.read_text())
        self._words: _Bpe | _Kmers
        if content["model"].get("type") == "BPE":
            self._words = _Bpe(self._path)
        else:
            self._words = _Kmers(content, self.vocabulary.words, self.vocabulary.unk)

    def encode(self, sentences: list[bytes]) -> Encoded:
        """Return the tokens of all sentences, and where each sentence ends.

        Returns
        -------
        tokens
            Ids of all sentences in a row; shape (tokens,).
        ends
            Index of the token after the last of each sentence; shape (sentences,).
        """
        return self._words.encode(sentences)

    def decode(self, tokens: NDArray[np.uint16]) -> bytes:
        """Return the sentence that has these tokens; a gap comes back as ten N."""
        words = [self.vocabulary.words[number] for number in tokens.tolist()]
        if isinstance(self._words, _Kmers) and self._words.overlapping:
            words = [word[:1] for word in words[:-1]] + words[-1:]
        return "".join(words).replace(GAP_TOKEN, "N" * GAP_LENGTH).encode()

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self._path,)


class _Bpe:
    """Byte-pair encoding: nothing merges with a gap, which therefore needs no splitting."""

    def __init__(self, path: Path) -> None:
        self._merges = bpe.read_merges(path)

    def encode(self, sentences: list[bytes]) -> Encoded:
        joined = b"".join(sentences)
        if b"N" * GAP_LENGTH in joined:
            sentences = [_GAP.sub(GAP_TOKEN.encode(), sentence) for sentence in sentences]
            joined = b"".join(sentences)
        ends = np.cumsum([len(sentence) for sentence in sentences], dtype=np.int64)
        return bpe.encode(self._merges, np.frombuffer(joined, dtype=np.uint8), ends)


class _Kmers:
    """Words of k bases, looked up in a table of all words of each length."""

    def __init__(self, content: dict[str, Any], words: list[str], unk: int) -> None:
        self._ids = {w.encode(): n for n, w in enumerate(words) if not w.startswith(("[", "<"))}
        self.k = max(map(len, self._ids))
        pre_tokenizer = content["pre_tokenizer"] or {}
        self.overlapping = pre_tokenizer.get("type") == "WhitespaceSplit"
        self._gaps = GAP_TOKEN.encode() in self._ids
        self._pattern = re.compile(rb"[ACGT]{1,%d}|N|-" % self.k)
        self._tables = [np.full(5**n, unk, dtype=np.uint16) for n in range(self.k + 1)]
        for word, number in self._ids.items():
            if word != GAP_TOKEN.encode():
                digits = _DIGITS[list(word)]
                self._tables[len(word)][int(digits @ _powers(len(word)))] = number

    def encode(self, sentences: list[bytes]) -> Encoded:
        parts = [self._sentence(sentence) for sentence in sentences]
        ends = np.cumsum([len(part) for part in parts], dtype=np.int32)
        return np.concatenate([*parts, np.empty(0, np.uint16)]), ends

    def _sentence(self, sentence: bytes) -> NDArray[np.uint16]:
        if self._gaps and not self.overlapping and b"N" in sentence:
            words = self._pattern.findall(_GAP.sub(GAP_TOKEN.encode(), sentence))
            return np.array([self._ids[word] for word in words], dtype=np.uint16)
        digits, k = _DIGITS[np.frombuffer(sentence, dtype=np.uint8)], self.k
        if len(digits) < k:
            whole, tail = np.empty(0, np.int64), digits
        elif self.overlapping:
            views = np.lib.stride_tricks.sliding_window_view(digits, k)
            whole, tail = views @ _powers(k), digits[:0]
        else:
            count = len(digits) // k
            whole, tail = digits[: count * k].reshape(count, k) @ _powers(k), digits[count * k :]
        tokens = self._tables[k][whole]
        if not len(tail):
            return tokens
        last = self._tables[len(tail)][int(tail @ _powers(len(tail)))]
        return np.append(tokens, last)


def _powers(k: int) -> NDArray[np.int64]:
    return 5 ** np.arange(k - 1, -1, -1)


def encode_sequence(
    tokenizer: tokenizers.Tokenizer, sequence: str, overlap: int = 0
) -> tuple[list[int], list[int]]:
    """Return the ids of a sequence as it may come from anywhere, and where each token begins.

    Parameters
    ----------
    overlap
        Bases of a word, for a tokenizer of overlapping words; 0 for all others.
    """
    if overlap:
        last = max(len(sequence) - overlap, 0)
        sequence = " ".join(sequence[i : i + overlap] for i in range(last + 1))
    encoding = tokenizer.encode(sequence, add_special_tokens=False)
    if overlap:
        return list(encoding.ids), [start // (overlap + 1) for start, _ in encoding.offsets]
    # A token begins where the one before ends: of a gap, only the last N has the token's own place.
    ends = [end for _, end in encoding.offsets]
    return list(encoding.ids), [0, *ends[:-1]][: len(ends)]


def overlap_of(path: Path) -> int:
    """Return the bases of a word of a tokenizer of overlapping words, 0 for any other."""
    content = json.loads(Path(path).read_text())
    if (content["pre_tokenizer"] or {}).get("type") != "WhitespaceSplit":
        return 0
    vocabulary = read_vocabulary(path)
    return max(map(len, vocabulary.words[vocabulary.first :]))


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
            **dict(zip(names, read_vocabulary(tokenizer).special, strict=True)),
        },
    )
