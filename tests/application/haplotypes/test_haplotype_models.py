"""Training, drawing and reporting: what is learnt, and that a kill leaves no trace."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipeline_lib.application.haplotypes.files import read_panel, write_panel
from pipeline_lib.application.haplotypes.generation import draw, generate_haplotypes
from pipeline_lib.application.haplotypes.model import HaplotypeModel, load_haplotype_model
from pipeline_lib.application.haplotypes.panel import Panel, split_individuals, unknown_sites
from pipeline_lib.application.haplotypes.training import train_haplotypes
from pipeline_lib.cli import app
from pipeline_lib.config.application_haplotypes import HaplotypeTraining
from pipeline_lib.errors import InputError

SITES = 23
TINY = HaplotypeTraining(
    layers=1, width=32, heads=2, epochs=6, batch_size=16, warmup_steps=5, checkpoint_every=50,
    alleles_per_token=3,
)  # fmt: skip


def two_populations(count: int = 400, seed: int = 0) -> Panel:
    """Return haplotypes of two populations whose alleles are opposite at most sites."""
    rng = np.random.default_rng(seed)
    member = rng.integers(0, 2, count // 2).repeat(2)
    alleles = (rng.random((count, SITES)) < np.where(member, 0.95, 0.05)[:, None]).astype(np.uint8)
    names = [f"S{row // 2}_{'AB'[row % 2]}" for row in range(count)]
    return Panel(alleles, names, unknown_sites(SITES))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    write_panel(folder / "real.hapt", two_populations())
    train_haplotypes(two_populations(), folder / "model", TINY, seed=3)
    return folder


def test_tokens_and_alleles_are_two_forms_of_one() -> None:
    model = HaplotypeModel(SITES, TINY)
    alleles = two_populations(10).alleles
    tokens = model.tokens(alleles)
    assert tokens.shape == (10, 8)
    assert (model.decode(tokens) == alleles).all()


def test_a_fresh_model_knows_the_frequencies() -> None:
    panel = two_populations(4000)
    model = HaplotypeModel(SITES, TINY).eval()
    model.start_from(model.tokens(panel.alleles))
    drawn = draw(model, np.random.default_rng(0).random((4000, model.length)), 1.0)
    assert drawn.mean(axis=0) == pytest.approx(panel.alleles.mean(axis=0), abs=0.04)
    like = [(one[:, :3].sum(axis=1) % 3 == 0).mean() for one in (drawn, panel.alleles)]
    assert like[0] == pytest.approx(like[1], abs=0.04)  # sites of one token, together


def test_training_learns_what_links_sites(trained: Path) -> None:
    model, config, _ = load_haplotype_model(trained / "model")
    panel = two_populations(2000, seed=5)
    tokens = torch.from_numpy(model.tokens(panel.alleles))
    with torch.inference_mode():
        bits = (
            -model(tokens).gather(2, tokens[..., None]).sum().item()
            / panel.alleles.size
            / np.log(2)
        )
    truth = -0.95 * np.log2(0.95) - 0.05 * np.log2(0.05)
    assert bits < truth + 0.12  # sites taken one by one have 1 bit each
    assert config["splits"] == {"train": 320, "valid": 40, "test": 40}
    assert config["best_valid_bits_per_allele"] < 0.45


def test_one_token_at_a_time_is_the_whole_at_once(trained: Path) -> None:
    model, _, _ = load_haplotype_model(trained / "model")
    model = model.double()
    uniforms = np.random.default_rng(0).random((7, model.length))
    drawn = model.tokens(draw(model, uniforms, 1.0))
    with torch.inference_mode():
        reached = model(torch.from_numpy(drawn)).softmax(dim=-1).cumsum(dim=-1).numpy()
    expected = (reached <= uniforms[..., None] * reached[..., -1:]).sum(axis=-1)
    assert (drawn == expected).all()
    with torch.inference_mode():
        likeliest = draw(model, uniforms, 0.0)
        scores = model(torch.from_numpy(model.tokens(likeliest)))
    assert (model.decode(scores.argmax(dim=-1).numpy()) == likeliest).all()
    assert (likeliest == likeliest[0]).all()


def test_sites_that_are_not_there_are_never_drawn() -> None:
    model = HaplotypeModel(4, TINY).eval()  # two tokens of three sites, two of which are padding
    tokens = torch.zeros(1, 2, dtype=torch.long)
    with torch.inference_mode():
        chances = model(tokens).exp()[0, 1]
    assert chances[2:].sum() == 0 and chances.sum().item() == pytest.approx(1)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "pipeline_lib.cli", *map(str, arguments)]


def kill_when(arguments: list[str], folder: Path, pattern: str, count: int) -> None:
    """Start a command, and kill it as soon as there are so many files."""
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while len(list(folder.glob(pattern))) < count:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_killed_training_ends_with_the_same_weights(trained: Path, tmp_path: Path) -> None:
    arguments = command(
        "haplotypes", "train", trained / "real.hapt", "-o", tmp_path / "model", "--seed", 3,
        "--layers", 1, "--width", 32, "--alleles-per-token", 3, "--epochs", 2,
        "--batch-size", 16, "--checkpoint-every", 7, "--device", "cpu",
    )  # fmt: skip
    kill_when(arguments, tmp_path, ".model.checkpoints/step-*/checksums.json", 2)
    assert not (tmp_path / "model").exists()
    subprocess.run(arguments, check=True, capture_output=True)
    # The command's warm-up is longer than that of the fixture: an undisturbed run of its own.
    subprocess.run(
        [*arguments[:-1], "cpu", "-o", tmp_path / "whole"], check=True, capture_output=True
    )
    assert contents(tmp_path / "model") == contents(tmp_path / "whole")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_killed_drawing_ends_with_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    arguments = command(
        "haplotypes", "generate", trained / "model", "-n", 2000, "--seed", 4, "--device", "cpu",
    )  # fmt: skip
    output = tmp_path / "killed" / "new.vcf.gz"
    output.parent.mkdir()
    kill_when([*arguments, "-o", str(output)], output.parent, ".new.vcf.gz.parts/*.npz", 2)
    assert not output.exists()
    subprocess.run([*arguments, "-o", output], check=True, capture_output=True)
    whole = generate_haplotypes(trained / "model", tmp_path / "whole.vcf.gz", 2000, seed=4)
    assert output.read_bytes() == (tmp_path / "whole.vcf.gz").read_bytes()
    assert sorted(path.name for path in output.parent.iterdir()) == ["new.vcf.gz", "new.vcf.gz.tbi"]
    fewer = generate_haplotypes(trained / "model", tmp_path / "fewer.hapt", 300, seed=4)
    assert (fewer.alleles == whole.alleles[:300]).all() and fewer.names == whole.names[:300]
    other = generate_haplotypes(trained / "model", tmp_path / "other.hapt", 300, seed=5)
    assert (other.alleles != fewer.alleles).any()


def test_report_says_what_is_copied_and_resumes(trained: Path, tmp_path: Path) -> None:
    real = read_panel(trained / "real.hapt")
    generate_haplotypes(trained / "model", tmp_path / "ours.hapt", 400, seed=1)
    write_panel(tmp_path / "copy.hapt", real)
    rows = ["sample\tpopulation", *(f"S{number}\tp{number % 2}" for number in range(200))]
    (tmp_path / "people.tsv").write_text("\n".join(rows) + "\n")
    arguments = command(
        "haplotypes", "report", "--real", trained / "real.hapt", "--model", trained / "model",
        "-s", f"ours={tmp_path / 'ours.hapt'}", "-s", f"<copy>={tmp_path / 'copy.hapt'}",
        "--populations", tmp_path / "people.tsv",
    )  # fmt: skip
    kill_when([*arguments, "-o", str(tmp_path / "a")], tmp_path, ".a.parts/*.npz", 2)
    subprocess.run([*arguments, "-o", tmp_path / "a"], check=True, capture_output=True)
    subprocess.run([*arguments, "-o", tmp_path / "b"], check=True, capture_output=True)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    scores = json.loads((tmp_path / "a" / "scores.json").read_text())["scores"]
    assert list(scores) == ["ours", "<copy>", "independent sites", "Markov chain", "real, halves"]
    known = {
        row.tobytes()
        for row in real.alleles[split_individuals(real.names, valid=0.1, test=0.1, seed=3)["train"]]
    }
    assert scores["<copy>"]["copies"] == sum(row.tobytes() in known for row in real.alleles)
    assert scores["<copy>"]["copies"] < scores["<copy>"]["copies_of_any"] == 400
    assert scores["<copy>"]["af_r"]["value"] == pytest.approx(1)
    assert scores["<copy>"]["distance_w1"] == scores["<copy>"]["pc1_w1"] == 0
    assert scores["<copy>"]["aa_truth"]["value"] == 0  # every haplotype has its copy
    assert scores["ours"]["ld_r"]["value"] > 0.5 > scores["independent sites"]["ld_r"]["value"]
    page = (tmp_path / "a" / "report.html").read_text()
    assert "&lt;copy&gt;" in page and "<copy>" not in page and page.count("<img") == 6


def test_mistakes_are_sentences(trained: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    model, real = str(trained / "model"), str(trained / "real.hapt")
    wrong = {
        "no format of haplotypes": ["generate", model, "-o", str(tmp_path / "x.txt")],
        "cannot be paired": ["generate", model, "-n", "3", "-o", str(tmp_path / "x.vcf")],
        "cannot be read as a model": ["generate", str(tmp_path), "-o", str(tmp_path / "x.hapt")],
        "not a multiple": ["train", real, "-o", str(tmp_path / "m"), "--width", "30"],
        "NAME=FILE": ["report", "--real", real, "-s", "ours", "-o", str(tmp_path / "r")],
        "always shown": ["report", "--real", real, "-s", f"Markov chain={real}", "-o", "r"],
    }
    for said, arguments in wrong.items():
        answer = run(app, ["haplotypes", *arguments])
        assert isinstance(answer.exception, InputError), (said, answer.output)
        assert said in str(answer.exception)
    write_panel(tmp_path / "few.hapt", two_populations().take(np.arange(4)))
    (tmp_path / "few.hapt").write_text("AG A 0 1\n")
    answer = run(app, ["haplotypes", "report", "--real", real, "-s", f"a={tmp_path / 'few.hapt'}",
                       "-o", str(tmp_path / "r")])  # fmt: skip
    assert "has 2 sites, the real haplotypes 23" in str(answer.exception)
    assert not (tmp_path / "r").exists() and not (tmp_path / "m").exists()
