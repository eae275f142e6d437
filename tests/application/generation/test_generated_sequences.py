"""New sequence: what is drawn, that batches and kills leave no trace, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pysam
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from typer.testing import CliRunner

from pipeline_lib.application.generation.run import generate_sequences
from pipeline_lib.application.generation.summary import distance, spectrum
from pipeline_lib.application.generation.writer import Writer
from pipeline_lib.cli import app
from pipeline_lib.config.application_generation import GenerationEntry
from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.errors import InputError
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.models.sampling import Chances, Sampling, choose
from pipeline_lib.pretraining.folder import load_language_model, save_model
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from tests.finetuning import toys

WRITERS = ("causal", "hyena")


@pytest.fixture(scope="module")
def writers(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return models that write: of single bases, of words of 3, of BPE, and one with numbers."""
    folder = tmp_path_factory.mktemp("writers")
    tokenizer = kmer_tokenizer(Tokenizer(corpus="none", kind="kmer", k=3, vocabulary="dnagpt"))
    (folder / "words.json").write_text(tokenizer.to_str())
    toys.write_tokenizer(folder / "bpe.json")
    shape = toys.GPT.model_copy(update={"dropout": 0.0})
    numbers = shape.model_copy(update={"numbers": True, "output": "mlp"})
    return {
        "causal": models["causal"],
        "hyena": models["hyena"],
        "words": toys.write_model(folder / "words", folder / "words.json", numbers),
        "bpe": toys.write_model(folder / "bpe", folder / "bpe.json", shape),
    }


def written(path: Path) -> dict[str, str]:
    with pysam.FastxFile(str(path)) as records:
        return {f"{one.name} {one.comment}": str(one.sequence) for one in records}


@pytest.mark.parametrize("kind", ["causal", "hyena", "words", "bpe"])
def test_letters_prompt_header_and_batches(
    kind: str, writers: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "p.fa").write_text(">one\nACGTAC\n>two\nggc\n>three\nTTTACA\n")
    found = []
    for size in (1, 4, 50):
        settings = GenerationEntry(
            count=3, length=40, prompts=str(tmp_path / "p.fa"), batch_size=size, top_p=0.95
        )
        generate_sequences(writers[kind], tmp_path / "new.fa", settings, seed=5)
        found.append((tmp_path / "new.fa").read_bytes())
    assert found[0] == found[1] == found[2]
    records = written(tmp_path / "new.fa")
    begun = ["ACGTAC"] * 3 + ["GGC"] * 3 + ["TTTACA"] * 3
    for (header, sequence), prompt in zip(records.items(), begun, strict=True):
        assert sequence.startswith(prompt) and len(sequence) == len(prompt) + 40
        assert set(sequence) <= set("ACGT")
        assert f"prompt_sequence={prompt} length=40 seed=5 temperature=1 top_k=all" in header
    assert len(set(records.values())) == 9
    again = GenerationEntry(count=3, length=40, prompts=str(tmp_path / "p.fa"), top_p=0.95)
    generate_sequences(writers[kind], tmp_path / "other.fa", again, seed=6)
    assert not set(written(tmp_path / "other.fa").values()) & set(records.values())


@pytest.mark.parametrize("kind", WRITERS)
def test_temperature_zero_takes_the_likeliest_base(
    kind: str, writers: dict[str, Path], tmp_path: Path
) -> None:
    settings = GenerationEntry(count=2, length=12, prompt="ACCA", temperature=0)
    generate_sequences(writers[kind], tmp_path / "new.fa", settings, seed=1)
    first, second = written(tmp_path / "new.fa").values()
    assert first == second
    network, _ = load_language_model(writers[kind])
    network.eval().double()
    writer = Writer.load(writers[kind])
    bases = torch.tensor(writer.allowed)
    for place in range(4, 16):
        tokens = torch.tensor([writer.begin(first[:place].encode())])
        with torch.inference_mode():
            if isinstance(network, HyenaLanguageModel):
                scores = network(tokens)[0, -1]
            else:
                assert isinstance(network, CausalLanguageModel)
                scores = network.next_scores(tokens)[0]
        assert writer.letters([int(bases[scores[bases].argmax()])]) == first[place]


def test_shares_of_what_is_drawn_are_those_of_the_model(writers: dict[str, Path]) -> None:
    writer = Writer.load(writers["causal"])
    begun = [writer.begin(b"GAT")] * 4000
    streams = [np.random.default_rng(number) for number in range(4000)]
    sampling = Sampling(allowed=writer.allowed)
    tokens = [row[0] for row in writer.write(begun, streams, 1, sampling)]
    assert isinstance(writer.network, CausalLanguageModel)
    with torch.inference_mode():
        scores = writer.network.next_scores(torch.tensor(begun[:1]))[0, list(writer.allowed)]
    shares = np.array([tokens.count(token) for token in writer.allowed]) / 4000
    assert shares == pytest.approx(scores.softmax(dim=0).numpy(), abs=0.03)


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=9),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([1.0, 0.5, 0.01]),
)
def test_a_chance_draws_only_what_may_be_drawn(
    logits: list[float], chance: float, top_k: int | None, top_p: float
) -> None:
    scores = torch.tensor([logits, logits], dtype=torch.float64)
    allowed = tuple(range(0, len(logits), 2))
    chances = Chances(torch.tensor([[chance], [chance]], dtype=torch.float64))
    drawn = choose(scores, Sampling(1.0, top_k, top_p, allowed), chances).tolist()
    assert drawn[0] == drawn[1] and drawn[0] in allowed
    if top_k == 1 or top_p == 0.01:
        best = max(logits[token] for token in allowed)
        assert logits[drawn[0]] == best


def test_killed_run_ends_with_the_same_bytes(writers: dict[str, Path], tmp_path: Path) -> None:
    arguments = [
        sys.executable, "-m", "pipeline_lib.cli", "generate", "--model", str(writers["causal"]),
        "-n", "20", "--length", "50", "--batch-size", "2", "--device", "cpu", "-o",
    ]  # fmt: skip
    process = subprocess.Popen(
        [*arguments, str(tmp_path / "a.fa")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 60
    while len(list(tmp_path.glob(".a.fa.parts/*.npz"))) < 2:
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "a.fa").exists()
    for name in ("a.fa", "b.fa"):
        subprocess.run([*arguments, str(tmp_path / name)], check=True, capture_output=True)
    assert (tmp_path / "a.fa").read_bytes() == (tmp_path / "b.fa").read_bytes()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.fa", "a.fa.json", "b.fa", "b.fa.json"]


def test_summary_sets_the_sequences_beside_the_genome(
    writers: dict[str, Path], genome: Path, tmp_path: Path
) -> None:
    settings = GenerationEntry(count=5, length=60)
    output = tmp_path / "new.fa"
    summary = generate_sequences(writers["hyena"], output, settings, seed=1, compare=genome)
    assert summary == json.loads((tmp_path / "new.fa.json").read_text())
    letters = "".join(written(output).values())
    gc = (letters.count("G") + letters.count("C")) / 300
    assert summary["gc"]["mean"] == pytest.approx(gc) and summary["bases"] == 300
    assert 0 < summary["distance_3mers"]["genome"] < summary["distance_6mers"]["genome"] <= 1


@given(st.text("ACGT", max_size=40), st.integers(1, 4))
def test_spectrum_counts_words(text: str, size: int) -> None:
    found = spectrum([text], size)
    for number, share in enumerate(found):
        word = "".join("ACGT"[number // 4**place % 4] for place in reversed(range(size)))
        times = sum(text.startswith(word, at) for at in range(len(text)))
        assert share == pytest.approx(times / max(len(text) - size + 1, 1))
    assert distance(found, found) == 0
    assert distance(np.array([1.0, 0]), np.array([0, 1.0])) == 1


def teach_gc(folder: Path, destination: Path) -> Path:
    """Fit the last layer of a model's head for numbers to GC, by least squares."""
    writer, rng = Writer.load(folder), np.random.default_rng(0)
    shares = rng.uniform(0.1, 0.9, 1500)
    texts = ["".join(rng.choice(list("ACGT"), 30, p=[(1 - s) / 2, s / 2, s / 2, (1 - s) / 2]))
             for s in shares]  # fmt: skip
    network = writer.network
    assert isinstance(network, CausalLanguageModel) and network.regression is not None
    vocabulary = writer.encoder.vocabulary
    ask = [vocabulary.sep, vocabulary.id("<M>")]
    tokens = torch.tensor([[*writer.begin(text.encode()), *ask] for text in texts])
    head = network.regression
    with torch.inference_mode():
        hidden = network.encoder(tokens)[:, -1]
        features = head.norm(functional.silu(head.expand(hidden)))
        truth = torch.tensor([[(t.count("G") + t.count("C")) / 30] for t in texts]).double()
        weights = torch.linalg.lstsq(features, truth).solution.T
    _, shape = load_language_model(folder)
    head.contract.weight.data = weights.clone()
    save_model(destination, network.float(), shape, folder / "tokenizer.json", card="test")
    return destination


def test_numbers_are_those_that_the_head_of_the_model_reads(
    writers: dict[str, Path], tmp_path: Path
) -> None:
    """A head whose weights are random knows nothing of GC, and is not believed."""
    settings = GenerationEntry(count=2, length=30, numbers={"gc": 0.4})
    writer = Writer.load(writers["words"])
    lines = [writer.begin(b"ACGTTG"), writer.begin(b"GGGCCC")]
    said = writer.numbers(lines, [[], []])
    assert said.shape == (2,) and said[0] != said[1]
    with pytest.raises(InputError, match="does not know what share of bases is G or C"):
        generate_sequences(writers["words"], tmp_path / "new.fa", settings, seed=1)
    taught = teach_gc(writers["words"], tmp_path / "taught")
    found = {}
    for gc in (0.2, 0.7):
        settings = GenerationEntry(count=12, length=30, numbers={"gc": gc}, candidates=24)
        summary = generate_sequences(taught, tmp_path / "new.fa", settings, seed=1)
        found[gc] = summary["gc"]["mean"]
    assert "gc=0.7" in (tmp_path / "new.fa").read_text()
    assert found[0.7] - found[0.2] > 0.03
    with pytest.raises(InputError, match="has no head for numbers"):
        generate_sequences(writers["hyena"], tmp_path / "new.fa", settings, seed=1)


def test_mistakes_are_sentences(
    writers: dict[str, Path], models: dict[str, Path], tmp_path: Path
) -> None:
    output, model = ["-o", str(tmp_path / "new.fa")], str(writers["causal"])
    wrong = {
        "cannot write from left to right": ["--model", str(models["bases"])],
        "base 3 is 'N'": ["--model", model, "--prompt", "ACNT"],
        "do not fit into the context of 64 tokens": ["--model", model, "--length", "64"],
        "at most 63 bases": ["--model", model, "--length", "100"],
        "--top-p": ["--model", model, "--top-p", "0"],
        "`prompt` or `prompts`, not both": [
            "--model", model, "--prompt", "A", "--prompts", str(tmp_path / "p.fa"),
        ],
        "NAME=VALUE": ["--model", model, "--number", "gc"],
        "no number that a model was trained with": ["--model", model, "--number", "tata=1"],
        "has no config.json|config.json is missing": ["--model", str(tmp_path)],
        "no such file": ["--model", model, "--prompts", str(tmp_path / "none.fa")],
    }  # fmt: skip
    for said, arguments in wrong.items():
        answer = CliRunner().invoke(app, ["generate", *arguments, *output])
        assert isinstance(answer.exception, InputError), (said, answer.output)
        assert any(one in str(answer.exception) for one in said.split("|")), str(answer.exception)
    assert list(tmp_path.iterdir()) == []
