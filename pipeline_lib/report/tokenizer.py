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
