"""Where examples lie: regions of yeast, and scores by place."""

import numpy as np
import pytest

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.families import FEWEST, Family, place_rows
from pipeline_lib.evaluation.measures import Predicted
from pipeline_lib.evaluation.places import where_examples_lie
from tests.evaluation import tasks

GENES = """\
a . gene 101 400 . + . ID=g
a . mRNA 101 400 . + . ID=t;Parent=g
a . exon 101 200 . + . Parent=t
a . exon 301 400 . + . Parent=t
a . CDS 151 200 . + 0 Parent=t
a . CDS 301 350 . + 1 Parent=t
"""


@pytest.fixture
def annotation(tmp_path):
    path = tmp_path / "annotation.gff3"
    lines = ["\t".join(line.split()) for line in GENES.splitlines()]
    path.write_text("\n".join(["##gff-version 3", *lines, ""]))
    return path


def test_the_most_particular_region_counts(annotation):
    examples = tasks.composition_numbers(6)
    place = [50, 120, 160, 250, 380, 2_000]
    table = examples.table.assign(contig=["a"] * 5 + ["b"], start=place, end=place, position=-1)
    examples = type(examples)(table, examples.target)
    found = where_examples_lie(examples, annotation)
    assert found["by_contig"].tolist() == ["a"] * 5 + ["b"]
    regions = ["promoter", "UTR", "CDS", "intron", "UTR", "intergenic"]
    assert found["by_region"].tolist() == regions
    assert list(where_examples_lie(examples, None)) == ["by_contig"]


def test_nothing_is_said_of_labels_and_of_what_has_no_place(annotation):
    assert where_examples_lie(tasks.composition_labels(40), annotation) == {}
    assert where_examples_lie(tasks.composition_classes(60), annotation) == {}


def test_scores_by_place_are_those_of_their_examples():
    examples = tasks.composition_classes(300)
    test = type(examples)(examples.table, examples.target)
    where = np.array(["one"] * 180 + ["two"] * 100 + ["few"] * (FEWEST - 1) + [""])
    rng = np.random.default_rng(0)
    scores = np.eye(3)[test.targets()[:, 0].astype(int)] + rng.normal(0, 0.8, (300, 3))
    settings = EvaluationConfig(bootstrap_samples=100)
    family = Family(test, settings, seed=1, places={"by_contig": where})
    family.add(Predicted(test.targets(), scores))
    found = family.result()
    assert list(found["by_contig"]) == ["one", "two"]
    assert [one["examples"] for one in found["by_contig"].values()] == [180, 100]
    alone = Family(type(test)(test.table[:180], test.target), settings, seed=1)
    alone.add(Predicted(test.targets()[:180], scores[:180]))
    assert found["by_contig"]["one"]["mcc"] == alone.result()["mcc"]


def test_places_of_one_class_are_left_out():
    examples = tasks.start_sites(300)
    labels = examples.targets()[:, 0]
    where = np.where(labels == 1, "true", "mixed")
    where[:40] = "mixed"
    assert [place for place, _ in place_rows(examples, where)] == ["mixed"]
