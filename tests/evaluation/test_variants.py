"""Variants: files of every format, sequences with and without them, planted effects."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.config.evaluation import EvaluationConfig, Variants
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.variant_effects import windows_with
from pipeline_lib.evaluation.variant_files import read_variants
from pipeline_lib.evaluation.variants import evaluate_variants
from pipeline_lib.files import read_json
from pipeline_lib.finetuning.examples import Examples, Target, as_lists, completed, write_examples
from pipeline_lib.finetuning.tune import finetune
from pipeline_lib.genome import Genome
from pipeline_lib.report.style import Outputs
from pipeline_lib.report.variants import variant_scores
from tests.finetuning import toys

ABOUT = Variants(file="x", assembly="test", task="sites", group_distance=50)
SETTINGS = EvaluationConfig(bootstrap_samples=100, baseline_kmers=(3,))
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def flipped(text: str) -> str:
    return text[::-1].translate(COMPLEMENT)


@pytest.fixture
def genome(small_genome):
    rng = np.random.default_rng(4)
    return small_genome({"chr1": "".join(rng.choice(list("ACGT"), 400)), "b": "ACGT" * 30})


@pytest.fixture
def read(genome, tmp_path):
    def run(text, **changes):
        path = tmp_path / "variants.txt"
        path.write_text(text)
        with Genome(genome) as reader:
            return read_variants(path, ABOUT.model_copy(update=changes), reader)

    return run


FIVE = "b\t2\tPathogenic_1\tC\tT\nchrb\t3\tBenign_2\tG\tGA\nb\t3\tother\tG\tT\n9\t3\tBenign\tG\tT\n"
HEADER = "pos,chrom,ref,alt,label\n2,b,C,T,1\n3,b,G,GA,benign\n3,b,G,GA,0\n"
VCF = """##fileformat=VCFv4.1
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
b\t2\t11\tC\tT\t.\t.\tALLELEID=1;CLNSIG=Likely_pathogenic;X=1
b\t3\t12\tG\tGA\t.\t.\tCLNSIG=Benign/Likely_benign
b\t5\t13\tA\tT\t.\t.\tCLNSIG=Uncertain_significance
b\t5\t14\tA\t.\t.\t.\tCLNSIG=Benign
"""


@pytest.mark.parametrize("text", [FIVE, HEADER, VCF])
def test_formats(read, text):
    table, left_out = read(text)
    assert table["contig"].tolist() == ["b", "b"]
    assert table["position"].tolist() == [1, 2]
    assert table["label"].tolist() == [1, 0]
    assert table["alt"].tolist() == ["T", "GA"]
    assert len(table) + left_out.total() == len(
        [line for line in text.splitlines() if line[0] != "#" and not line.startswith("pos")]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("b\t2\tbenign\tC\n", ["line 1", "4 columns"]),
        ("b\t2\tbenign\tC\tT\nb\tx\tbenign\tC\tT\n", ["line 2", "position is 'x'"]),
        ("b\t999\tbenign\tC\tT\n", ["line 1", "past the end of 'b'", "at most 120"]),
        ("b\t2\tbenign\tC\t?\n", ["line 1", "alleles are 'C' and '?'"]),
        ("b\t2\tbenign\tG\tT\n", ["line 1", "1 of 1 reference alleles", "first 'G' at b:2"]),
        ("b\t2\tnovel\tC\tT\n", ["no variant can be used", "begin with pathogenic"]),
    ],
)
def test_what_is_refused(read, text, said):
    with pytest.raises(InputError) as error:
        read(text)
    assert all(part in str(error.value) for part in said)


def test_sequences_with_and_without_variants(genome, read):
    with Genome(genome) as reader:
        whole = reader.fetch("chr1", 0, 400).decode()
        rows = [(100, whole[100], "ACGT".replace(whole[100], "")[0]), (110, whole[110:113], "A"),
                (118, whole[118], whole[118] + "GGG")]  # fmt: skip
        text = "".join(f"chr1\t{p + 1}\tbenign{p}\t{r}\t{a}\n" for p, r, a in rows)
        variants, _ = read(text)
        windows = pd.DataFrame(
            {"contig": "chr1", "start": [90, 95, 300], "end": [120, 125, 330],
             "strand": ["+", "-", "+"], "split": "test", "focus": 5}
        )  # fmt: skip
        found = windows_with(variants, windows, reader)
    assert len(found) == 6
    assert set(found["sequence"].str.len()) == set(found["changed"].str.len()) == {30}
    for row in found.itertuples():
        position, ref, alt = rows[row.variant]
        start, strand = (90, "+") if row.Index < 3 else (95, "-")
        changed = whole[:position] + alt + whole[position + len(ref) :]
        sides = [text[start : start + 30] for text in (whole, changed)]
        expected = sides if strand == "+" else [flipped(side) for side in sides]
        assert [row.sequence, row.changed] == expected


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Return sites with a motif, a genome that holds them, and a model tuned to find them."""
    folder = tmp_path_factory.mktemp("tuned")
    rng = np.random.default_rng(7)
    labels = np.arange(300) % 2
    windows = rng.choice(list("ACGT"), (300, 40))
    windows[labels == 1, 18:24] = list("TATAAA")
    whole = "".join("".join(window) for window in windows)
    starts = np.arange(300) * 40
    table = pd.DataFrame(
        {"example": np.arange(300), "split": np.repeat(["train", "valid", "test"], 100),
         "group": np.arange(300), "sequence": [whole[s : s + 40] for s in starts],
         "target": as_lists(labels[:, None]), "focus": 20, "contig": "c", "strand": "+",
         "assembly": "test", "position": starts + 20, "start": starts, "end": starts + 40}
    )  # fmt: skip
    examples = Examples(completed(table), Target("class", ("no", "site")))
    write_examples(folder / "examples.parquet", examples)
    tokenizer = toys.write_tokenizer(folder / "tokenizer.json")
    model = toys.write_model(folder / "model", tokenizer)
    run = folder / "task" / "sites" / "pretrained-1"
    task = toys.make_task(epochs=3)
    finetune(model, folder / "examples.parquet", run, task, init="pretrained", seed=1, threads=1)
    return folder, whole, run / "model"


def written(path: Path, whole: str, *, planted: bool) -> Path:
    """Write variants in the motif and beside it, or with classes at random."""
    rng = np.random.default_rng(3)
    lines = []
    for number, start in enumerate(range(40, 12_000, 160)):
        inside = number % 2 == 0
        place = start + int(rng.integers(18, 24) if inside else rng.integers(2, 12))
        alt = str(rng.choice(list("CG".replace(whole[place], ""))))
        effect = inside if planted else bool(rng.integers(2))
        name = "Pathogenic" if effect else "Benign"
        lines.append(f"c\t{place + 1}\t{name}_{number}\t{whole[place]}\t{alt}\n")
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize("planted", [True, False])
def test_planted_effects_are_found_and_others_are_not(tuned, small_genome, tmp_path, planted):
    folder, whole, model = tuned
    genome = small_genome({"c": whole})
    outputs = tmp_path / "scores.json", tmp_path / "table.parquet"
    evaluate_variants(
        written(tmp_path / "variants.tsv", whole, planted=planted), genome,
        folder / "examples.parquet", folder / "model", {"pretrained-1": model}, *outputs, ABOUT,
        SETTINGS, name="mini", variants_name="planted", seed=2, threads=1,
    )  # fmt: skip
    values, table = read_json(outputs[0]), pd.read_parquet(outputs[1])
    found = values["all"]["scores"]
    assert list(found) == ["pretrained", "kmer", "likelihood"]
    for family in ("pretrained", "kmer"):
        area, difference = found[family]["auroc"], found[family]["difference"]
        assert area["low"] <= area["value"] <= area["high"]
        if planted:
            assert area["low"] > 0.6 and difference["low"] > 0
        else:
            assert area["low"] < 0.5 < area["high"]
    assert len(table) == 75 and table["group"].nunique() == 75
    assert 0 < values["held_out"]["positives"] < values["all"]["positives"]
    assert int((~table["in_training"]).sum()) == 50
    figure = Outputs(*(tmp_path / f"figure.{end}" for end in ("svg", "tsv", "html")))
    variant_scores(*outputs, outputs=figure)
    assert "with an effect" in figure.figure.read_text()


def test_real_tables_on_chromosome_20(shared, tmp_path_factory):
    from pipeline_lib.genome.aliases import collect_aliases, write_aliases
    from pipeline_lib.genome.contigs import Contig, write_contigs
    from pipeline_lib.genome.output import index_fasta

    folder, data = tmp_path_factory.mktemp("chr20"), shared / "data"
    (folder / "genome.fa.gz").symlink_to(data / "human_chr20" / "20.GRCh37.fa.gz")
    index_fasta(folder / "genome.fa.gz", {"20": 63_025_520})
    contig = Contig("20", 63_025_520, 0.44, 0.056, 0.0, "chromosome", True, "", "")
    write_contigs(folder / "contigs.tsv", [contig])
    write_aliases(folder / "aliases.tsv", collect_aliases([contig], reported={}, table={})[0])
    wanted = {
        "1000G_GWAS_704Pos_704Neg.vcf.gz": (23, 13),
        "Clinvar_nc_snv_pathogenic_177Pos_177Neg.vcf.gz": (1, 6),
        "clinvar_20201003.hg19_multianno.txt.noncoding.indel.gz": (2, 125),
    }
    with Genome(folder) as genome:
        for name, counts in wanted.items():
            table, left_out = read_variants(data / "variants" / name, ABOUT, genome)
            found = tuple(int((table["label"] == label).sum()) for label in (1, 0))
            assert found == counts, (name, left_out)
        with pytest.raises(InputError, match=r"past the end of '20'.*use the assembly version"):
            read_variants(data / "variants" / "gpn_examples_msa_example.hg38.vcf.gz", ABOUT, genome)
