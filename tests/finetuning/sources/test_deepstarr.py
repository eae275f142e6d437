"""DeepSTARR's FASTA files with tables of activities."""

import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.deepstarr import read


def task(folder, **changes):
    files = (f"{folder}/test_Sequences.fa", f"{folder}/test_Sequences_activity.txt")
    values = {"type": "deepstarr", "train": files[0], "train_activity": files[1]}
    return parse_task(values | {"test": files[0], "test_activity": files[1]} | changes)


def test_sample_of_the_published_files(shared):
    raw = read(task(shared / "data" / "task_schemas" / "DeepSTARR"))
    table = raw.table
    assert table["split"].value_counts().to_dict() == {"train": 10, "test": 10}
    assert raw.target.names == ("Dev_log2_enrichment", "Hk_log2_enrichment")
    first = table.iloc[0]
    assert first["target"] == pytest.approx([3.41830647507405, 1.98308120651419])
    assert (first["contig"], first["strand"], first["kind"]) == ("chr2R", "+", "positive_peaks")
    assert ((table["end"] - table["start"]) == table["sequence"].str.len()).all()
    # a place is one group, in whatever file it is
    assert table["group"][:10].tolist() == table["group"][10:].tolist()


@pytest.mark.parametrize(
    ("fasta", "activity", "said"),
    [
        (">chrX_1_4_+_peak\nACGT\n", "a\tb\n1\t2\n3\t4\n", ["2 rows, and 1 sequences"]),
        (">chrX_1_9_+_peak\nACGT\n", "a\tb\n1\t2\n", ["line 1", "4 bases"]),
        (">chrX:1-4\nACGT\n", "a\tb\n1\t2\n", ["'chrX:1-4'", "contig_start_end_strand_class"]),
        (">chrX_1_4_-_peak\nACGT\n", "a\tb\n1\t-\n", ["line 2, column 'b'", "'-'"]),
        (">chrX_1_4_-_peak\nACGT\n", "a\tc\n1\t2\n", ["no column 'b'"]),
    ],
)
def test_malformed_files(write, fasta, activity, said):
    files = {"train": write("a.fa", fasta), "train_activity": write("a.txt", activity)}
    files |= {"test": files["train"], "test_activity": files["train_activity"]}
    with pytest.raises(InputError) as error:
        read(task("", **files, target=["a", "b"]))
    assert all(part in str(error.value) for part in said)
