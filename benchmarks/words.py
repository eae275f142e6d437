"""What is lost when a sequence is read in words that do not overlap.

    python benchmarks/words.py results/finetuning/datasets/deepgsr_pas_fly ...

Logistic regressions on counts of words, with a penalty chosen on the validation examples, scored by
AUROC on the test examples: words of three bases side by side, as a tokenizer of such words makes
them; the same words at every base; and words of one to four bases at every base. What separates the
first two is the cost of the tokenizer; whatever a model does beyond it has to make up for that.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline_lib.finetuning.examples import read_examples
from pipeline_lib.sequence import base_codes, kmer_codes

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
SORTS = {
    "words of 3, side by side": ((3, 3),),
    "words of 3, at every base": ((3, 1),),
    "words of 1 to 4, at every base": ((1, 1), (2, 1), (3, 1), (4, 1)),
}
"""Length of the words, and bases from one to the next."""


def counts(texts: list[str], length: int, step: int) -> NDArray[np.float32]:
    """Return how often each word occurs in each text; shape (texts, 4**length)."""
    found = np.zeros((len(texts), 4**length), dtype=np.float32)
    for row, text in enumerate(texts):
        codes = kmer_codes(base_codes(text.encode()), length)[::step]
        known = codes[(codes >= 0) & (codes < 4**length)]
        found[row] = np.bincount(known, minlength=4**length)
    return found


def score(folder: Path, words: tuple[tuple[int, int], ...]) -> float:
    """Return the test AUROC of the regression that does best on the validation examples."""
    examples = read_examples(folder / "examples.parquet")
    texts = examples.table["sequence"].to_list()
    table = np.hstack([counts(texts, *word) for word in words])
    truth = examples.targets()[:, 0]
    train, valid, test = [
        (examples.table["split"] == split).to_numpy() for split in ("train", "valid", "test")
    ]
    found = []
    for penalty in PENALTIES:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=300))
        model.fit(table[train], truth[train])
        chosen, reported = [
            roc_auc_score(truth[rows], model.decision_function(table[rows]))
            for rows in (valid, test)
        ]
        found.append((chosen, reported))
    return float(max(found)[1])


def main() -> None:
    """Print a line for each dataset of two classes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", help="Folders of examples.")
    for folder in parser.parse_args().folders:
        scores = [f"{name} {score(folder, words):.3f}" for name, words in SORTS.items()]
        print(f"{folder.name}: {'; '.join(scores)}", flush=True)


if __name__ == "__main__":
    main()
