"""The embedded genome is the one its README describes."""

import gzip
import hashlib
import re

import pytest

SUMS = {
    "S288C_R64-2-1.fa.gz": "dbf065ffc3f5bbaa7554ef53c6861399eecc597fe058df5f81ba557944e3f86b",
    "S288C_R64-1-1.99.gff3.gz": "6cd2175c2015d3a81c8993a3bd66385b89a4d2fe81975416b3b2fc130361cf33",
}


@pytest.mark.parametrize("name", SUMS)
def test_unpacked_sums(name, resources):
    with gzip.open(resources / name) as handle:
        assert hashlib.file_digest(handle, "sha256").hexdigest() == SUMS[name]


def test_readme_gives_the_same_sums(resources):
    text = (resources / "README.md").read_text()
    assert set(re.findall(r"\b[0-9a-f]{64}\b", text)) == set(SUMS.values())
    assert all(name in text for name in SUMS)
