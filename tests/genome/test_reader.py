"""Random access to a prepared genome."""

import multiprocessing
import os
import pickle

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.genome import Genome


@given(data=st.data())
def test_any_interval_is_that_of_the_source(data, yeast, resources):
    source = pysam.FastaFile(str(resources / "S288C_R64-2-1.fa.gz"))
    with Genome(yeast) as genome:
        contig = data.draw(st.sampled_from(list(genome.contigs)))
        length = genome.contigs[contig]
        start = data.draw(st.integers(0, length))
        end = data.draw(st.integers(start, min(length, start + 500)))
        expected = source.fetch(contig, start, end).encode()
        assert genome.fetch(contig, start, end) == expected


def test_contigs_in_file_order_with_lengths(yeast):
    genome = Genome(yeast)
    assert next(iter(genome.contigs)) == "ref|NC_001133|" and len(genome.contigs) == 16
    assert genome.contigs["ref|NC_001133|"] == 230_218
    assert {"ref|NC_001224|", "Mito", "chrM", "MT", "NC_001224"} <= genome.dropped
    assert "I" not in genome.dropped


def test_resolve(yeast):
    genome = Genome(yeast)
    for name in ("ref|NC_001136|", "NC_001136", "IV", "chrIV", "ChrIV", "NC_001136.10"):
        assert genome.resolve(name) == "ref|NC_001136|"
    for name in ("Mito", "ref|NC_001224|", "NC_001224", "NC_001224.1", "iv", "4", "", "nonsense"):
        assert genome.resolve(name) is None


def test_another_version_of_an_accession_is_another_sequence(prepare):
    genome = Genome(prepare(">NC_001133.8\nACGT\n"))
    assert genome.resolve("NC_001133.8") == genome.resolve("NC_001133") == "NC_001133.8"
    assert genome.resolve("NC_001133.9") is None


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 4), (0, 230_219), (230_219, 230_219)])
def test_intervals_outside(start, end, yeast):
    with pytest.raises(InputError, match="does not lie inside"):
        Genome(yeast).fetch("ref|NC_001133|", start, end)


def test_unknown_and_dropped_contigs(yeast):
    with pytest.raises(InputError, match=r"nearest names are 'ref\|NC_0011"):
        Genome(yeast).fetch("ref|NC_001132|", 0, 1)
    with pytest.raises(InputError, match="was left out of the genome"):
        Genome(yeast).fetch("ref|NC_001224|", 0, 1)


def test_missing_files(tmp_path):
    with pytest.raises(InputError, match=r"genome\.fa\.gz is missing"):
        Genome(tmp_path)


def test_pickled_and_closed_objects_read_on(yeast):
    with Genome(yeast) as genome:
        before = genome.fetch("ref|NC_001133|", 0, 60)
        copy = pickle.loads(pickle.dumps(genome))
        assert copy.fetch("ref|NC_001133|", 0, 60) == before
        assert len(pickle.dumps(genome)) < 1000
    assert genome.fetch("ref|NC_001133|", 0, 60) == before


def _read_many(genome: Genome, start: int) -> list[bytes]:
    return [genome.fetch("ref|NC_001136|", at, at + 50) for at in range(start, 900_000, 30_011)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_does_not_share_the_file_position(yeast):
    genome = Genome(yeast)
    expected = [_read_many(Genome(yeast), start) for start in range(3)]
    genome.fetch("ref|NC_001133|", 0, 1)  # the file is open before the fork
    with multiprocessing.get_context("fork").Pool(2) as pool:
        waiting = pool.starmap_async(_read_many, [(genome, start) for start in range(3)])
        pending = [pool.apply_async(os.getpid) for _ in range(2)]
        assert _read_many(genome, 0) == expected[0]
        assert waiting.get(60) == expected
        assert all(item.get(60) != os.getpid() for item in pending)
