"""2bit files: what is written is read back, and no damage asks for the impossible."""

import gzip
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.genome import twobit
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.genome.records import read_records
from tests.genome.twobit_writer import write_twobit

NAMES = st.text("abcXYZ019_.|:-", min_size=1, max_size=255)
SEQUENCES = st.text("ACGTNacgtn", min_size=1, max_size=70)
SMALL = {"chrI": "ACGTNNNNacgtnnACG", "chrII": "TTTTT", "chrM": "N" * 9}


def parse(path: Path) -> dict[str, str]:
    return {record.name: record.sequence.decode() for record in read_records(path)}


def broken(content: bytes, tmp_path: Path) -> str:
    path = tmp_path / "broken.2bit"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        parse(path)
    assert str(path) in str(caught.value) and "To fix: fetch the file again" in str(caught.value)
    return str(caught.value)


@settings(max_examples=150, deadline=None)
@given(
    sequences=st.dictionaries(NAMES, SEQUENCES, min_size=1, max_size=6),
    order=st.sampled_from("<>"),
    version=st.sampled_from([0, 1]),
    block=st.integers(1, 9),
)
def test_what_is_written_is_read_back(sequences, order, version, block, tmp_path_factory):
    path = tmp_path_factory.mktemp("twobit") / "genome.2bit"
    path.write_bytes(write_twobit(sequences, order=order, version=version))
    with pytest.MonkeyPatch.context() as patch:  # small blocks put every boundary to the test
        patch.setattr(twobit, "_BLOCK", block)
        assert parse(path) == sequences
    assert list(parse(path)) == list(sequences)


def test_a_known_file(tmp_path):
    """The bytes of one record, put together by hand from the published layout."""
    content = bytes.fromhex(
        "4327411a 00000000 01000000 00000000"  # signature, version, records, reserved
        "02 6162 17000000"  # "ab" at byte 23
        "06000000 01000000 02000000 01000000"  # 6 bases, one run of N: 2 to 3
        "01000000 04000000 02000000 00000000"  # one masked run: 4 to 6, reserved
        "1b 90"  # T C A G, A C
    )
    (tmp_path / "a.2bit").write_bytes(content)
    assert parse(tmp_path / "a.2bit") == {"ab": "TCNGac"}


def test_records_out_of_order_in_the_file(tmp_path):
    content = bytearray(write_twobit({"a": "ACGT", "b": "TTTTTTTT"}))
    first, second = struct.unpack_from("<I", content, 18), struct.unpack_from("<I", content, 24)
    struct.pack_into("<I", content, 18, *second)
    struct.pack_into("<I", content, 24, *first)
    (tmp_path / "a.2bit").write_bytes(content)
    assert parse(tmp_path / "a.2bit") == {"a": "TTTTTTTT", "b": "ACGT"}


def test_a_genome_is_prepared_as_from_fasta(tmp_path, assembly, random_dna):
    sequences = {"chr1": random_dna(5000) + "N" * 50 + random_dna(100).lower(), "chr2": "ACGT" * 50}
    text = "".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items())
    (tmp_path / "genome.fa").write_text(text)
    (tmp_path / "genome.2bit").write_bytes(write_twobit(sequences))
    for name in ("genome.fa", "genome.2bit"):
        prepare_genome(tmp_path / name, tmp_path / f"{name}.out", assembly(), name="test")
    found = [
        gzip.decompress((tmp_path / f"{name}.out" / "genome.fa.gz").read_bytes())
        for name in ("genome.fa", "genome.2bit")
    ]
    assert found[0] == found[1]


def patched(place: int, kind: str, value: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        changed = bytearray(content)
        struct.pack_into(f"<{kind}", changed, place, value)
        return bytes(changed)

    return change


# chrI's name is at 17, its offset at 21; its record starts at 46: length, N runs, masked runs.
I = 16 + 9 + 10 + 9  # noqa: E741
DAMAGE = {
    "version": (patched(4, "I", 2), "the version is 2; expected 0 or 1"),
    "reserved": (patched(12, "I", 7), "the reserved number of the header is 7"),
    "no records": (patched(8, "I", 0), "announces 0 records"),
    "too many records": (patched(8, "I", 2**31), "announces 2,147,483,648 records"),
    "more records": (patched(8, "I", 4), "the 2bit file is damaged"),
    "offset past the end": (patched(21, "I", 10**6), "past the end of the file"),
    "offset in the index": (patched(21, "I", 20), "inside the index"),
    "offset shared": (patched(21, "I", 0), "inside the index"),
    "empty name": (patched(16, "B", 0), "the name is ''"),
    "long name": (patched(16, "B", 255), "the file is truncated"),
    "name with a space": (patched(17, "B", 32), "expected letters without spaces"),
    "no bases": (patched(I, "I", 0), "the record has no sequence"),
    "absurd length": (patched(I, "I", 2**32 - 1), "4,294,967,295 bases, but there is no room"),
    "longer than its place": (patched(I, "I", 300), "there is no room"),
    "absurd runs of N": (patched(I + 4, "I", 2**32 - 1), "no room for 4,294,967,295 runs of N"),
    "run past the end": (patched(I + 8, "I", 900), "runs of N overlap or leave the record"),
    "runs overlap": (patched(I + 8, "I", 9), "runs of N overlap"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(name, tmp_path):
    change, words = DAMAGE[name]
    assert words in broken(change(write_twobit(SMALL)), tmp_path)


def test_two_records_of_one_name_or_place(tmp_path):
    content = write_twobit({"aa": "ACGT", "ab": "ACGTACGT"})
    assert "'aa' appears twice" in broken(content.replace(b"ab", b"aa"), tmp_path)
    place = struct.unpack_from("<I", content, 19)[0]
    shared = patched(26, "I", place)(content)
    assert "two records start in the same place" in broken(shared, tmp_path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [0, 1])
def test_every_truncation_is_refused(order, version, tmp_path):
    content = write_twobit(SMALL, order=order, version=version)
    for size in range(4, len(content)):
        assert "truncated" in (text := broken(content[:size], tmp_path)) or "damaged" in text


def test_only_one_record_is_in_memory(tmp_path):
    size = 4_000_000
    one = write_twobit({"a": "ACGT"})[-1:] * (size // 4)
    record = struct.pack("<4I", size, 0, 0, 0) + one
    index = b"".join(
        struct.pack("<B2sI", 2, b"c%d" % n, 16 + 8 * 7 + n * len(record)) for n in range(8)
    )
    header = struct.pack("<4I", twobit.MAGIC, 0, 8, 0)
    (tmp_path / "a.2bit").write_bytes(header + index + record * 8)
    tracemalloc.start()
    total = 0
    for found in read_records(tmp_path / "a.2bit"):
        total += len(found.sequence)
        del found
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 8 * size and peak < 4 * size


def test_a_packed_2bit_file_is_refused_with_advice(tmp_path):
    path = tmp_path / "a.2bit.gz"
    path.write_bytes(gzip.compress(write_twobit(SMALL)))
    with pytest.raises(InputError, match=r"UCSC 2bit file.*give it unpacked"):
        parse(path)
