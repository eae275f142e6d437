"""DeepGSR's polyadenylation signals: counts, motifs, places; and malformed files."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.fasta_classes import read

MOTIFS = [
    *("AATAAA", "AAAAAG", "AAAACA", "AAGAAA", "AATACA", "AATAGA", "AATATA", "AATGAA"),
    *("ACTAAA", "AGTAAA", "ATTAAA", "CATAAA", "GATAAA", "GGGGCT", "TATAAA", "TTTAAA"),
]


@pytest.fixture
def deepgsr(shared):
    def make(species="Human", prefix="hs", **changes):
        folder = shared / "data" / "deepgsr_pas" / species
        values = {
            "type": "fasta_classes",
            "positive": f"{folder}/{prefix}_[ACGT]*",
            "negative": f"{folder}/{prefix}_neg*",
            "motif_start": 300,
            "motifs": MOTIFS,
        }
        return parse_task(values | changes)

    return make


def classes(table):
    return np.stack(table["target"])[:, 0]


@pytest.mark.parametrize(
    ("species", "prefix", "count", "unique"),
    [("Human", "hs", 9_631, 6_914), ("FruitFly", "dm", 8_562, None)],
)
def test_counts_are_the_published_ones(deepgsr, species, prefix, count, unique):
    raw = read(deepgsr(species, prefix))
    table = raw.table
    assert raw.target.names == ("negative", "positive")
    assert np.bincount(classes(table).astype(int)).tolist() == [count, count]
    assert table["kind"].nunique() == 15  # the 16th, AATAAA, is not among these files
    assert set(table["sequence"].str.len()) == {606}
    assert (table["sequence"].str[300:306] == table["kind"]).all()
    if unique is not None:  # many positives are exact copies: a random split would leak
        assert table.loc[classes(table) == 1, "sequence"].nunique() == unique


def test_motif_is_cut_out_at_the_focus(deepgsr):
    files = deepgsr().positive[0].replace("[ACGT]*", "TATAAA*")
    whole, cut = (
        read(deepgsr(positive=files, remove_motif=remove)).table for remove in (False, True)
    )
    assert set(cut["sequence"].str.len()) == {600}
    assert (cut["focus"] == 300).all()
    joined = whole["sequence"].str[:300] + whole["sequence"].str[306:]
    assert joined.equals(cut["sequence"])


def test_places_are_those_of_the_genome(deepgsr, chr20, fetch):
    table = read(deepgsr()).table
    here = table[table["contig"] == "chr20"]
    assert len(here) == 269
    off = []
    for row in here.itertuples():
        around = fetch(chr20, "20", row.start - 10, row.end + 10, row.strand)
        off.append(abs(around.index(row.sequence) - 10))
    # the headers are of the genome's GRCh37 version, and some are off by up to three bases
    assert max(off) <= 3
    assert np.mean(np.array(off) == 0) > 0.9
    assert (table.loc[classes(table) == 0, "contig"] == "").all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"motif_start": 2}, ["record '1'", "bases 3 to 5 of the 8 are 'GAA'", "'ACG'"]),
        ({"positive": "nowhere/*.fa"}, ["nowhere/*.fa", "no file is found"]),
    ],
)
def test_malformed_input_is_named(write, changes, said):
    positive = write("positive.fa", ">one\nACGTTAAA\n")
    negative = write("negative.fa", ">1\nACGAAAAA\n")
    values = {
        "type": "fasta_classes",
        "positive": positive,
        "negative": negative,
        "motif_start": 0,
        "motifs": ["ACG"],
    }
    assert len(read(parse_task(values)).table) == 2
    with pytest.raises(InputError) as error:
        read(parse_task(values | changes))
    assert all(part in str(error.value) for part in said)


def test_a_file_cannot_be_of_both_classes(write):
    path = write("a.fa", ">one\nACGT\n")
    with pytest.raises(InputError, match="as one of positive and as one of negative"):
        read(parse_task({"type": "fasta_classes", "positive": path, "negative": path}))


@pytest.mark.parametrize(
    "changes",
    [{"motif_start": 3}, {"remove_motif": True}, {"motif_start": 0, "motifs": ["A", "AC"]}],
)
def test_settings_that_contradict_each_other(changes):
    with pytest.raises(ValidationError):
        parse_task({"type": "fasta_classes", "positive": "a", "negative": "b"} | changes)
