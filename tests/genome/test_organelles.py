"""Recognising organelle genomes by rules, with their evidence."""

import pytest

from pipeline_lib.genome.organelles import ACCESSIONS, LONGEST_ORGANELLE, classify

MITOCHONDRIA = [
    ("MT", "dna:chromosome chromosome:GRCh38:MT:1:16569:1 REF"),
    ("chrM", ""),
    ("ChrM", ""),
    ("chrMT", ""),
    ("Mito", ""),
    ("mitochondrion", ""),
    ("mitochondria", "CHROMOSOME dumped from ADB: Feb/3/09 16:10; last updated: 2005-06-03"),
    ("NC_012920.1", "Homo sapiens mitochondrion, complete genome"),
    ("gi|251831106|ref|NC_012920.1|", "something"),
    ("ref|NC_001224|", "[org=Saccharomyces cerevisiae]"),
    ("scaffold7", "[org=Saccharomyces] [location=mitochondrion] [top=circular]"),
    ("XX123456.1", "Papio anubis mitochondrion, complete genome"),
    ("XX123456.1", "Bombyx mori mitochondrial DNA, complete genome"),
    ("NC_016005.1", "Cucumis sativus mitochondrion chromosome 1, complete sequence"),
    ("Q", "dna:primary_assembly primary_assembly:ASM1:Mito:1:85779:1"),
]
PLASTIDS = [
    ("Pt", ""),
    ("chrPt", ""),
    ("ChrC", ""),
    ("chloroplast", ""),
    ("NC_000932.1", ""),
    ("AP000423.1", "Arabidopsis thaliana genomic DNA"),
    ("x", "Oryza sativa Japonica Group plastid, complete genome"),
    ("x", "[location=chloroplast]"),
    ("x", "Plasmodium falciparum apicoplast, complete genome"),
]
NUCLEAR = [
    ("I", ""),
    ("chr1", ""),
    ("C1", "Brassica chromosome C1"),
    ("Mt1", ""),
    ("chrMito2", ""),
    ("s1", "Homo sapiens nuclear mitochondrial insertion, chromosome 2"),
    ("s2", "Oryza sativa chromosome 10, contains a chloroplast insertion"),
    ("s3", "mitochondrial carrier protein gene, complete cds"),
    ("s4", "Homo sapiens chromosome 4 mitochondrial DNA-like region"),
    ("s5", "[location=chromosome]"),
    ("1", "dna:chromosome chromosome:GRCh38:1:1:248956422:1 REF"),
    ("NC_001133.9", "Saccharomyces cerevisiae S288C chromosome I, complete sequence"),
]


@pytest.mark.parametrize(("name", "description"), MITOCHONDRIA)
def test_mitochondria(name, description):
    molecule, evidence = classify(name, description, 16_569)
    assert molecule == "mitochondrion" and evidence


@pytest.mark.parametrize(("name", "description"), PLASTIDS)
def test_plastids(name, description):
    molecule, evidence = classify(name, description, 150_000)
    assert molecule == "plastid" and evidence


@pytest.mark.parametrize(("name", "description"), NUCLEAR)
def test_nuclear(name, description):
    assert classify(name, description, 1_000_000) == ("nuclear", "")


def test_configuration_outranks_the_report_and_that_the_accession():
    name = "NC_012920.1"
    assert classify(name, "", 9, reported="Chromosome") == ("nuclear", "")
    assert classify(name, "", 9, reported="Chloroplast")[0] == "plastid"
    assert classify(name, "", 9, configured="plastid", reported="Mitochondrion")[0] == "plastid"
    assert classify("Mt", "", 9, reported="Linkage Group") == ("nuclear", "")


def test_a_name_does_not_make_an_organelle_of_a_huge_record():
    assert classify("chrC", "", LONGEST_ORGANELLE)[0] == "plastid"
    assert classify("chrC", "", LONGEST_ORGANELLE + 1) == ("nuclear", "")
    assert classify("NC_012920", "", LONGEST_ORGANELLE + 1)[0] == "mitochondrion"


def test_an_accession_in_the_words_alone_is_no_evidence():
    assert classify("s1", "similar to NC_012920.1", 1000) == ("nuclear", "")


def test_list_has_no_version_and_no_yeast_chromosome():
    assert not any("." in accession for accession in ACCESSIONS)
    assert not {f"NC_{number:06}" for number in range(1133, 1149)} & set(ACCESSIONS)
