"""Files of variants: what goes through, what is refused, and what a kill leaves."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pysam
import pytest

from pipeline_lib.application.scoring import score as scoring
from pipeline_lib.application.scoring.score import score_file
from pipeline_lib.config.application_scoring import ScoreSettings
from pipeline_lib.errors import InputError

HEADER = [
    "##fileformat=VCFv4.2",
    '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tone\ttwo",
]
Make = Callable[..., Path]


@pytest.fixture
def lines(sequences: dict[str, str]) -> list[str]:
    """Return records of all kinds, on names without `chr`; 100 is lower case in the genome."""
    first, second = sequences["chr1"], sequences["chr2"]
    rows = [
        (100, "a", "1", first[99], "C" if first[99] != "C" else "G"),
        (100, "a", "1", first[99], "C" if first[99] != "C" else "G"),
        (200, "many", "1", first[199], "ACGT".replace(first[199].upper(), "")),
        (300, "gone", "1", first[299:303], first[299]),
        (310, "starred", "1", first[309], "*,TTT"),
        (320, "long", "1", first[319], "<DEL>"),
        (330, "joined", "1", first[329], f"{first[329]}[2:5["),
        (340, "none", "1", first[339], "."),
        (1010, "gap", "1", "N", "A"),
        (1500, "lower", "1", first[1499].upper(), "GGG"),
        (50, "other", "2", second[49].lower(), "CTAG"),
        (9, "alien", "HLA-A", "A", "C"),
    ]
    return [
        f"{contig}\t{at}\t{name}\t{ref}\t{','.join(alt) if name == 'many' else alt}\t29.50\tPASS\t"
        f"AF=0.10\tGT\t0|1\t1/1"
        for at, name, contig, ref, alt in rows
    ]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(lines: list[str], name: str = "in.vcf.gz", header: list[str] = HEADER) -> Path:
        path = tmp_path / name
        text = "".join(f"{line}\n" for line in [*header, *lines]).encode()
        if name.endswith("gz"):
            with pysam.BGZFile(str(path), "wb", None) as file:
                file.write(text)
        else:
            path.write_bytes(text)
        return path

    return write


def run(path: Path, genome: Path, model: Path, **settings: Any) -> tuple[list[str], dict[str, Any]]:
    """Score a file; return the lines of the output and what was counted."""
    output = path.with_name("out.vcf.gz")
    found = score_file(path, genome, model, output, ScoreSettings(**settings))
    with gzip.open(output, "rt") as file:
        return file.read().splitlines(), found


def test_all_records_come_out_in_order_with_samples_and_reasons(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path]
) -> None:
    path = make(lines)
    found, counts = run(path, genome, models["bases"], part_records=5)
    records = [line for line in found if not line.startswith("#")]
    assert [line.split("\t")[:7] for line in records] == [line.split("\t")[:7] for line in lines]
    assert [line.split("\t")[8:] for line in records] == [line.split("\t")[8:] for line in lines]
    assert records[0] == records[1]
    info = [dict(part.partition("=")[::2] for part in line.split("\t")[7].split(";"))
            for line in records]  # fmt: skip
    assert all(one["AF"] == "0.10" for one in info)
    skipped = [one.get("DNALM_SKIPPED") for one in info]
    assert skipped == [
        None, None, None, None, "SPANNING_DELETION,.", "SYMBOLIC_ALT", "BREAKEND", "MISSING_ALT",
        "NOT_ACGT", None, None, "UNKNOWN_CONTIG",
    ]  # fmt: skip
    assert info[2]["DNALM_LLR"].count(",") == 2
    assert info[4]["DNALM_LLR"].startswith(".,")
    assert counts["without_scores"]["UNKNOWN_CONTIG"] == 1
    assert counts["alternative_alleles"] == 14


def test_other_readers_understand_the_output(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path]
) -> None:
    path = make(lines)
    run(path, genome, models["bases"], embedding=True)
    with pysam.VariantFile(str(path.with_name("out.vcf.gz"))) as file:
        records = list(file.fetch("1", 190, 305))
        assert [record.id for record in records] == ["many", "gone"]
        assert len(records[0].info["DNALM_LLR"]) == 3
        assert records[0].samples["two"]["GT"] == (1, 1)
        fields = [name for name in file.header.info if name.startswith("DNALM")]
        assert len(fields) == 8
        assert all(file.header.info[name].description for name in fields)


def test_binary_files_and_plain_text_score_alike(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    contigs = [f"##contig=<ID={name}>" for name in ("1", "2", "HLA-A")]
    contigs.append('##INFO=<ID=END,Number=1,Type=Integer,Description="Last base">')
    text = make(lines, "in.vcf", [HEADER[0], *contigs, *HEADER[1:]])
    with (
        pysam.VariantFile(str(text)) as file,
        pysam.VariantFile(str(tmp_path / "in.bcf"), "wb", header=file.header) as packed,
    ):
        for record in file:
            packed.write(record)
    one, _ = run(text, genome, models["bases"])
    two, _ = run(tmp_path / "in.bcf", genome, models["bases"])
    scores = [[line.partition("DNALM_")[2] for line in part if line[0] != "#"]
              for part in (one, two)]  # fmt: skip
    assert scores[0] == scores[1]


def test_wrong_references_are_flagged_and_too_many_refused(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path]
) -> None:
    wrong = lines[:1] * 3
    fields = wrong[1].split("\t")
    fields[3], fields[4] = fields[4], fields[3]
    wrong[1] = "\t".join(fields)
    found, counts = run(make(wrong), genome, models["bases"], max_mismatch=0.4)
    flagged = ["DNALM_REF_MISMATCH" in line for line in found if line[0] != "#"]
    assert flagged == [False, True, False] and counts["reference_mismatches"] == 1
    with pytest.raises(InputError, match=r"1 of 3 reference alleles .*another build"):
        run(make(wrong), genome, models["bases"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[::-1], "bcftools sort"),
        (lambda rows: [*rows, rows[0]], "comes back after 'HLA-A'.*bcftools sort"),
        (
            lambda rows: [row.replace("1\t", "chr77\t", 1) for row in rows[:2]],
            "none of its contigs",
        ),
        (lambda rows: [rows[0].rpartition("\t")[0]], "10 columns; expected 11"),
        (lambda rows: [rows[0].replace("\t100\t", "\tten\t")], "position is 'ten'"),
    ],
)
def test_files_that_cannot_be_scored_say_why(
    change: Callable[[list[str]], list[str]], message: str,
    lines: list[str], make: Make, genome: Path, models: dict[str, Path],
) -> None:  # fmt: skip
    path = make(change(lines))
    with pytest.raises(InputError, match=message):
        run(path, genome, models["bases"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_damaged_files_say_why(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    whole = make(lines).read_bytes()
    texts = {
        "no_end.vcf.gz": (whole[:-28], "block that ends a bgzip file is missing"),
        "half.vcf.gz": (whole[: len(whole) // 2], "is missing"),
        "gzip.vcf.gz": (gzip.compress(b"##fileformat=VCFv4.2\n" * 99)[:-20], "cut off"),
        "empty.vcf": (b"", "is empty"),
        "bare.vcf": (f"{lines[0]}\n".encode(), "has no header"),
        "odd.vcf": (b"##fileformat=VCFv4.2\n#CHROM\tPOS\n", "the header ends with"),
    }
    for name, (content, message) in texts.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            run(tmp_path / name, genome, models["bases"])
    with pytest.raises(InputError, match="no such file"):
        run(tmp_path / "absent.vcf", genome, models["bases"])


def test_a_file_without_records_comes_out_with_its_header(
    make: Make, genome: Path, models: dict[str, Path]
) -> None:
    found, counts = run(make([]), genome, models["bases"])
    assert counts["records"] == 0 and found[-1] == HEADER[-1]
    assert any(line.startswith("##INFO=<ID=DNALM_LLR,") for line in found)


def test_scoring_twice_needs_another_prefix(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    path = make(lines)
    run(path, genome, models["bases"])
    (tmp_path / "out.vcf.gz").rename(tmp_path / "again.vcf.gz")
    with pytest.raises(InputError, match=r"DNALM_LLR already.*--prefix"):
        run(tmp_path / "again.vcf.gz", genome, models["causal"])
    found, _ = run(tmp_path / "again.vcf.gz", genome, models["causal"], prefix="GPT")
    assert "DNALM_LLR=" in found[-3] and "GPT_LLR=" in found[-3]


@pytest.mark.parametrize("layout", ["auto", "fields", "lists", "strongest"])
def test_outputs_of_tuned_models(
    layout: str, lines: list[str], make: Make, genome: Path, tuned: Path
) -> None:
    found, _ = run(make(lines), genome, tuned, layout=layout)
    names = {"lists": "DNALM_LFC", "strongest": "DNALM_TOP_LFC"}
    assert f";{names.get(layout, 'DNALM_tis_LFC')}=" in found[-12]
    assert "##DNALM_OUTPUTS=tis" in found
    assert ("DNALM_TOP=tis" in found[-12]) == (layout == "strongest")


def test_long_contigs_get_the_other_index(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(scoring, "TABIX_REACH", 100)
    path = make(lines)
    run(path, genome, models["bases"])
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"in.vcf.gz", "out.vcf.gz", "out.vcf.gz.csi"}
    with pysam.VariantFile(str(path.with_name("out.vcf.gz"))) as file:
        assert [record.id for record in file.fetch("2")] == ["other"]


def test_scores_are_summed_up_over_regions(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    bed, table = tmp_path / "genes.bed", tmp_path / "genes.tsv"
    bed.write_text("chr1\t99\t305\tgene\n2\t0\t49\tempty\nchr1\t99\t100\tsite\n")
    path = make(lines)
    score_file(
        path, genome, models["bases"], tmp_path / "out.vcf.gz", ScoreSettings(), bed=bed,
        table=table,
    )  # fmt: skip
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert [row[:6] for row in rows[1:]] == [
        ["chr1", "99", "305", "gene", "6", "6"], ["2", "0", "49", "empty", "0", "0"],
        ["chr1", "99", "100", "site", "2", "2"],
    ]  # fmt: skip
    with pysam.VariantFile(str(tmp_path / "out.vcf.gz")) as file:
        sizes = [abs(value) for record in file.fetch("1", 99, 305)
                 for value in record.info["DNALM_LLR"]]  # fmt: skip
    assert float(rows[1][6]) == pytest.approx(max(sizes), rel=1e-4)
    assert float(rows[1][7]) == pytest.approx(sum(sizes) / 6, rel=1e-4)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(
    lines: list[str], make: Make, genome: Path, models: dict[str, Path], tmp_path: Path
) -> None:
    path = make([line for line in lines for _ in range(60)])
    output = tmp_path / "killed.vcf.gz"
    command = [
        sys.executable, "-m", "pipeline_lib.cli", "score", str(path), "--genome", str(genome),
        "--model", str(models["bases"]), "-o", str(output), "--part-records", "4",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    parts = tmp_path / ".killed.vcf.gz.parts"
    limit = time.monotonic() + 60
    while len(list(parts.glob("*.npz"))) < 3 and time.monotonic() < limit:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = {file.name: file.stat().st_mtime_ns for file in parts.glob("*.npz")}
    assert 3 <= len(kept) < 180 and not output.exists()
    settings = ScoreSettings(part_records=4)
    score_file(path, genome, models["bases"], output, settings)
    assert not parts.exists()
    run(path, genome, models["bases"], part_records=4)
    for end in ("", ".tbi"):
        one, two = (tmp_path / f"{name}.vcf.gz{end}" for name in ("killed", "out"))
        assert one.read_bytes() == two.read_bytes()
