"""Haplotypes in and out of files: what is written is read again, and what is wrong is said."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.application.haplotypes.files import legend_of, read_panel, write_panel
from pipeline_lib.application.haplotypes.panel import (
    Panel,
    individuals,
    same_sites,
    split_individuals,
)
from pipeline_lib.errors import InputError


def make_panel(haplotypes: int = 6, sites: int = 9, seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    letters = np.array([rng.permutation(list("ACGT"))[:2] for _ in range(sites)])
    contigs = np.sort(rng.integers(1, 4, size=sites))
    positions = np.sort(rng.integers(1, 10**6, size=sites))
    order = np.lexsort((positions, contigs))
    table = pd.DataFrame(
        {
            "id": [
                f"{c}:{p}_{a}_{b}" for c, p, (a, b) in zip(contigs, positions, letters, strict=True)
            ],
            "contig": contigs.astype(str),
            "position": positions,
            "a0": letters[:, 0],
            "a1": letters[:, 1],
        }
    )
    table = table.iloc[order].reset_index(drop=True)
    alleles = rng.integers(0, 2, size=(haplotypes, sites)).astype(np.uint8)
    names = [f"S{row // 2}_{'AB'[row % 2]}" for row in range(haplotypes)]
    return Panel(alleles, names, table)


@given(
    pairs=st.integers(1, 4),
    sites=st.integers(1, 30),
    seed=st.integers(0, 99),
    ending=st.sampled_from([".hapt", ".hapt.zip", ".vcf", ".vcf.gz"]),
)
def test_what_is_written_is_read_again(
    pairs: int, sites: int, seed: int, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    panel = make_panel(2 * pairs, sites, seed)
    path = tmp_path_factory.mktemp("panel") / f"panel{ending}"
    write_panel(path, panel)
    found = read_panel(path, legend_of(path) if "hapt" in ending else None)
    assert (found.alleles == panel.alleles).all() and found.names == panel.names
    pd.testing.assert_frame_equal(found.sites, panel.sites, check_dtype=False)
    first = path.read_bytes()
    write_panel(path, found)
    assert path.read_bytes() == first


def test_pysam_and_bcf_agree(tmp_path: Path) -> None:
    panel = make_panel(8, 12)
    write_panel(tmp_path / "p.vcf.gz", panel)
    with pysam.VariantFile(str(tmp_path / "p.vcf.gz")) as file:
        for row, record in enumerate(file):
            calls = [allele for sample in record.samples.values() for allele in sample["GT"]]
            assert calls == panel.alleles[:, row].tolist()
            assert all(sample.phased for sample in record.samples.values())
            assert (record.ref, record.alts) == (panel.sites.a0[row], (panel.sites.a1[row],))
        contig = panel.sites.contig[0]
        assert len(list(file.fetch(contig))) == (panel.sites.contig == contig).sum()
        file.reset()
        with pysam.VariantFile(str(tmp_path / "p.bcf"), "wb", header=file.header) as other:
            for record in file:
                other.write(record)
    assert (read_panel(tmp_path / "p.bcf").alleles == panel.alleles).all()


def test_individuals_stay_together() -> None:
    names = make_panel(40).names
    splits = split_individuals(names, valid=0.2, test=0.3, seed=1)
    member = individuals(names)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(40))
    groups = [set(member[rows]) for rows in splits.values()]
    assert [len(group) for group in groups] == [10, 4, 6]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    again = split_individuals(names, valid=0.2, test=0.3, seed=2)
    assert not np.array_equal(again["test"], splits["test"])
    with pytest.raises(InputError, match="3 individuals cannot be split"):
        split_individuals(names[:6], valid=0.1, test=0.1, seed=1)


HAPT = {
    "short row": ("Real A_A 0 1 1\nReal A_B 0 1\n", "line 2: haplotype 'A_B' has 2 alleles"),
    "other letter": ("Real A_A 0 2 1\n", "the allele of site 2 is '2'"),
    "joined letters": ("Real A_A 0 11 1\n", "the allele of site 2 is '11'"),
    "no alleles": ("Real A_A\n", "is 'Real A_A"),
    "nothing": ("\n", "holds no haplotypes"),
    "twice": ("Real A_A 0 1\nReal A_A 1 1\n", "'A_A' stands twice"),
    "longer legend": ("Real A_A 0 1\n", "lists 3 sites, but the haplotypes of"),
}


@pytest.mark.parametrize("name", HAPT)
def test_bad_hapt_is_a_sentence(name: str, tmp_path: Path) -> None:
    text, said = HAPT[name]
    (tmp_path / "x.hapt").write_text(text)
    (tmp_path / "x.legend").write_text("id position a0 a1\na 1 A C\nb 2 A G\nc 3 T G\n")
    with pytest.raises(InputError, match=said):
        read_panel(tmp_path / "x.hapt", tmp_path / "x.legend")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("position id\n", "expected the header"),
        ("id position a0 a1\na x A C\n", "line 2: is 'a x A C'"),
        ("id position a0 a1\na 1 A <DEL>\n", "two alleles of A, C, G and T"),
    ],
)
def test_bad_legend_is_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.hapt").write_text("Real A_A 0\n")
    (tmp_path / "x.legend").write_text(text)
    with pytest.raises(InputError, match=said):
        read_panel(tmp_path / "x.hapt", tmp_path / "x.legend")


VCF = {
    "unphased": ("A\tC", "0/1", "the genotype '0/1' of sample 'two' is not phased"),
    "missing": ("A\tC", ".|.", "is missing"),
    "haploid": ("A\tC", "1", "is haploid"),
    "three alleles": ("A\tC,G", "0|1", "the alleles are A C G"),
    "symbolic": ("A\t<DEL>", "0|1", "two alleles of A, C, G and T"),
    "no such allele": ("A\tC", "0|2", "names an allele that the site does not have"),
}


@pytest.mark.parametrize("name", VCF)
def test_bad_vcf_is_a_sentence(name: str, tmp_path: Path) -> None:
    alleles, call, said = VCF[name]
    head = "##fileformat=VCFv4.2\n#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT one two\n"
    line = f"1\t5\t.\t{alleles}\t.\t.\t.\tGT\t0|1\t{call}\n"
    (tmp_path / "x.vcf").write_text(head.replace(" ", "\t") + line)
    with pytest.raises(InputError, match="record 1:5.*" + said.replace("|", r"\|")):
        read_panel(tmp_path / "x.vcf")


def test_homozygous_calls_need_no_phase(tmp_path: Path) -> None:
    head = "##fileformat=VCFv4.2\n#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT one\n"
    (tmp_path / "x.vcf").write_text(head.replace(" ", "\t") + "1\t5\t.\tA\tC\t.\t.\t.\tGT\t1/1\n")
    assert read_panel(tmp_path / "x.vcf").alleles.tolist() == [[1], [1]]


def test_other_problems_are_sentences(tmp_path: Path) -> None:
    panel = make_panel(3, 4)
    for ending, said in ((".vcf.gz", "3 haplotypes cannot be paired"), (".txt", "of no format")):
        with pytest.raises(InputError, match=said):
            write_panel(tmp_path / f"x{ending}", panel)
    panel.sites["position"] = panel.sites["position"][::-1].to_numpy()
    panel.sites["contig"] = "1"
    with pytest.raises(InputError, match="not sorted"):
        write_panel(tmp_path / "x.vcf", panel.take(np.arange(2)))
    assert list(tmp_path.iterdir()) == []
    with zipfile.ZipFile(tmp_path / "x.hapt.zip", "w") as archive:
        archive.writestr("a", "")
        archive.writestr("b", "")
    with pytest.raises(InputError, match="holds 2 files"):
        read_panel(tmp_path / "x.hapt.zip")
    with pytest.raises(InputError, match="no such file"):
        read_panel(tmp_path / "none.hapt")
    other = make_panel(3, 4, seed=5)
    with pytest.raises(InputError, match="site 1 is"):
        same_sites(make_panel(3, 4), other, tmp_path / "other")
