"""The corpus against a naive reading of the genome, for genomes nobody would think of."""

import itertools
import tempfile
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_lib.corpus.build import build_corpus
from pipeline_lib.corpus.reader import Sequences, read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json

SPLITS = ("train", "valid", "test")
MATES = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}

stretch = st.one_of(
    st.text("ACGT", min_size=1, max_size=40),
    st.text("acgt", min_size=1, max_size=15),
    st.integers(1, 14).map(lambda length: "N" * length),
    st.text("NnRYKM", min_size=1, max_size=14),
)
contig = st.lists(stretch, min_size=1, max_size=6).map("".join).map(lambda text: "ACGTA" + text)


@st.composite
def corpora(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str], dict[str, object]]:
    """Three contigs, an interval of one held out for validation, and settings."""
    contigs = {name: draw(contig) for name in ("one", "two", "three")}
    start = draw(st.integers(0, 4))
    end = draw(st.integers(start + 1, len(contigs["one"])))
    changes = {
        "passes": draw(st.integers(1, 3)),
        "strands": draw(st.sampled_from(["both", "forward"])),
        "max_offset": draw(st.integers(0, 12)),
        "max_n_share": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "gap_length": draw(st.sampled_from([3, 10])),
    }
    return contigs, {"contig": "one", "start": start, "end": end}, changes


def clean(text: str) -> str:
    """Return the letters a sentence may hold, one at a time."""
    return "".join(letter if letter in "ACGT" else "N" for letter in text.upper())


def naive_sentences(text: str, document) -> list[str]:
    """Return a document's sentences by walking over the genome base by base."""
    letters = [clean(text)[position] for position in range(document.start, document.end)]
    if document.strand == "-":
        letters = [MATES[letter] for letter in reversed(letters)]
    iterator = iter(letters)
    return ["".join(itertools.islice(iterator, n)) for n in document.sentence_lengths]


@given(corpora())
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_corpus_is_the_genome_cut_without_leaks(make_genome, settings, case) -> None:
    contigs, held, changes = case
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bed = folder / "valid.bed"
        bed.write_text(f"{held['contig']}\t{held['start']}\t{held['end']}\n")
        genome = make_genome(folder / "toy", contigs)
        made = settings({"bed": str(bed)}, {"contigs": ["two"]}, **changes)
        try:
            build_corpus({"toy": genome}, folder / "corpus", made, seed=5)
        except InputError as error:
            assert "leave no" in str(error)
            return
        found = {
            split: list(read_documents(folder / "corpus" / split / "documents.parquet"))
            for split in SPLITS
        }
        opened = Sequences({"toy": genome})
        if opened:
            for document in itertools.chain(*found.values()):
                sentences = [s.decode() for s in opened.sentences(document)]
                assert sentences == naive_sentences(contigs[document.contig], document)
                assert sum(document.sentence_lengths) == document.end - document.start
    check_splits(found, held)
    check_lengths(found, contigs, made)
    check_passes(found, contigs, held, made)


def check_splits(found, held) -> None:
    bases = {
        split: {(d.contig, base) for d in documents for base in range(d.start, d.end)}
        for split, documents in found.items()
    }
    for left, right in itertools.combinations(SPLITS, 2):
        assert not bases[left] & bases[right]
    assert bases["valid"] <= {("one", base) for base in range(held["start"], held["end"])}
    assert {contig for contig, _ in bases["test"]} <= {"two"}
    assert "two" not in {contig for contig, _ in bases["train"]}


def check_lengths(found, contigs, made) -> None:
    shortest, longest = made.sentence_length
    for split, documents in found.items():
        assert [d.number for d in documents] == list(range(len(documents)))
        for document in documents:
            assert 1 <= len(document.sentence_lengths) <= made.sentences_per_document[1]
            assert all(shortest <= n <= longest for n in document.sentence_lengths[:-1])
            assert 1 <= document.sentence_lengths[-1] <= longest
            assert document.pass_number < (made.passes if split == "train" else 1)
            assert document.strand == "+" or made.strands == "both"
            for sentence in naive_sentences(contigs[document.contig], document):
                assert "N" * made.gap_length not in sentence
                assert sentence.count("N") <= made.max_n_share * len(sentence)


def check_passes(found, contigs, held, made) -> None:
    """Without a limit on N, each pass is each segment, less the offset at its beginning."""
    if made.max_n_share < 1:
        return
    for split, documents in found.items():
        passes = range(made.passes if split == "train" else 1)
        strands = "+-" if made.strands == "both" else "+"
        covered = defaultdict(list)
        for d in documents:
            covered[d.contig, d.pass_number, d.strand].append((d.start, d.end))
        for name, number, strand in itertools.product(contigs, passes, strands):
            segments = naive_segments(contigs[name], name, split, held, made.gap_length)
            spans = sorted(covered.pop((name, number, strand), []))
            for start, end in segments:
                inside = [span for span in spans if start <= span[0] and span[1] <= end]
                assert all(a[1] == b[0] for a, b in itertools.pairwise(inside))
                skipped = inside[0][0] - start if strand == "+" else end - inside[-1][1]
                far = inside[-1][1] if strand == "+" else inside[0][0]
                assert far == (end if strand == "+" else start)
                limit = made.max_offset if split == "train" else 0
                assert 0 <= skipped <= min(limit, (end - start) // 2)
                spans = [span for span in spans if span not in inside]
            assert not spans
        assert not covered


def naive_segments(text: str, name: str, split: str, held, gap_length: int) -> list[tuple]:
    """Return the stretches of a split between gaps, base by base."""
    letters = clean(text)
    in_gap = [False] * len(letters)
    for letter, run in itertools.groupby(range(len(letters)), key=lambda i: letters[i]):
        positions = list(run)
        if letter == "N" and len(positions) >= gap_length:
            for position in positions:
                in_gap[position] = True
    owner = ["test" if name == "two" else "train"] * len(letters)
    if name == held["contig"]:
        owner[held["start"] : held["end"]] = ["valid"] * (held["end"] - held["start"])
    wanted = [owner[i] == split and not in_gap[i] for i in range(len(letters))]
    groups = (list(run) for keep, run in itertools.groupby(range(len(letters)), wanted.__getitem__)
              if keep)  # fmt: skip
    return [(run[0], run[-1] + 1) for run in groups]


TEXT = "ACGTTGCA" * 40


@pytest.fixture
def toy(tmp_path: Path, make_genome) -> Path:
    masked = TEXT[:50] + TEXT[50:80].lower() + TEXT[80:]
    return make_genome(tmp_path / "toy", {"one": masked, "two": TEXT, "three": TEXT})


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_seed_decides_everything(toy: Path, tmp_path: Path, settings) -> None:
    made = settings({"contigs": ["two"]}, {"contigs": ["three"]})
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        build_corpus({"toy": toy}, tmp_path / name, made, seed=seed)
    first, again, other = (bytes_of(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first["train/documents.parquet"] != other["train/documents.parquet"]
    assert first["valid/documents.parquet"] != other["valid/documents.parquet"]


def test_other_contigs_do_not_change_a_contig(tmp_path: Path, make_genome, settings) -> None:
    sequences = {"one": TEXT, "two": TEXT, "three": TEXT, "four": TEXT}
    made = settings({"contigs": ["two"]}, {"contigs": ["three"]})
    rows = []
    for order in (["one", "two", "three", "four"], ["four", "three", "two", "one"]):
        folder = tmp_path / order[0]
        genome = make_genome(folder / "toy", {name: sequences[name] for name in order})
        build_corpus({"toy": genome}, folder / "corpus", made, seed=3)
        documents = read_documents(folder / "corpus/train/documents.parquet")
        rows.append(
            {(d.contig, d.strand, d.start, d.end, d.pass_number, tuple(d.sentence_lengths))
             for d in documents}
        )  # fmt: skip
    assert rows[0] == rows[1]


def test_contigs_passes_and_strands_are_cut_differently(toy, tmp_path, settings) -> None:
    made = settings({"contigs": ["two"]}, {"contigs": ["three"]}, passes=3)
    build_corpus({"toy": toy}, tmp_path / "corpus", made, seed=1)
    cuts = defaultdict(list)
    for document in read_documents(tmp_path / "corpus/train/documents.parquet"):
        cuts[document.pass_number, document.strand] += document.sentence_lengths
    assert len({tuple(lengths) for lengths in cuts.values()}) == 6


def test_soft_masked_runs_and_stats(toy: Path, tmp_path: Path, settings) -> None:
    made = settings({"contigs": ["two"]}, {"contigs": ["three"]}, max_offset=0)
    build_corpus({"toy": toy}, tmp_path / "corpus", made, seed=1)
    rows = pq.read_table(tmp_path / "corpus/soft_masked.parquet").to_pylist()
    assert rows == [{"assembly": "toy", "contig": "one", "start": 50, "end": 80}]
    stats = read_json(tmp_path / "corpus/stats.json")
    train = stats["splits"]["train"]
    assert train["bases"] == 4 * 320  # two passes over two strands
    assert train["covered_bases"] == 320
    assert stats["training_share"] == pytest.approx(1 / 3)
    documents = list(read_documents(tmp_path / "corpus/train/documents.parquet"))
    assert train["documents"] == len(documents)
    assert train["sentences"] == sum(len(d.sentence_lengths) for d in documents)


def test_a_failed_build_leaves_nothing(toy: Path, tmp_path: Path, settings) -> None:
    made = settings({"contigs": ["one", "two"]}, {"contigs": ["three"]})
    with pytest.raises(InputError, match="no training data"):
        build_corpus({"toy": toy}, tmp_path / "corpus", made, seed=1)
    assert not [path for path in (tmp_path / "corpus").rglob("*") if path.is_file()]


def test_a_contig_of_n_alone_cannot_be_the_test(tmp_path: Path, make_genome, settings) -> None:
    genome = make_genome(tmp_path / "toy", {"one": TEXT, "two": TEXT, "three": "N" * 50})
    made = settings({"contigs": ["two"]}, {"contigs": ["three"]})
    with pytest.raises(InputError, match="no test data"):
        build_corpus({"toy": genome}, tmp_path / "corpus", made, seed=1)
