"""Windows of several genomes: which contig goes where, what a window holds, what is refused."""

from collections import Counter

import numpy as np
import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.build import build_examples
from pipeline_lib.finetuning.examples import read_examples
from pipeline_lib.finetuning.sources.species import read
from pipeline_lib.genome import prepare_genome


@pytest.fixture(scope="module")
def genomes(tmp_path_factory, random_dna):
    """Return three genomes: contigs of many lengths, and one with unknown bases."""
    folder = tmp_path_factory.mktemp("species")
    found = {}
    for number, name in enumerate(("ape", "bee", "cat")):
        contigs = {f"chr{i}": random_dna(1_200 * i, 10 * number + i) for i in range(1, 7)}
        contigs["chr4"] = "N" * 2_000 + contigs["chr4"][2_000:]
        text = "".join(f">{contig}\n{bases}\n" for contig, bases in contigs.items())
        (folder / f"{name}.fa").write_text(text)
        settings = Assembly(path="x", min_contig_length=1)
        prepare_genome(folder / f"{name}.fa", folder / name, settings, name=name)
        found[name] = folder / name
    return found


def task(**changes):
    base = {"type": "species", "assemblies": ["ape", "bee", "cat"], "length": 100, "windows": 60}
    return parse_task(base | changes)


def test_a_contig_is_in_one_split_and_species_are_alike(genomes, fetch):
    raw = read(task(), genomes, seed=3)
    table = raw.table
    assert (table.groupby(["assembly", "contig"])["split"].nunique() == 1).all()
    counts = Counter(zip(table["assembly"], table["split"], strict=True))
    for name in genomes:
        assert counts[name, "test"] == 15 and counts[name, "valid"] == 9
        assert counts[name, "train"] == 36
    names = np.array(raw.target.names)[np.stack(table["target"])[:, 0].astype(int)]
    assert names.tolist() == table["assembly"].tolist()
    for row in table.iloc[::17].itertuples():
        assert fetch(genomes[row.assembly], row.contig, row.start, row.end) == row.sequence
    # side by side, never over each other
    for _, own in table.groupby(["assembly", "contig"]):
        starts = np.sort(own["start"].to_numpy())
        assert (np.diff(starts) >= 100).all()
    assert not (table["sequence"].str.count("N") > 10).any()


def test_published_contigs(genomes):
    changes = {"valid_contigs": ["2"], "test_contigs": ["1", "chr3"], "protocol": "paper"}
    table = read(task(**changes, windows=400), genomes, seed=3).table
    found = table.groupby("split")["contig"].unique().map(set).to_dict()
    assert found["valid"] == {"chr2"} and found["test"] == {"chr1", "chr3"}
    assert found["train"] == {"chr4", "chr5", "chr6"}
    # contigs are drawn alike, whatever their lengths, but for the unknown half of chr4
    test = table[table["split"] == "test"]
    share = (test["contig"] == "chr1").mean()
    assert share == pytest.approx(0.5, abs=0.12)


def test_holdouts_of_one_species(genomes):
    holdouts = {"test": {"contigs": ["ape:chr2", "bee:chr3", "cat:chr5"]}}
    table = read(task(holdouts=holdouts), genomes, seed=3).table
    test = table[table["split"] == "test"]
    found = set(zip(test["assembly"], test["contig"], strict=True))
    assert found == {("ape", "chr2"), ("bee", "chr3"), ("cat", "chr5")}


def test_examples_are_the_same_for_a_seed_and_nothing_leaks(genomes, tmp_path):
    for name in ("one", "two"):
        build_examples(tmp_path / name, task(), genomes=genomes, seed=5)
    one, two = ((tmp_path / name / "examples.parquet").read_bytes() for name in ("one", "two"))
    assert one == two
    examples = read_examples(tmp_path / "one" / "examples.parquet")
    assert examples.target.names == ("ape", "bee", "cat")
    stats = read_json(tmp_path / "one" / "stats.json")
    assert stats["leak"] == {"exact": 0.0, "homologous": 0.0}
    assert sum(stats["contigs"]["cat"].values()) == 6


def test_too_little_sequence(genomes):
    with pytest.raises(InputError, match="'ape' has no contig with a usable window of 7,000 bases"):
        read(task(length=7_000), genomes)


def test_settings():
    assert task().homology_shared == 33
    assert task(homology_shared=50).homology_shared == 50
    with pytest.raises(ValueError, match="names 'ape' twice"):
        task(assemblies=["ape", "bee", "ape"])
    with pytest.raises(ValueError, match="'1' is in `valid_contigs` and in `test_contigs`"):
        task(valid_contigs=["1"], test_contigs=["1"])
