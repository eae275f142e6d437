"""Peak memory of an annotation: it does not depend on the length of the contig.

    python benchmarks/annotation.py
    python benchmarks/annotation.py --model results/finetuning/MODEL/TASK/RUN/model --window 120

Runs the command on a contig of random bases and on one eight times as long, each in a process of
its own, and prints their peak memory. The peer is what one would write first: all windows in one
table, and then one call.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

LENGTHS = (400_000, 3_200_000)
WORK = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from pipeline_lib.application.annotation import annotate as module
from pipeline_lib.application.annotation import tracks

what, genome, model, output, window, step, letters = sys.argv[1:]
tracks.MOST_LETTERS = int(letters)
if what == "table":
    tracks.MOST_LETTERS = tracks.MOST_CELLS = 1 << 40
how = module.HowToAnnotate(window=int(window), step=int(step), format="bedgraph")
module.annotate(Path(genome), Path(model), Path(output), how)
# Not `ru_maxrss`, which a process takes over from the one that started it.
status = Path("/proc/self/status").read_text()
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def write_contig(path: Path, length: int) -> None:
    """Write a contig of random bases, line by line."""
    random = np.random.default_rng(0)
    with path.open("w") as handle:
        handle.write(">contig\n")
        for first in range(0, length, 60_000):
            letters = random.choice(list("ACGT"), min(60_000, length - first))
            rows = np.array_split(letters, range(60, len(letters), 60))
            handle.writelines("".join(row) + "\n" for row in rows)


def small_model(folder: Path) -> Path:
    """Tune a model of one layer to two classes of windows of 63 bases."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from pipeline_lib.config.tokenizer import TokenizerSettings
    from pipeline_lib.finetuning.examples import write_examples
    from pipeline_lib.finetuning.tune import finetune
    from pipeline_lib.tokenizer.kmers import kmer_tokenizer
    from tests.finetuning import toys

    tokenizer = folder / "bases.json"
    tokenizer.write_text(kmer_tokenizer(TokenizerSettings(kind="nucleotide")).to_str())
    shape = toys.SHAPE.model_copy(update={"context_length": 66})
    model = toys.write_model(folder / "pretrained", tokenizer, shape)
    write_examples(folder / "examples.parquet", toys.make_examples(count=240))
    run = folder / "run"
    finetune(
        model, folder / "examples.parquet", run, toys.make_task(epochs=1),
        init="pretrained", seed=1, threads=1,
    )  # fmt: skip
    return run / "model"


def peak(what: str, genome: Path, model: Path, given: argparse.Namespace) -> float:
    """Return the peak memory of a run in MB."""
    output = genome.with_name(f"{genome.stem}-{what}")
    values = (what, genome, model, output, given.window, given.step, given.letters)
    command = [sys.executable, "-c", WORK, *map(str, values)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print a table, and the ratio of peak memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--window", type=int, default=63)
    parser.add_argument("--step", type=int, default=20)
    parser.add_argument("--letters", type=int, default=1 << 19, help="Held at a time.")
    given = parser.parse_args()
    print("| what | bases | peak MB |")
    print("|---|---:|---:|")
    found: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as work:
        model = given.model or small_model(Path(work))
        for length in LENGTHS:
            genome = Path(work) / f"{length}.fa"
            write_contig(genome, length)
            for what in ("parts", "table"):
                found[what, length] = peak(what, genome, model, given)
                print(f"| {what} | {length:,} | {found[what, length]:,.0f} |", flush=True)
    short, long = LENGTHS
    for what in ("parts", "table"):
        ratio = found[what, long] / found[what, short]
        print(f"{what}: {long // short} times the bases, {ratio:.2f} times the memory")


if __name__ == "__main__":
    main()
