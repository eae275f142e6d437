"""Sources of targets along the sequence: yeast's genes, human introns, tracks, published files."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.build import build_examples
from pipeline_lib.finetuning.examples import read_examples
from pipeline_lib.finetuning.sources import basenji, gene_structure, spliceai, tracks
from pipeline_lib.finetuning.sources.tracks import _Intervals
from pipeline_lib.genome import Genome, prepare_genome
from pipeline_lib.genome.annotation import read_features
from pipeline_lib.sequence import reverse_complement


@pytest.fixture(scope="module")
def genes(yeast):
    settings = parse_task({"type": "gene_structure", "assembly": "S288C", "window": 3000})
    with Genome(yeast) as genome:
        return gene_structure.read(settings, genome, seed=1)


def test_coding_bases_are_those_of_the_annotation(genes, yeast):
    table, names = genes.table, genes.target.names
    assert names == ("intergenic", "cds", "intron")  # four UTRs are too few
    here = table[(table["contig"] == "ref|NC_001133|") | (table["contig"] == "I")]
    first = min(here["position"])
    labels = np.concatenate(here["target"].to_list())
    coding = np.zeros(int(max(here["end"])), dtype=bool)
    contig = here["contig"].iloc[0]
    for feature in read_features(yeast / "annotation.gff3.gz", {"CDS"}):
        if feature.contig == contig:
            coding[feature.start : feature.end] = True
    np.testing.assert_array_equal(labels == names.index("cds"), coding[first:])
    introns = genes.notes["genome_bases"]["intron"]
    assert 50_000 < introns < 120_000
    assert genes.notes["genome_bases"]["cds"] > 8_000_000


def test_alternative_transcripts_and_genes_without_a_coding_part():
    one = gene_structure.Transcript("a", [(10, 20), (30, 40)], [(15, 20), (30, 35)])
    other = gene_structure.Transcript("a", [(10, 40)], [(12, 14)])
    silent = gene_structure.Transcript("a", [(38, 60)], [])
    codes = gene_structure.paint([silent, one, other], {"a": 70})["a"]
    names = np.array([*gene_structure.STRUCTURE, "unknown"])
    found = names[np.where(codes == 255, 4, codes)].tolist()
    expected = ["intergenic"] * 10 + ["utr"] * 2 + ["cds"] * 2 + ["utr"] + ["cds"] * 5
    expected += ["utr"] * 10 + ["cds"] * 5 + ["utr"] * 5 + ["unknown"] * 20 + ["intergenic"] * 10
    assert found == expected


def test_holdouts_and_written_examples(yeast, tmp_path):
    values = {
        "type": "gene_structure", "assembly": "S288C", "window": 1000, "context": 200,
        "max_windows": 400, "homology_shared": 300,
        "holdouts": {"valid": {"contigs": ["I", "III"]}, "test": {"contigs": ["VI", "IX"]}},
    }  # fmt: skip
    build_examples(tmp_path, parse_task(values), genome=yeast, seed=3)
    examples = read_examples(tmp_path / "examples.parquet")
    assert examples.target.units == 1000
    assert set(examples.table["sequence"].str.len()) == {1400}
    assert (examples.table.groupby("contig")["split"].nunique() == 1).all()
    np.testing.assert_array_equal(examples.table["position"] - examples.table["start"], 200)


@pytest.fixture(scope="module")
def splice(human, chr20):
    path = str(human / "spliceai_canonical_chr20_hg19.tsv.gz")
    values = {"type": "gene_structure", "assembly": "a", "labels": "splice", "table": path,
              "window": 2000, "max_windows": 1500}  # fmt: skip
    with Genome(chr20) as genome:
        return gene_structure.read(parse_task(values), genome, seed=3)


def test_exons_end_before_gt_and_begin_after_ag(splice):
    """Of each strand: donors lie before GT and acceptors after AG, for 99 % of them."""
    good = {1: [], 2: []}
    for text, target in zip(splice.table["sequence"], splice.table["target"], strict=True):
        for place in np.flatnonzero(target > 0):
            label = int(target[place])
            letters = text[place + 1 : place + 3] if label == 2 else text[max(place - 2, 0) : place]
            if len(letters) == 2:
                good[label].append(letters == ("GT" if label == 2 else "AG"))
    assert splice.target.names == ("neither", "acceptor", "donor")
    for found in good.values():
        assert len(found) > 300
        assert np.mean(found) > 0.98
    assert set(splice.table["strand"]) == {"+", "-"}
    assert splice.notes["sites"] > 8_000


def test_table_needs_splice():
    with pytest.raises(ValueError, match="goes with `labels: splice`"):
        parse_task({"type": "gene_structure", "assembly": "a", "table": "x.tsv"})
    with pytest.raises(ValueError, match="'probe', but targets along the sequence"):
        parse_task({"type": "gene_structure", "assembly": "a", "method": "probe"})


def track_task(*files, **changes):
    base = {"type": "tracks", "assembly": "a", "files": files, "window": 40, "bin": 10}
    return parse_task(base | changes)


@pytest.fixture(scope="module")
def small(random_dna, tmp_path_factory):
    """Return the folder of a genome of two contigs."""
    folder = tmp_path_factory.mktemp("small")
    fasta = folder / "a.fa"
    fasta.write_text(f">chr1\n{random_dna(500, 1)}\n>chr2\n{random_dna(300, 2)}\n")
    prepare_genome(fasta, folder / "a", Assembly(path=str(fasta), min_contig_length=1), name="a")
    return folder / "a"


def numbers():
    values = np.zeros(500)
    for start, end, value in ((3, 27, 2.0), (20, 100, 0.5), (410, 433, 7.0)):
        values[start:end] += value
    return values


def test_tracks_are_means_of_bins(small, tmp_path):
    pyBigWig = pytest.importorskip("pyBigWig")
    bed = tmp_path / "one.bedgraph"
    bed.write_text("track type=bedGraph\n1\t3\t27\t2\nchr1\t20\t100\t0.5\nchr1\t410\t433\t7\n"
                   .replace("\n1\t", "\nchr1\t"))  # fmt: skip
    peaks = tmp_path / "peaks.bed"
    peaks.write_text("chr1\t0\t10\nchr2\t5\t7\n")
    with pyBigWig.open(str(tmp_path / "two.bw"), "w") as wig:
        wig.addHeader([("chr1", 500)])
        values = numbers()
        wig.addEntries("chr1", 0, values=values.tolist(), span=1, step=1)
    with Genome(small) as genome:
        two = tracks.read(track_task(str(bed), str(tmp_path / "two.bw")), genome)
        covered = tracks.read(track_task(str(peaks), value_column=None), genome)
    assert two.target.names == ("one", "two")
    for row in two.table.itertuples():
        target = row.target.reshape(4, 2)
        values = numbers() if row.contig == "chr1" else np.zeros(500)
        expected = values[row.position : row.position + 40].reshape(4, 10).mean(axis=1)
        for track in (0, 1):
            np.testing.assert_allclose(target[:, track], expected, atol=1e-5)
    second = covered.table[covered.table["contig"] == "chr2"].iloc[0]
    np.testing.assert_allclose(second["target"], [0.2, 0, 0, 0], atol=1e-6)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30), st.integers(0, 5)), min_size=1))
def test_intervals_that_overlap_add_up(spans):
    starts, lengths, values = np.array(spans).T
    reader = _Intervals({"a": (starts, starts + lengths, values.astype(float))})
    found = reader.bins("a", np.array([0, 30]), 6, 5)
    every = np.zeros(200)
    for start, length, value in spans:
        every[start : start + length] += value
    expected = np.stack([every[p : p + 30].reshape(6, 5).mean(axis=1) for p in (0, 30)])
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t5\t3\t1\n", "line 1.*larger end"),
        ("chr1\t1\t3\n", "line 1.*column 4"),
        ("chr1\t1\t3\t-2\n", "-2 is below 0"),
        ("chr1\t1\t3\t1\nchr9\t1\t3\t1\n", "line 2.*'chr9'|'chr9'.*line 2"),
    ],
)
def test_malformed_tracks_are_refused(small, tmp_path, text, message):
    path = tmp_path / "a.bedgraph"
    path.write_text(text)
    with Genome(small) as genome, pytest.raises(InputError) as caught:
        tracks.read(track_task(str(path)), genome)
    assert re.search(message, str(caught.value), re.DOTALL)


def splice_rows(tmp_path, rows):
    path = tmp_path / "rows.csv"
    path.write_text("".join(",".join(row) + "\n" for row in rows))
    return str(path)


def splice_task(path, **changes):
    return parse_task({"type": "spliceai", "train": path, "test": path, "context": 2} | changes)


def test_rows_of_spliceai_are_cut(tmp_path):
    path = splice_rows(
        tmp_path, [["ACGTACGTAC", "0.0", "1.0", "-1.0", "2.0"], ["C" * 10, "0", "0", "0", "0"]]
    )
    raw = spliceai.read(splice_task(path, window=2))
    assert raw.table["sequence"].tolist()[:2] == ["CGTACG", "TACGTA"]
    np.testing.assert_array_equal(np.stack(raw.table["target"])[:2], [[0, 1], [np.nan, 2]])
    assert raw.table["group"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(InputError, match=r"`context` is 4|`context` 4"):
        spliceai.read(splice_task(path, context=4))


@pytest.mark.parametrize("row", [["ACGTACGTAC", "0", "x"], ["ACGTACGTAC", "0", "3"]])
def test_malformed_rows_of_spliceai_are_refused(tmp_path, row):
    with pytest.raises(InputError, match="line 1"):
        spliceai.read(splice_task(splice_rows(tmp_path, [row])))


def test_published_rows_of_spliceai(shared):
    path = shared / "data" / "task_schemas" / "SpliceAI" / "test_Dataset_data.csv"
    raw = spliceai.read(splice_task(str(path), context=5000))
    assert set(raw.table["sequence"].str.len()) == {15_000}
    targets = np.stack(raw.table["target"])
    assert targets.shape == (20, 5000)
    assert np.isnan(targets).sum() == 2 * 718
    donors = [
        text[5000 + place + 1 : 5000 + place + 3]
        for text, row in zip(raw.table["sequence"], targets, strict=True)
        for place in np.flatnonzero(row == 2)
    ]
    assert len(donors) > 4
    assert set(donors) <= {"GT", "GC"}


def test_tracks_of_basenji(random_dna, tmp_path):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    path = tmp_path / "a.h5"
    whole, values = [random_dna(100, seed) for seed in range(3)], rng.gamma(2, 1, (3, 8, 4))
    with h5py.File(path, "w") as file:
        for number, (text, table) in enumerate(zip(whole, values, strict=True)):
            group = file.create_group(str(number))
            group.create_dataset("seq", data=text)
            group.create_dataset("target", data=table.astype(np.float16))
    base = {"type": "basenji", "train": str(path), "test": str(path), "bin": 10}
    raw = basenji.read(parse_task(base | {"tracks": [3, 1], "bins": 4, "context": 5}))
    assert raw.target.names == ("track 3", "track 1")
    assert raw.table["sequence"].tolist()[:3] == [text[25:75] for text in whole]
    found = raw.table["target"].iloc[1].reshape(4, 2)
    np.testing.assert_allclose(found, values[1][2:6][:, [3, 1]], rtol=1e-3)
    every = basenji.read(parse_task(base))
    assert every.target.units == 8
    assert every.table["sequence"].tolist()[:3] == whole
    with pytest.raises(InputError, match="has 100 bases, 8 bins and 4 tracks"):
        basenji.read(parse_task(base | {"bins": 9}))
    with pytest.raises(InputError, match="cannot be read as an HDF5 file"):
        path.write_text("no")
        basenji.read(parse_task(base))


def test_reading_direction_is_kept(splice, chr20):
    row = splice.table[splice.table["strand"] == "-"].iloc[0]
    with Genome(chr20) as genome:
        forward = genome.fetch(row["contig"], int(row["start"]), int(row["end"])).upper()
    assert reverse_complement(forward).decode() == row["sequence"]
