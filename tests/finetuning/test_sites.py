"""Examples of translation initiation sites: yeast, and small genomes made for a purpose."""

import gzip

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.examples import DECOYS, EXAMPLE_SCHEMA, read_examples
from pipeline_lib.finetuning.homology import find_homology
from pipeline_lib.finetuning.sites import build_sites, draw
from pipeline_lib.genome import Genome
from pipeline_lib.sequence import reverse_complement


def test_columns_and_order(examples, sites):
    assert read_examples(sites / "examples.parquet").target.names == ("decoy", "tis")
    assert list(examples.columns) == EXAMPLE_SCHEMA.names
    assert examples["example"].tolist() == list(range(len(examples)))


def test_every_window_is_the_genome_and_has_its_atg(examples, yeast):
    with Genome(yeast) as genome:
        for row in examples.iloc[::97].itertuples():
            window = genome.fetch(row.contig, row.start, row.end).upper()
            codon = genome.fetch(row.contig, row.position, row.position + 3).upper()
            if row.strand == "-":
                window, codon = reverse_complement(window), reverse_complement(codon)
            assert codon == b"ATG"
            assert row.sequence.encode() == window
    focus = [s[f : f + 3] for s, f in zip(examples["sequence"], examples["focus"], strict=True)]
    assert set(focus) == {"ATG"}
    assert set(examples["sequence"].str.len()) == {303}


def test_true_sites_are_the_annotated_starts_of_yeast(examples, sites, resources):
    """Count by a parser of its own: first CDS line of each transcript, in its direction."""
    first = {}
    with gzip.open(resources / "S288C_R64-1-1.99.gff3.gz", "rt") as handle:
        for line in handle:
            columns = line.rstrip("\n").split("\t")
            if len(columns) < 9 or columns[2] != "CDS" or columns[0] == "Mito":
                continue
            parent = columns[8].split("Parent=")[1].split(";")[0]
            start = int(columns[3]) - 1 if columns[6] == "+" else int(columns[4]) - 3
            better = min if columns[6] == "+" else max
            first[parent] = better(start, first.get(parent, start))
    stats = read_json(sites / "stats.json")
    assert stats["transcripts"] == len(first) == 6572
    drawn = sum(split["tis"] for split in stats["drawn"].values())
    assert drawn + sum(stats["sites_left_out"].values()) == len(first)
    positions = examples.loc[examples["kind"] == "tis", "position"]
    assert set(positions) <= set(first.values())


def test_splits_are_by_contig_and_balanced(examples, sites, yeast):
    with Genome(yeast) as genome:
        held = {genome.resolve(name): "valid" for name in ("I", "III")}
        held |= {genome.resolve(name): "test" for name in ("VI", "IX")}
    expected = [held.get(contig, "train") for contig in examples["contig"]]
    assert examples["split"].tolist() == expected
    stats = read_json(sites / "stats.json")
    for split in ("train", "valid", "test"):
        drawn = stats["drawn"][split]
        assert {drawn[kind] for kind in DECOYS} == {drawn["tis"]}
        kept = examples.loc[examples["split"] == split, "kind"].value_counts().to_dict()
        assert kept == stats["examples"][split]


def test_no_two_splits_share_homologous_examples(examples, make_task):
    task = make_task()
    assert (examples.groupby("group")["split"].nunique() == 1).all()
    sequences = [sequence.encode() for sequence in examples["sequence"]]
    found = find_homology(sequences, k=task.homology_kmer, shared=task.homology_shared)
    for split in ("train", "valid", "test"):
        members = (examples["split"] == split).to_numpy()
        assert not (found.linked_to(members) & ~members).any()
    # 6,572 genes, some of them in families: neither all alone nor all in one lump
    assert 0.2 * len(examples) < examples["group"].nunique() < 0.8 * len(examples)
    assert examples["group"].value_counts().iloc[0] < 0.05 * len(examples)


def test_decoys_are_what_they_are_called(examples, yeast):
    sites = examples[examples["kind"] == "tis"]
    starts = set(zip(sites["contig"], sites["strand"], sites["position"], strict=True))
    decoys = examples[examples["kind"] != "tis"]
    places = zip(decoys["contig"], decoys["strand"], decoys["position"], strict=True)
    assert not starts & set(places)
    assert ([one[0] for one in examples["target"]] == (examples["kind"] == "tis")).all()
    assert not examples.duplicated(["contig", "strand", "position"]).any()
    assert (examples.loc[examples["kind"] == "intergenic", "gene"] == "").all()
    assert (examples.loc[examples["kind"] != "intergenic", "gene"] != "").all()


def test_the_seed_decides_and_nothing_else(small_genome, make_task, tmp_path, random_dna):
    folder = small_genome(*genes(random_dna, ["a", "b", "c"]))
    task = make_task(upstream=20, downstream=20, holdouts=hold("b", "c"))
    outputs = {}
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        build_sites(folder, tmp_path / name, task, assembly="test", seed=seed)
        outputs[name] = (tmp_path / name / "examples.parquet").read_bytes()
    assert outputs["one"] == outputs["again"] != outputs["other"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_planted_copy_in_another_split_is_caught(
    small_genome, make_task, tmp_path, random_dna, turned
):
    contigs, features = genes(random_dna, ["a", "b", "c"])
    # The gene at 200 of contig c is copied onto contig a, or its reverse complement is.
    copied = contigs["c"][100:400]
    if turned:
        copied = reverse_complement(copied.encode()).decode()
        moved = [line.replace("200 299 . +", "202 301 . -") for line in features if line[0] == "a"]
        features = moved + [line for line in features if line[0] != "a"]
    contigs["a"] = contigs["a"][:100] + copied + contigs["a"][400:]
    folder = small_genome(contigs, features)
    task = make_task(upstream=20, downstream=20, holdouts=hold("b", "c"))
    build_sites(folder, tmp_path / "sites", task, assembly="test", seed=1)
    stats = read_json(tmp_path / "sites" / "stats.json")
    assert stats["homology"]["dropped"]["train"]["tis"] == 1
    assert stats["homology"]["dropped"]["test"]["tis"] == 0
    kept = read_examples(tmp_path / "sites" / "examples.parquet").table
    train = kept[(kept["split"] == "train") & (kept["kind"] == "tis")]
    assert sorted(train["position"]) == [599, 999, 1399, 1799]
    assert stats["leak"] == {"exact": 0.0, "homologous": 0.0}
    # Under the protocol of papers it is left in, and said.
    paper = make_task(upstream=20, downstream=20, holdouts=hold("b", "c"), protocol="paper")
    build_sites(folder, tmp_path / "paper", paper, assembly="test", seed=1)
    counted = read_json(tmp_path / "paper" / "stats.json")
    everything = read_examples(tmp_path / "paper" / "examples.parquet").of("test")
    assert counted["leak"] == counted["leak_before"] == stats["leak_before"]
    assert counted["leak"]["exact"] >= 1 / len(everything)
    assert counted["homology"]["dropped"]["train"]["tis"] == 0


def test_draw_makes_up_for_genes_without_decoys():
    rows = [("c", "tis", "g1"), ("c", "tis", "g2"), *[("c", "upstream", "g1")] * 5]
    rows += [("c", "in_frame", "g1"), ("c", "in_frame", "g2"), ("c", "in_frame", "g2")]
    table = pd.DataFrame(rows, columns=["contig", "kind", "gene"])
    table = table.assign(split="train", priority=np.linspace(0.9, 0.1, len(table)))
    kinds = draw(table, 1)[["kind", "gene"]].value_counts().to_dict()
    assert kinds[("upstream", "g1")] == 2
    assert kinds[("in_frame", "g1")] == kinds[("in_frame", "g2")] == 1


def test_windows_across_a_held_out_interval_are_left_out(
    small_genome, make_task, tmp_path, random_dna
):
    folder = small_genome(*genes(random_dna, ["a", "b", "c"]))
    bed = tmp_path / "held.bed"
    bed.write_text("a\t210\t900\n")
    holdouts = {"valid": {"contigs": ["b"]}, "test": {"bed": str(bed)}}
    task = make_task(upstream=20, downstream=20, holdouts=holdouts)
    build_sites(folder, tmp_path / "sites", task, assembly="test", seed=1)
    stats = read_json(tmp_path / "sites" / "stats.json")
    assert stats["sites_left_out"]["window across the border of a holdout"] == 1
    kept = read_examples(tmp_path / "sites" / "examples.parquet").table
    test = kept[kept["split"] == "test"]
    assert ((test["start"] >= 210) & (test["end"] <= 900) & (test["contig"] == "a")).all()


@pytest.mark.parametrize(
    ("valid", "test", "said"),
    [
        ("b", "chrQ", "'chrQ' names no contig"),
        ("b", "b", "both validation and"),
        ("empty", "c", "split 'valid' has no translation initiation sites"),
    ],
)
def test_unusable_holdouts(small_genome, make_task, tmp_path, random_dna, valid, test, said):
    contigs, features = genes(random_dna, ["a", "b", "c"])
    folder = small_genome({**contigs, "empty": random_dna(1000, 99)}, features)
    task = make_task(upstream=20, downstream=20, holdouts=hold(valid, test))
    with pytest.raises(InputError, match=said):
        build_sites(folder, tmp_path / "sites", task, assembly="test", seed=1)
    assert not (tmp_path / "sites").exists()


def test_no_annotation_and_no_cds(small_genome, make_task, tmp_path, random_dna):
    folder = small_genome({"a": random_dna(500, 1)}, ["a test gene 100 200 . + . ID=g"])
    with pytest.raises(InputError, match="has no CDS features"):
        build_sites(folder, tmp_path / "sites", make_task(), assembly="test", seed=1)
    (folder / "annotation.gff3.gz").unlink()
    with pytest.raises(InputError, match=r"'test' has no annotation.*annotation` to its GFF3"):
        build_sites(folder, tmp_path / "sites", make_task(), assembly="test", seed=1)


def hold(valid, test):
    return {"valid": {"contigs": [valid]}, "test": {"contigs": [test]}}


def genes(random_dna, names):
    """Return contigs with a gene of 100 bases at every 400, from 199 on (0-based)."""
    contigs, features = {}, []
    for seed, name in enumerate(names):
        sequence = list(random_dna(2000, seed))
        for start in range(199, 1800, 400):
            sequence[start : start + 3] = "ATG"
            gene, span = f"{name}{start}", f"{start + 1} {start + 100} . +"
            features.append(f"{name} test gene {span} . ID={gene}")
            features.append(f"{name} test mRNA {span} . ID=t{gene};Parent={gene}")
            features.append(f"{name} test CDS {span} 0 ID=c{gene};Parent=t{gene}")
        contigs[name] = "".join(sequence)
    return contigs, features
