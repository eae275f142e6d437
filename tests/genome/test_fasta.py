"""Reading FASTA: what is right is read exactly, what is wrong is said plainly."""

import functools
import gzip
import hashlib
import time
import tracemalloc
import zipfile
from pathlib import Path

import pysam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.genome import fasta
from pipeline_lib.genome.fasta import read_fasta, wrap
from pipeline_lib.genome.source import check_sums, read_blocks, read_lines

IUPAC = "ACGTRYSWKMBDHVN"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def parse(path: Path) -> list[tuple[str, str, bytes]]:
    return [
        (record.name, record.description, bytes(record.sequence)) for record in read_fasta(path)
    ]


def broken(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        parse(path)
    message = str(caught.value)
    assert str(path) in message and "To fix: " in message
    return message


NAMES = st.lists(st.text("abcXYZ019_.|:-", min_size=1, max_size=8), min_size=1, unique=True)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), names=NAMES)
def test_any_layout_reads_back(data, names, tmp_path_factory):
    sequences = [data.draw(st.text(IUPAC + IUPAC.lower(), min_size=1, max_size=60)) for _ in names]
    width = data.draw(st.integers(1, 70))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    last = data.draw(st.sampled_from(["", end, end * 3]))
    blank = data.draw(st.sampled_from(["", end]))
    pieces = []
    for name, sequence in zip(names, sequences, strict=True):
        rows = [sequence[start : start + width] for start in range(0, len(sequence), width)]
        pieces.append(end.join([f">{name} some words", *rows]))
    content = (blank + (end + blank).join(pieces) + last).encode()
    packing = data.draw(st.sampled_from(["plain", "gzip", "bgzip"]))
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    if packing == "bgzip":
        with pysam.BGZFile(str(path), "wb", None) as handle:
            handle.write(content)
    else:
        write(path, gzip.compress(content) if packing == "gzip" else content)
    size = data.draw(st.integers(5, 200))
    with pytest.MonkeyPatch.context() as patch:  # small blocks put every boundary to the test
        patch.setattr(fasta, "read_blocks", functools.partial(read_blocks, size=size))
        found = parse(path)
    expected = [(n, "some words", s.encode()) for n, s in zip(names, sequences, strict=True)]
    assert found == expected


@given(st.binary(max_size=400), st.integers(1, 90))
def test_wrapped_lines_have_the_width_and_lose_nothing(sequence, width):
    text = b"".join(wrap(sequence.replace(b"\n", b"N"), width))
    lines = text.split(b"\n")
    assert lines.pop() == b""
    assert all(len(line) == width for line in lines[:-1])
    assert b"".join(lines) == sequence.replace(b"\n", b"N")


def test_wrap_is_right_across_its_own_steps():
    sequence = b"ACGTN" * 500_001
    lines = b"".join(wrap(sequence)).splitlines()
    assert b"".join(lines) == sequence
    assert {len(line) for line in lines[:-1]} == {80}


def test_agrees_with_htslib_on_yeast_and_is_fast(resources):
    path = resources / "S288C_R64-2-1.fa.gz"
    with pysam.FastxFile(str(path)) as peer:
        expected = [(entry.name, entry.comment or "", entry.sequence.encode()) for entry in peer]
    start = time.process_time()
    found = parse(path)
    assert time.process_time() - start < 20  # each line looked at once: 0.1 s
    assert found == expected
    assert sum(len(sequence) for _, _, sequence in found) == 12_157_105


def test_uracil_is_thymine_and_case_is_kept(tmp_path):
    assert parse(write(tmp_path / "a.fa", ">r\nACGUu acgtN\n")) == [("r", "", b"ACGTtacgtN")]


def test_byte_order_mark_is_no_letter(tmp_path):
    assert parse(write(tmp_path / "a.fa", b"\xef\xbb\xbf>r\nAC\n")) == [("r", "", b"AC")]


def test_only_one_contig_is_in_memory(tmp_path):
    contig = 4_000_000
    with gzip.open(tmp_path / "a.fa.gz", "wb", compresslevel=1) as handle:
        for index in range(8):
            handle.write(b">c%d\n" % index + b"".join(wrap(b"ACGT" * (contig // 4))))
    tracemalloc.start()
    total = 0
    for record in read_fasta(tmp_path / "a.fa.gz"):
        total += len(record.sequence)
        del record
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 8 * contig
    assert peak < 2.6 * contig  # one contig, room to grow in, and some blocks


TEXTS = {
    "blank": (b"\n \n\n", "nothing but blank lines"),
    "html": (b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "web page (HTML)"),
    "no header": (b"\nACGT\n", "starts with 'ACGT'; expected a FASTA header"),
    "fastq": (b"@read1\nACGT\n+\nIIII\n", "looks like a FASTQ file"),
    "genbank": (b"LOCUS       AB000001\n", "looks like a GenBank flat file"),
    "gff": (b"##gff-version 3\n", "looks like a GFF file"),
    "twice": (
        b">a\nAC\n>b\nAC\n>a\nGT\n",
        "line 5: record name 'a' appears twice, first in line 1",
    ),
    "letter": (b">a\nACGT\nACJT\n", "line 3, record 'a': 'J' is not a base"),
    "digit": (b">a\r\nACGT\r\n1\r\n", "line 3, record 'a': '1' is not a base"),
    "byte": (b">a\nAC\x01T\n", "the byte 0x01 is not a base"),
    "gap": (b">a\nAC-T\n", "'-' is the gap of an alignment"),
    "protein": (b">p\nMKVLAEFILPQRST\n", "looks like a protein FASTA"),
    "no sequence": (b">a\nAC\n>b\n>c\nAC\n", "line 3: record 'b' has no sequence"),
    "no sequence last": (b">a\nAC\n>b", "line 3: record 'b' has no sequence"),
    "no name": (b">a\nAC\n> b\nAC\n", "line 3: the header holds no name"),
    "macintosh": (b">a\rACGT\r>b\rAC\n", "carriage return"),
    "binary": (b"\x7fELF\0\0\0\0", "binary file"),
    "2bit": (b"\x43\x27\x41\x1a" + bytes(20), "UCSC 2bit file"),
    "xz": (b"\xfd7zXZ\0\0", "compressed with xz"),
    "utf-16": (">a\nACGT\n".encode("utf-16"), "UTF-16"),
}


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_each_defect_has_its_message(kind, compressed, tmp_path):
    content, words = TEXTS[kind]
    path = write(tmp_path / "a.fa", gzip.compress(content) if compressed else content)
    assert words in broken(path)


def test_line_numbers_survive_blocks(tmp_path):
    lines = ["ACGT" * 20] * 40_000  # more than one block
    lines[33_333] = "AC!T"
    assert "line 33335, record 'a': '!'" in broken(
        write(tmp_path / "a.fa", "\n".join([">a", *lines]))
    )


def test_empty_files(tmp_path):
    assert "the file is empty" in broken(write(tmp_path / "a.fa", b""))
    assert "the file is empty" in broken(write(tmp_path / "b.fa", gzip.compress(b"")))


def test_missing_file_and_folder(tmp_path):
    assert "does not exist" in broken(tmp_path / "absent.fa")
    assert "this is a folder" in broken(tmp_path)


def test_unreadable_file(unwritable):
    with unwritable() as folder:
        path = folder.parent / "secret.fa"
    write(path, ">a\nA\n")
    path.chmod(0)
    with unwritable():
        assert "no permission to read" in broken(path)


def test_archive_and_bam(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.fa", ">a\nACGT\n")
    assert "zip archive" in broken(tmp_path / "a.zip")
    header = {"HD": {"VN": "1.6"}, "SQ": [{"SN": "a", "LN": 9}]}
    pysam.AlignmentFile(str(tmp_path / "a.bam"), "wb", header=header).close()
    assert "BAM file" in broken(tmp_path / "a.bam")


@pytest.mark.parametrize("missing", [1, 9, 60])
def test_truncated_gzip(missing, tmp_path, random_dna):
    whole = gzip.compress(f">a\n{random_dna(5000)}".encode())
    assert "truncated" in broken(write(tmp_path / "a.gz", whole[:-missing]))


def test_bgzip_cut_between_blocks(tmp_path, resources):
    whole = (resources / "S288C_R64-2-1.fa.gz").read_bytes()
    size = int.from_bytes(whole[16:18], "little") + 1  # of the first block
    path = write(tmp_path / "a.fa.gz", whole[:size])
    assert gzip.decompress(path.read_bytes())  # valid gzip, but not all of it
    assert "truncated" in broken(path)


def test_damaged_gzip(tmp_path):
    body = bytearray(gzip.compress(b">a\n" + b"ACGTTGCA" * 5000))
    body[-6] ^= 0xFF  # the checksum at the end
    assert "damaged" in broken(write(tmp_path / "a.gz", bytes(body)))


def test_wrong_checksum_names_both(tmp_path):
    path = write(tmp_path / "a.fa", b">a\nACGT\n")
    content = path.read_bytes()
    check_sums(path, md5=hashlib.md5(content).hexdigest().upper())
    check_sums(path, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(InputError, match=r"the md5 of the file is \w{32}; expected 0{32}"):
        check_sums(path, md5="0" * 32)
    with pytest.raises(InputError, match="does not exist"):
        check_sums(tmp_path / "absent", sha256="0" * 64)


@given(
    lines=st.lists(st.text("abc\té", max_size=12), min_size=1, max_size=30), windows=st.booleans()
)
def test_lines_are_numbered_and_whole(lines, windows, tmp_path_factory):
    end = "\r\n" if windows else "\n"
    path = write(tmp_path_factory.mktemp("lines") / "a.txt", "x" + end + end.join(lines))
    expected = list(enumerate(["x", *lines], 1))
    if not lines[-1]:
        expected.pop()
    assert list(read_lines(path, "text")) == expected


def test_latin_1_is_read_too(tmp_path):
    path = write(tmp_path / "a.txt", "Müller\n".encode("latin-1"))
    assert list(read_lines(path, "text")) == [(1, "Müller")]
