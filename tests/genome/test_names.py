"""Names of sequences."""

import pytest

from pipeline_lib.genome.names import nearest, some, without_version


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("NC_001133.9", "NC_001133"),
        ("NZ_CP012345.1", "NZ_CP012345"),
        ("U49845.1", "U49845"),
        ("AP000423.1", "AP000423"),
        ("JAAABC010000001.1", "JAAABC010000001"),
        ("chr1.2", None),
        ("NC_001133", None),
        ("scaffold.1", None),
    ],
)
def test_version(name, plain):
    assert without_version(name) == plain


def test_nearest_prefers_what_is_alike():
    assert nearest("chrl", ["scaffold", "chr1", "X"]) == "'chr1'"
    assert nearest("zzz", ["a", "b", "c", "d"]) == "'a', 'b', 'c'"


def test_some():
    assert some(["a"]) == "'a'"
    assert some(list("abcde")) == "'a', 'b', 'c' and 2 more"
