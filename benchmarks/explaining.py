"""In-silico mutagenesis, batched and one changed sequence at a time.

    python benchmarks/explaining.py MODEL SEQUENCES

The peer scores each changed sequence by itself, as a loop around the tuned model does. Both explain
the same sequences in turns in one process; printed are changed sequences a second and their ratio.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.application.explanation.model import Array, TunedOutput, load_output
from pipeline_lib.application.explanation.mutagenesis import mutate, others, substitutions
from pipeline_lib.application.inputs import read_inputs

LOOPED = 60
"""Changed sequences that the loop scores of each sequence: all would take long."""


def main() -> None:
    """Print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="folder of a tuned model")
    parser.add_argument("sequences", type=Path, help="FASTA, CSV or Parquet")
    parser.add_argument("--count", type=int, default=5, help="sequences that are explained")
    arguments = parser.parse_args()
    model = load_output(arguments.model)
    table = read_inputs(arguments.sequences).head(arguments.count)
    seconds, counts, difference = np.zeros(2), np.zeros(2), 0.0
    for number in range(len(table)):
        row = table.iloc[[number]]
        start = time.perf_counter()
        value, effects = mutate(model, row)
        seconds[0] += time.perf_counter() - start
        text = row["sequence"].iloc[0]
        found = effects[others(text)]
        start = time.perf_counter()
        alone = looped(model, row, list(substitutions(text))[:LOOPED]) - value
        seconds[1] += time.perf_counter() - start
        counts += len(found), len(alone)
        difference = max(difference, float(np.abs(alone - found[: len(alone)]).max()))
    rates = counts / seconds
    print("| how | changed sequences a second |\n|---|---:|")
    print(f"| batched | {rates[0]:,.0f} |\n| one at a time | {rates[1]:,.0f} |")
    print(f"\nratio {rates[0] / rates[1]:.1f}; largest difference {difference:.1e}")


def looped(model: TunedOutput, row: pd.DataFrame, texts: list[str]) -> Array:
    """Return the output for each changed sequence, one after the other."""
    return np.array([model.values(row.assign(sequence=text))[0] for text in texts])


if __name__ == "__main__":
    main()
