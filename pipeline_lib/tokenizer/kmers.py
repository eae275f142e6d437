"""Vocabularies of k-mers and of single bases: our own, and the published ones.

``dnalm``
    Words of A, C, G, T of up to k bases, N, and a gap for runs of 10 N or more.
``dnagpt``
    DNAGPT (dynamic mode): 34 reserved tokens, then all words of N, A, G, C, T of 1 to k bases,
    the last base varying fastest. The tail of a sequence is a shorter word.
``logo``
    LOGO: 10 reserved ids, then words of N, A, G, C, T of 1 to k bases that do not begin with N,
    the first base varying fastest. A word that begins with N becomes the unknown token.
``hyenadna``
    HyenaDNA: 7 special tokens, then A, C, G, T, N.
"""

from itertools import product

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from pipeline_lib.config.tokenizer import Tokenizer as TokenizerSettings
from pipeline_lib.tokenizer.vocabulary import GAP_LENGTH, GAP_TOKEN, SCHEMES, SPECIAL_TOKENS

_DNAGPT_ALPHABET = "NAGCT"
# Digits, operators, instructions (a number follows, a class follows), padding, organisms, others.
_DNAGPT_RESERVED = "0123456789+-*/=&|!MBPRIKLOQSUVWYXZ"
_LOGO_RESERVED = ("<unk>", "<cls>", "<mask>", "<sep>", "<pad>", *(f"<{i}>" for i in range(5, 10)))
_HYENA = ("[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]", *"ACGTN")


def kmer_words(settings: TokenizerSettings) -> list[str]:
    """Return all tokens of a vocabulary of words of fixed length, in the order of their ids."""
    k = 1 if settings.kind == "nucleotide" else settings.k
    if settings.vocabulary == "hyenadna":
        return list(_HYENA)
    if settings.vocabulary == "dnagpt":
        every = [
            "".join(word) for n in range(1, k + 1) for word in product(_DNAGPT_ALPHABET, repeat=n)
        ]
        return [f"<{letter}>" for letter in _DNAGPT_RESERVED] + every
    if settings.vocabulary == "logo":
        words = list(_LOGO_RESERVED)
        for n in range(1, k + 1):
            letters = [_DNAGPT_ALPHABET] * (n - 1) + [_DNAGPT_ALPHABET[1:] if n > 1 else "NAGCT"]
            words += ["".join(reversed(word)) for word in product(*letters)]
        return words
    every = ["".join(word) for n in range(1, k + 1) for word in product("ACGT", repeat=n)]
    return [*SPECIAL_TOKENS, GAP_TOKEN, "N", *every]


def kmer_tokenizer(settings: TokenizerSettings) -> Tokenizer:
    """Return a tokenizer that ``tokenizers`` and ``transformers`` load without code of ours.

    Overlapping words cannot be cut by ``tokenizers``: such a tokenizer reads words with blanks
    between them (``ACG CGT GTA``), as published for LOGO and DNABERT;
    :class:`~pipeline_lib.tokenizer.encode.SentenceEncoder` reads plain sequence.
    """
    k = 1 if settings.kind == "nucleotide" else settings.k
    special, _ = SCHEMES[settings.vocabulary]
    words = kmer_words(settings)
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=special[0]))
    ours = settings.vocabulary == "dnalm"
    tokenizer.normalizer = clean_letters(gap=ours)
    if settings.overlapping:
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    elif ours:
        pattern = Regex(f"[ACGT]{{1,{k}}}|N|{GAP_TOKEN}")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(pattern, "isolated")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"[ACGTN]{{1,{k}}}"), "isolated")
    reserved = [word for word in words if word.startswith(("[", "<"))]
    tokenizer.add_special_tokens([AddedToken(word, normalized=False) for word in reserved])
    if settings.vocabulary in ("dnalm", "hyenadna"):
        add_borders(tokenizer, vocabulary)
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def clean_letters(*, gap: bool) -> normalizers.Normalizer:
    """Return what makes text plain: upper case, T for U, N for ambiguity codes, one gap token."""
    steps: list[normalizers.Normalizer] = [
        normalizers.Strip(),
        *(normalizers.Replace(low, low.upper()) for low in "acgtn"),
        normalizers.Replace(Regex("[uU]"), "T"),
        normalizers.Replace(Regex("[RYSWKMBDHVryswkmbdhv]"), "N"),
    ]
    if gap:
        steps.append(normalizers.Replace(Regex(f"N{{{GAP_LENGTH},}}"), GAP_TOKEN))
    return normalizers.Sequence(steps)


def add_borders(tokenizer: Tokenizer, ids: dict[str, int]) -> None:
    """Let every input begin with [CLS] and end with [SEP]."""
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
