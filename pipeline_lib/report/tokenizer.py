"""Figures of the stage ``tokenizer``."""

from pathlib import Path

import pandas as pd

from pipeline_lib.report.reading import read_result
from pipeline_lib.report.style import BLUE, GREY, Outputs, canvas, publish


def token_lengths(stats: Path, *, outputs: Outputs) -> None:
    """Draw how long tokens are, in the vocabulary and in running text.

    Parameters
    ----------
    stats
        ``stats.json`` of the tokenizer.
    """
    values = read_result(
        stats, "token_lengths", "text_token_lengths", "bases_per_token", "vocab_size", "tokens_used"
    )
    vocabulary = {int(length): count for length, count in values["token_lengths"].items()}
    text = {int(length): count for length, count in values["text_token_lengths"].items()}
    lengths = sorted(vocabulary.keys() | text.keys())
    frame = pd.DataFrame(
        {
            "bases": lengths,
            "tokens in vocabulary": [vocabulary.get(length, 0) for length in lengths],
            "tokens in text": [text.get(length, 0) for length in lengths],
        }
    )
    for name in ("vocabulary", "text"):
        column = frame[f"tokens in {name}"]
        frame[f"share of {name}"] = column / column.sum()
    # Long tokens are few: what lies beyond is in the table.
    last = next(
        n for n in lengths if frame["bases"].le(n).to_numpy() @ frame["share of text"] > 0.999
    )
    shown = frame[frame["bases"] <= max(last, 12)]
    figure, (axis,) = canvas()
    axis.bar(
        shown["bases"] - 0.2, shown["share of vocabulary"] * 100, 0.4, color=GREY,
        label=f"vocabulary: {values['vocab_size']:,} tokens, {values['tokens_used']:,} used",
    )  # fmt: skip
    axis.bar(
        shown["bases"] + 0.2, shown["share of text"] * 100, 0.4, color=BLUE,
        label=f"running text: {values['bases_per_token']:.2f} bases per token",
    )  # fmt: skip
    axis.set_ylim(top=axis.get_ylim()[1] * 1.25)
    axis.legend(loc="upper right")
    axis.set_xlabel("length of a token (bases)")
    axis.set_ylabel("share of tokens (%)")
    axis.set_title("Token lengths")
    publish(figure, frame, outputs, title=f"Token lengths of {stats.parent.name}")


def tokenizer_comparison(*stats: Path, outputs: Outputs) -> None:
    """Draw tokenizers beside each other: bases per token, vocabulary in use, both strands.

    Parameters
    ----------
    stats
        ``stats.json`` of each tokenizer.
    """
    rows = []
    for path in stats:
        values = read_result(
            path, "vocab_size", "bases_per_token", "tokens_used", "reverse_complement_share",
            "usage_entropy", "unknown_share", "token_lengths",
        )  # fmt: skip
        words = sum(values["token_lengths"].values())
        rows.append(
            {
                "tokenizer": path.parent.name,
                "vocabulary": values["vocab_size"],
                "bases per token": values["bases_per_token"],
                "vocabulary used": values["tokens_used"] / max(words, 1),
                "reverse complement is a token": values["reverse_complement_share"],
                "bits per token": values["usage_entropy"],
                "bits per base, tokens one by one": values["usage_entropy"]
                / values["bases_per_token"],
                "unknown tokens": values["unknown_share"],
            }
        )
    frame = pd.DataFrame(rows)
    figure, axes = canvas(3, width=9.5, height=max(2.4, 0.45 * len(frame) + 1.4))
    columns = (
        ("bases per token", 1, "bases per token"),
        ("vocabulary used", 100, "words used in text (%)"),
        ("reverse complement is a token", 100, "words with a mate (%)"),
    )
    for axis, (column, factor, label) in zip(axes, columns, strict=True):
        lengths = frame[column] * factor
        axis.barh(range(len(frame)), lengths, 0.65, color=BLUE)
        for place, value in enumerate(lengths):
            axis.text(value, place, f" {value:.2f}" if factor == 1 else f" {value:.0f}",
                      va="center", fontsize=9)  # fmt: skip
        axis.set_xlim(right=max(float(lengths.max()), 1e-9) * 1.25)
        axis.set_xlabel(label)
        axis.invert_yaxis()
        axis.set_yticks([])
    names = [f"{row.tokenizer}\n{row.vocabulary:,} tokens" for row in frame.itertuples()]
    axes[0].set_yticks(range(len(frame)), names, fontsize=9)
    axes[0].set_title("Tokenizers")
    publish(figure, frame, outputs, title="Tokenizers compared")
