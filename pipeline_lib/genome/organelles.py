"""Is a record an organelle genome? Decided by rules that each leave their evidence behind.

In the order in which they are believed: the configuration, NCBI's assembly report, a well-known
accession, the tags of NCBI and Ensembl headers, the record name, and words of the header. The
last two give way when the record is too long to be an organelle or when its words speak of
organelle DNA *inside* another molecule.
"""

import re
from typing import Literal

from pipeline_lib.config.genome import Organelle

Molecule = Literal["nuclear", "mitochondrion", "plastid"]

# The longest known are below 12 Mb (mitochondria of Silene) and 3 Mb (plastids of algae).
LONGEST_ORGANELLE = 20_000_000

_MITOCHONDRIA = (
    # human (rCRS; the Yoruba sequence of hg18 and hg19), chimpanzee, macaque
    "NC_012920 J01415 NC_001807 AF347015 NC_001643 NC_005943 "
    # mouse, rat, dog, cat, cow, pig, sheep, goat, horse
    "NC_005089 AY172335 NC_001665 AC_000022 NC_002008 NC_001700 NC_006853 V00654 NC_000845 "
    "NC_001941 NC_005044 NC_001640 "
    # chicken, frogs, zebrafish
    "NC_001323 NC_001573 NC_006839 NC_002333 AC024175 "
    # fruit fly, honey bee, mosquito, worm
    "NC_024511 KJ947872 NC_001709 U37541 NC_001566 NC_002084 NC_001328 X54252 "
    # baker's and fission yeast
    "NC_001224 KP263414 AJ011856 NC_001326 X54421 "
    # thale cress, rice, maize, soybean, tobacco, Chlamydomonas, Plasmodium
    "NC_037304 BK010421 NC_001284 Y08501 NC_011033 BA000029 NC_007982 AY506529 NC_020455 "
    "NC_006581 NC_001638 U03843 M76611"
)
_PLASTIDS = (
    # thale cress, rice, maize, wheat, soybean, tobacco, tomato, Chlamydomonas
    "NC_000932 AP000423 NC_001320 X15901 NC_001666 X86563 NC_002762 AB042240 NC_007942 DQ317523 "
    "NC_001879 Z00044 NC_007898 AM087200 NC_005353 BK000554"
)
ACCESSIONS: dict[str, Organelle] = {
    **dict.fromkeys(_MITOCHONDRIA.split(), "mitochondrion"),
    **dict.fromkeys(_PLASTIDS.split(), "plastid"),
}

_NAMES: dict[Organelle, re.Pattern[str]] = {
    "mitochondrion": re.compile(
        r"(chr(omosome)?[_-]?)?(m|mt|mito|mtdna|mitochondri(on|a|al)|mitochondrion_genome)", re.I
    ),
    "plastid": re.compile(
        r"(chr(omosome)?[_-]?)?(pt|ptdna|cp|cpdna|pltd|plastid|chloroplast)|chr[_-]?c", re.I
    ),
}
_WORDS: dict[Organelle, re.Pattern[str]] = {
    "mitochondrion": re.compile(r"\b(mitochondri(on|a|al)|mtDNA|kinetoplast|maxicircle)\b", re.I),
    "plastid": re.compile(
        r"\b(chloroplast|plastid|plastome|apicoplast|chromoplast|leucoplast|cyanelle)\b", re.I
    ),
}
_LOCATIONS: dict[str, Organelle] = {
    "mitochondrion": "mitochondrion",
    "kinetoplast": "mitochondrion",
    "chloroplast": "plastid",
    "plastid": "plastid",
    "apicoplast": "plastid",
    "chromoplast": "plastid",
    "leucoplast": "plastid",
    "cyanelle": "plastid",
}
_TAG = re.compile(r"\[(?:location|organelle)=([^\]]+)\]", re.I)
_ENSEMBL = re.compile(r"\bdna\w*:\w+ \w+:[^:\s]*:([^:\s]+):\d+:\d+")
# A piece of organelle DNA inside a nuclear chromosome, or a gene whose product goes there.
_INSIDE = re.compile(
    r"\b(nuclear|numts?|nupts?|insert(ion)?s?|integrated|transferred|like|similar|homologous|"
    r"genes?|proteins?|mRNA|pseudogenes?|containing|contains)\b"
    r"|chromosome[ :=]+\w+.*(mitochondri|chloroplast|plastid)",
    re.I,
)


def classify(
    name: str,
    description: str,
    length: int,
    *,
    configured: Organelle | None = None,
    reported: str | None = None,
) -> tuple[Molecule, str]:
    """Return which molecule a record is, and the evidence for an organelle ("" if nuclear).

    Parameters
    ----------
    name, description
        First word of the header, and the rest.
    length
        In bases.
    configured
        What the configuration says of this record.
    reported
        Column Assigned-Molecule-Location/Type of the assembly report, None if not known.
    """
    if configured is not None:
        return configured, "named in the configuration"
    if reported is not None:
        molecule: Molecule = _LOCATIONS.get(reported.lower(), "nuclear")
        return molecule, "" if molecule == "nuclear" else f"assembly report says {reported}"
    for word in re.split(r"[|:]", name):
        accession = word.split(".")[0]
        if accession in ACCESSIONS:
            return ACCESSIONS[accession], f"accession {accession}"
    if tag := _TAG.search(description):
        molecule = _LOCATIONS.get(tag[1].lower(), "nuclear")
        return molecule, "" if molecule == "nuclear" else f"header says {tag[0]}"
    if length > LONGEST_ORGANELLE:
        return "nuclear", ""
    return _by_words(name, description)


def mentions_organelle(description: str) -> bool:
    """Tell whether a header has a word for an organelle, whatever the context."""
    return any(words.search(description) for words in _WORDS.values())


def _by_words(name: str, description: str) -> tuple[Molecule, str]:
    ensembl = _ENSEMBL.search(description)
    for molecule, names in _NAMES.items():
        if names.fullmatch(name):
            return molecule, f"record name {name}"
        if ensembl and names.fullmatch(ensembl[1]):
            return molecule, f"header says {ensembl[0]}"
    if not _INSIDE.search(description):
        for molecule, words in _WORDS.items():
            if found := words.search(description):
                return molecule, f"header says {found[0]}"
    return "nuclear", ""
