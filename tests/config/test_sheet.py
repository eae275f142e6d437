"""The sheet of assemblies: rows become entries, mistakes are named by line and column."""

from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.config import load_config
from pipeline_lib.config.loading import merge, read_yaml
from pipeline_lib.config.sheet import COLUMNS, sheet_assemblies, with_sheet
from pipeline_lib.errors import ConfigError

HEADER = "assembly\tspecies\taccession\tensembl_species\tensembl_release\tucsc\tpath\tmd5\n"
SHEET = (
    HEADER + "# plants\n\n"
    "tair\tArabidopsis thaliana\tGCF_000001735.4\n"
    "yeast\tBaker's yeast\t\tSaccharomyces cerevisiae\t99\n"
    f"sacCer3\tBaker's yeast\t\t\t\tsacCer3\t\t{'0' * 32}\r\n"
)


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "species.tsv"
    file.write_text(text)
    return file


def wrong(tmp_path: Path, text: str) -> str:
    file = write(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        sheet_assemblies(file)
    assert str(raised.value).startswith(str(file)) and "To fix: " in str(raised.value)
    return str(raised.value)


def test_rows_become_entries(tmp_path: Path) -> None:
    assert sheet_assemblies(write(tmp_path, SHEET)) == {
        "tair": {"species": "Arabidopsis thaliana", "accession": "GCF_000001735.4"},
        "yeast": {
            "species": "Baker's yeast",
            "ensembl": {"species": "Saccharomyces cerevisiae", "release": 99},
        },
        "sacCer3": {"species": "Baker's yeast", "ucsc": "sacCer3", "md5": "0" * 32},
    }


@pytest.fixture(scope="module")
def demo(root: Path) -> dict[str, Any]:
    return read_yaml(root / "config" / "config.yaml")


def test_an_entry_is_layered_over_its_row(demo: dict[str, Any], tmp_path: Path) -> None:
    genome = {
        "sheet": str(write(tmp_path, SHEET)),
        "min_contig_length": 5,
        "assemblies": {
            "tair": {"annotation": "archive", "drop_organelles": ["plastid"]},
            "sacCer3": {"path": "resources/genomes/S288C_R64-2-1.fa.gz"},
        },
    }
    assemblies = load_config(merge(demo, {"genome": genome})).genome.assemblies
    assert list(assemblies) == ["tair", "yeast", "sacCer3", "S288C"]
    tair, sacCer3, yeast = assemblies["tair"], assemblies["sacCer3"], assemblies["yeast"]
    assert tair.accession and tair.annotation == "archive" and tair.species
    assert sacCer3.ucsc is None and sacCer3.path and sacCer3.md5 is None
    assert yeast.ensembl and yeast.ensembl.species == "saccharomyces_cerevisiae"
    assert {entry.min_contig_length for entry in assemblies.values()} == {5}


def test_a_sheet_is_looked_up_in_the_folder_of_the_workflow(
    demo: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, SHEET)
    values = merge(demo, {"genome": {"sheet": "species.tsv"}})
    assert "tair" in load_config(values, root=tmp_path).genome.assemblies
    with pytest.raises(ConfigError, match=r"`genome.sheet` is 'species.tsv', but there is no"):
        load_config(values)
    monkeypatch.chdir(tmp_path)
    assert "tair" in load_config(values).genome.assemblies


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["line 1", "'assembly' is missing"]),
        ("species\nx\n", ["line 1", "column 'assembly' is missing"]),
        ("assembly,species\na,b\n", ["line 1", "commas", "expected tabs"]),
        ("assembly\tacession\n", ["'acession'", "expected some of: assembly", "write 'accession'"]),
        ("assembly\tpath\tpath\n", ["'path' appears twice"]),
        ("assembly\tpath\n", ["no row below"]),
        ("assembly\tpath\na\tb\tc\n", ["line 2: the row has 3 cells; expected 2"]),
        ("assembly\tpath\na b\tc\n", ["line 2, column 'assembly': 'a b' is not", "a folder"]),
        ("assembly\tpath\n\tc\n", ["line 2, column 'assembly': '' is not a usable name"]),
        ("assembly\tpath\na\tb\nc\td\na\te\n", ["line 4", "'a' appears twice, first in line 2"]),
        ("assembly\tspecies\na\tb\n", ["line 2: give either", "none of them is given"]),
        ("assembly\tpath\tucsc\na\tb\tc\n", ["line 2: ", "`path` and `ucsc` is given"]),
        (
            "assembly\taccession\na\tGCF_1.1\n",
            ["line 2, column 'accession'", "'GCF_1.1'", "GCF_000001735.4"],
        ),
        ("assembly\tpath\tmd5\na\tb\tnone\n", ["line 2, column 'md5': the value is 'none'"]),
        (
            "assembly\tensembl_species\na\tb\n",
            ["line 2, column 'ensembl_release': the cell is empty", "Release of Ensembl"],
        ),
        (
            "assembly\tensembl_species\tensembl_release\tensembl_division\na\tb\t9\tplant\n",
            ["line 2, column 'ensembl_division': the value is 'plant'", "write 'plants'", "fungi"],
        ),
        (
            "assembly\tensembl_species\tensembl_release\na\tb\tnew\n",
            ["line 2, column 'ensembl_release': the value is 'new'", "integer"],
        ),
        ("assembly\tucsc\tannotation\na\tb\tarchive\n", ["line 2: `annotation` is `archive`"]),
    ],
)
def test_mistakes_are_named(text: str, words: list[str], tmp_path: Path) -> None:
    message = wrong(tmp_path, text)
    for word in words:
        assert word in message


def test_a_spreadsheet_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "species.xlsx"
    file.write_bytes(b"PK\x03\x04\xff\xfe\x00\x9c")
    with pytest.raises(ConfigError, match=r"not plain text.*export the sheet"):
        sheet_assemblies(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        sheet_assemblies(tmp_path)


def test_columns_are_keys() -> None:
    assert {"accession", "ensembl_species", "ensembl_release", "ucsc", "ena"} <= set(COLUMNS)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"accession": "GCF_000001735"}, ["accession` is 'GCF_000001735'"]),
        ({"accession": "GCF_000001735.4", "ena": "GCA_000146045.2"}, ["`accession` and `ena`"]),
        ({"ena": "GCF_000146045.2"}, ["ena` is 'GCF_000146045.2'"]),
        ({"ucsc": "hg38", "annotation": "archive"}, ["the source `ucsc` offers no GFF3"]),
        ({"ensembl": {"species": "a", "relase": 9}}, ["unknown key", "write `release`"]),
        ({"ensembl": {"species": "a"}}, ["ensembl.release` is missing"]),
        ({"ucsc": "hg38", "mirrors": {"uscs": "x"}}, ["unknown key", "write `ucsc`"]),
        ({"ucsc": "hg38", "mirrors": {"ucsc": "x.org"}}, ["starts with https://"]),
        ({"ucsc": "a", "ncbi_api_key_variable": "0a1b2c3d"}, ["ncbi_api_key_variable` is not"]),
    ],
)
def test_wrong_entries(entry: dict[str, Any], words: list[str], demo: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(merge(demo, {"genome": {"assemblies": {"new": entry}}}))
    for word in words:
        assert word in str(raised.value)
    assert "0a1b2c3d" not in str(raised.value)


def test_all_assemblies_are_those_of_the_sheet(tmp_path):
    """The entries of a default configuration below are not meant."""
    sheet = tmp_path / "species.tsv"
    sheet.write_text("assembly\tspecies\tucsc\none\tA\tsacCer3\ntwo\tB\tdm6\n")
    corpus = {"assemblies": "all", "holdouts": {"valid": {"contigs": ["a"]},
                                                "test": {"contigs": ["b"]}}}  # fmt: skip
    genome = {"sheet": str(sheet), "assemblies": {"other": {"ucsc": "hg38"}}}
    values = {"genome": genome, "corpus": {"corpora": {"c": corpus}}}
    merged = with_sheet(values, sheet)
    assert merged["corpus"]["corpora"]["c"]["assemblies"] == ("one", "two")
    assert list(merged["genome"]["assemblies"]) == ["one", "two", "other"]
    assert values["corpus"]["corpora"]["c"]["assemblies"] == "all"
