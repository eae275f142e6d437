"""From a FASTA file to the folder of an assembly."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pysam
import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.files import checksum, read_json
from pipeline_lib.genome import Genome, prepare_genome
from pipeline_lib.genome.contigs import read_contigs

FILES = {
    "genome.fa.gz",
    "genome.fa.gz.fai",
    "genome.fa.gz.gzi",
    "contigs.tsv",
    "aliases.tsv",
    "stats.json",
}
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV")
ROMAN += ("XV", "XVI")
GENOME = ">chr1 first\nACGTacgtNN\n>chrM\nACGTT\n>u\nAUGC\n>tiny\nA\n"


def files(folder: Path) -> set[str]:
    return (
        {str(path.relative_to(folder)) for path in folder.rglob("*")} if folder.exists() else set()
    )


def test_yeast(yeast):
    contigs = read_contigs(yeast / "contigs.tsv")
    kept = [contig for contig in contigs if contig.kept]
    assert len(kept) == 16 and sum(contig.length for contig in kept) == 12_071_326
    (dropped,) = (contig for contig in contigs if not contig.kept)
    assert dropped.name == "ref|NC_001224|" and dropped.length == 85_779
    assert dropped.reason == "mitochondrion: accession NC_001224"
    stats = read_json(yeast / "stats.json")
    assert stats["kept"]["bases"] == 12_071_326 and stats["kept"]["n50"] == 924_431
    assert stats["kept"]["gc"] == pytest.approx(0.383, abs=0.001)
    assert stats["warnings"] == []
    with Genome(yeast) as genome:
        assert [genome.resolve(name) for name in ROMAN] == list(genome.contigs)


def test_yeast_sequence_is_that_of_the_source(yeast, resources):
    source = pysam.FastaFile(str(resources / "S288C_R64-2-1.fa.gz"))
    copy = pysam.FastaFile(str(yeast / "genome.fa.gz"))
    assert copy.references == source.references[:16]
    for name in copy.references:
        assert copy.fetch(name) == source.fetch(name)


def test_folder_holds_just_the_promised_files(prepare):
    assert files(prepare(GENOME)) == FILES


def test_written_fasta(prepare):
    folder = prepare(GENOME)
    text = pysam.BGZFile(str(folder / "genome.fa.gz"), "rb", None).read().decode()
    assert text == ">chr1 first\nACGTacgtNN\n>u\nATGC\n>tiny\nA\n"


def test_table_of_contigs(prepare):
    rows = (prepare(GENOME, min_contig_length=2) / "contigs.tsv").read_text().splitlines()
    assert rows == [
        "name\tlength\tgc\tn_share\tsoft_masked_share\tmolecule\tkept\treason\tdescription",
        "chr1\t10\t0.500000\t0.200000\t0.400000\tnuclear\ttrue\t\tfirst",
        "chrM\t5\t0.400000\t0.000000\t0.000000\tmitochondrion\tfalse\t"
        "mitochondrion: record name chrM\t",
        "u\t4\t0.500000\t0.000000\t0.000000\tnuclear\ttrue\t\t",
        "tiny\t1\t0.000000\t0.000000\t0.000000\tnuclear\tfalse\tshorter than 2 bases\t",
    ]


def test_same_input_same_bytes(prepare, tmp_path):
    first = {name: checksum(prepare(GENOME) / name) for name in FILES}
    assert {name: checksum(prepare(GENOME) / name) for name in FILES} == first


def test_other_files_of_the_folder_stay(prepare, tmp_path):
    (tmp_path / "prepared" / "source").mkdir(parents=True)
    (tmp_path / "prepared" / "source" / "url").write_text("x")
    assert files(prepare(GENOME)) == FILES | {"source", "source/url"}


def test_stats_carry_what_made_them(prepare, tmp_path):
    stats = read_json(prepare(GENOME, species="Homo fictus") / "stats.json")
    assert stats["species"] == "Homo fictus" and stats["assembly"] == "test"
    assert stats["dropped"]["reasons"] == {"mitochondrion: record name chrM": 1}
    made = stats["provenance"]
    assert made["inputs"] == {"sequence": checksum(tmp_path / "genome.fa")}
    assert made["settings"]["species"] == "Homo fictus"


def test_stats_of_a_genome_of_n_are_valid_json(prepare):
    text = (prepare(">a\nNNNN\n") / "stats.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["kept"]["gc"] is None


def test_unrecognised_organelle_is_warned_of_in_log_and_stats(prepare, random_dna, caplog):
    text = (
        f">a\n{random_dna(20_000)}\n>odd\n{random_dna(9000, gc=0.2)}\n>b\n{random_dna(9000, 3)}\n"
    )
    with caplog.at_level(logging.WARNING):
        folder = prepare(text)
    (warning,) = read_json(folder / "stats.json")["warnings"]
    assert "genome.assemblies.test.organelles: {RECORD: mitochondrion}" in warning
    assert "most likely: odd" in warning
    assert warning in caplog.text


def test_named_organelle_is_dropped(prepare):
    folder = prepare(GENOME, organelles={"u": "mitochondrion"})
    reasons = {contig.name: contig.reason for contig in read_contigs(folder / "contigs.tsv")}
    assert reasons["u"] == "mitochondrion: named in the configuration"


COLUMNS = (
    "# Sequence-Name\tSequence-Role\tAssigned-Molecule\tAssigned-Molecule-Location/Type\t"
    "GenBank-Accn\tRelationship\tRefSeq-Accn\tAssembly-Unit\tSequence-Length\tUCSC-style-name\n"
)


def test_report_names_molecules_and_aliases(prepare):
    rows = (
        "7\tassembled-molecule\t7\tChromosome\tCP000007.1\t=\tNC_000007.1\tP\t10\tchr7\n"
        "Z\tassembled-molecule\tMT\tMitochondrion\tu\t=\tna\tnon-nuclear\t4\tchrM2\n"
    )
    folder = prepare(GENOME.replace("chr1", "NC_000007.1"), report=COLUMNS + rows)
    contigs = {contig.name: contig for contig in read_contigs(folder / "contigs.tsv")}
    assert contigs["u"].reason == "mitochondrion: assembly report says Mitochondrion"
    with Genome(folder) as genome:
        assert {genome.resolve(name) for name in ("7", "chr7", "CP000007.1", "NC_000007")} == {
            "NC_000007.1"
        }
        assert "chrM2" in genome.dropped


def test_table_of_aliases(prepare):
    with Genome(prepare(GENOME, aliases="chr1\tone\nu\tjunk\n")) as genome:
        assert genome.resolve("one") == "chr1" and genome.resolve("junk") == "u"


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        (GENOME, {"sha256": "0" * 64}, "the sha256 of the file is"),
        (GENOME, {"md5": "0" * 32}, "expected 00000"),
        (GENOME, {"min_contig_length": 99}, "no contig is left of 4: 3 x shorter than 99 bases; 1"),
        (
            GENOME,
            {"organelles": {"chr_M": "mitochondrion"}},
            "'chr_M'; the nearest names are 'chrM'",
        ),
        (GENOME + ">bad\nACXT\n", {}, "line 10, record 'bad': 'X'"),
        (GENOME, {"report": COLUMNS}, "lists no sequence"),
        (
            GENOME,
            {"report": COLUMNS + "q\tassembled-molecule\t9\tChromosome\tna\t=\tna\tP\t10\tna\n"},
            "it has 'q', the file has 'chr1', 'chrM', 'u' and 1 more",
        ),
        (
            GENOME,
            {"report": COLUMNS + "u\tassembled-molecule\t9\tChromosome\tna\t=\tna\tP\t10\tna\n"},
            "record 'u' has 4 bases, the report says 10",
        ),
        (GENOME, {"aliases": "chr2\ttwo\n"}, "there is no record 'chr2'"),
    ],
)
def test_defects_leave_nothing_behind(text, changes, words, prepare, tmp_path):
    with pytest.raises(InputError) as caught:
        prepare(text, **changes)
    assert words in str(caught.value)
    assert files(tmp_path / "prepared") == set()


def test_a_failed_run_leaves_the_former_result(prepare, tmp_path):
    folder = prepare(GENOME)
    before = {name: checksum(folder / name) for name in FILES}
    with pytest.raises(InputError):
        prepare(GENOME + ">empty\n")
    assert {name: checksum(folder / name) for name in files(folder)} == before


def test_full_disk(tiny_disk, assembly, random_dna, tmp_path):
    (tmp_path / "a.fa").write_text(f">a\n{random_dna(3_000_000)}\n")
    with pytest.raises(InputError, match="the disk is full"):
        prepare_genome(tmp_path / "a.fa", tiny_disk / "x", assembly(), name="test")
    assert files(tiny_disk / "x") == set()


LIMITED = """
import resource, sys
from pathlib import Path
from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome import prepare_genome
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
prepare_genome(Path(sys.argv[1]), Path(sys.argv[2]), Assembly(path="x"), name="test")
"""


def test_largest_file_size_exceeded(tmp_path, random_dna, root):
    (tmp_path / "a.fa").write_text(f">a\n{random_dna(3_000_000)}\n")
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "a.fa"), str(tmp_path / "out")]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert answer.returncode != 0 and "File too large" in answer.stderr
    assert files(tmp_path / "out") == set()


def test_unwritable_folder(unwritable, assembly, tmp_path):
    with unwritable() as folder:
        source = folder.parent / "a.fa"
    source.write_text(GENOME)
    with unwritable() as folder, pytest.raises(InputError, match="no permission to write"):
        prepare_genome(source, folder, assembly(), name="test")
    assert files(folder) == set()
