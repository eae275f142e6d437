"""Published tasks: their files say what they must, and real data go through both protocols."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.build import build_examples
from pipeline_lib.finetuning.examples import read_examples

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "config" / "tasks").glob("*.yaml"))
FACTS = ("Data", "Sizes", "Published split", "Published", "Known leak")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_task_files_can_be_read_and_say_where_they_come_from(file):
    text = file.read_text()
    comment = " ".join(
        line.removeprefix("#").strip() for line in text.splitlines() if line[0] == "#"
    )
    assert [fact for fact in FACTS if f" {fact}: " in comment] == list(FACTS)
    assert re.search(r"https?://\S+", comment)
    assert re.search(r"\b(19|20)\d\d\b", comment), "the year of the paper"
    settings = parse_task(yaml.safe_load(text))
    source = importlib.import_module(f"pipeline_lib.finetuning.sources.{settings.type}")
    assert callable(source.read)
    paths = [path for key in settings.PATHS if (path := getattr(settings, key))]
    assert paths
    if settings.assembly is not None:
        assert settings.assembly in comment, "which assembly the places are of"


def test_there_is_a_task_for_every_type_of_public_file():
    types = {yaml.safe_load(file.read_text())["type"] for file in FILES}
    folder = ROOT / "pipeline_lib" / "finetuning" / "sources"
    readers = {path.stem for path in folder.glob("*.py") if "\ndef read(" in path.read_text()}
    assert types == readers - {"table"}


@pytest.fixture
def build(tmp_path):
    """Return a function that makes the examples of a published task from the files at hand."""

    def make(name, protocol, genome=None, **changes):
        values = yaml.safe_load((ROOT / "config" / "tasks" / f"{name}.yaml").read_text())
        settings = parse_task(values | changes | {"protocol": protocol})
        folder = tmp_path / f"{name}-{protocol}"
        build_examples(folder, settings, genome=genome, seed=11)
        return read_examples(folder / "examples.parquet"), read_json(folder / "stats.json")

    return make


def test_exact_copies_of_polyadenylation_signals(build, shared):
    folder = shared / "data" / "deepgsr_pas" / "Human"
    files = {"positive": f"{folder}/hs_[GT]*", "negative": f"{folder}/hs_neg[GT]*"}
    paper, published = build("deepgsr_pas_human", "paper", **files)
    strict, kept_apart = build("deepgsr_pas_human", "strict", **files)
    assert len(paper) == len(strict)
    assert published["leak"]["exact"] > 0.1  # of all test examples, negatives too
    assert kept_apart["leak"] == {"exact": 0.0, "homologous": 0.0}
    copies = strict.table.groupby("sequence")["split"].nunique()
    assert (copies == 1).all()
    for examples in (paper, strict):
        shares = examples.table["split"].value_counts(normalize=True)
        assert shares["test"] == pytest.approx(0.25, abs=0.03)
        assert shares["valid"] == pytest.approx(0.15, abs=0.03)


def test_published_split_of_gue_is_kept_but_for_copies(build, shared):
    folder = str(shared / "data" / "gue" / "prom" / "prom_core_tata")
    paper, published = build("gue_prom_core_tata", "paper", folder=folder)
    strict, kept_apart = build("gue_prom_core_tata", "strict", folder=folder)
    assert len(paper) == 4_904 + 613 + 613
    assert len(strict.of("test")) == 613
    assert published["leak"]["exact"] == kept_apart["leak_before"]["exact"] > 0
    assert kept_apart["leak"] == {"exact": 0.0, "homologous": 0.0}
    dropped = sum(sum(counts.values()) for counts in kept_apart["dropped"].values())
    assert len(paper) - len(strict) == dropped > 0


def test_shuffled_promoters_stay_with_their_origin(build, human, chr20):
    changes = {"positions": str(human / "Hs_EPDnew_006_chr20_hg19.tsv.gz"), "genome": chr20}
    strict, _ = build("promoters_gena_300", "strict", **changes)
    _, published = build("promoters_gena_300", "paper", **changes)
    assert (strict.table.groupby("position")["split"].nunique() == 1).all()
    assert (strict.table.groupby("gene")["split"].nunique() == 1).all()
    assert published["leak"]["homologous"] > 0.3
    counts = strict.table["split"].value_counts(normalize=True)
    assert counts["test"] == pytest.approx(0.2, abs=0.05)


def test_pairs_of_one_enhancer_are_in_one_split(build, human, chr20):
    path = str(human / "targetfinder_epi_chr20_hg19.tsv.gz")
    # Windows shorter than published, for speed.
    lengths = {"enhancer_length": 400, "promoter_length": 400, "homology_shared": 150}
    strict, stats = build("targetfinder", "strict", chr20, file=path, contig="20", **lengths)
    assert stats["leak"] == {"exact": 0.0, "homologous": 0.0}
    for column in ("sequence", "partner"):
        assert (strict.table.groupby(column)["split"].nunique() == 1).all()
    assert {name: len(strict.of(name)) > 100 for name in ("train", "valid", "test")} == {
        "train": True,
        "valid": True,
        "test": True,
    }
    assert np.unique(strict.targets()).tolist() == [0.0, 1.0]
