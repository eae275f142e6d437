"""Tasks made from the public files of papers: one class for each format.

The module ``pipeline_lib/finetuning/sources/TYPE.py`` reads what the class of that ``type``
describes; ``config/tasks/*.yaml`` holds the settings of published tasks.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipeline_lib.config.base import Name, Share
from pipeline_lib.config.finetuning import Pooling, Task

ASSEMBLY = "Name of an entry of `genome.assemblies`: the version that the file was made for."
POOLING = "What the head sees; see `finetuning.pooling`."


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""One text, or a list of them."""


class FastaClassesTask(Task):
    """Two classes in FASTA files of their own, as DeepGSR publishes signals of genes."""

    PATHS: ClassVar[tuple[str, ...]] = ("positive", "negative")

    type: Literal["fasta_classes"] = Field(
        description="`fasta_classes`: FASTA files of examples that are, and that are not."
    )
    positive: Texts = Field(min_length=1, description="Files of the positive class, or patterns.")
    negative: Texts = Field(min_length=1, description="Files of the negative class, or patterns.")
    classes: tuple[str, str] = Field(
        ("negative", "positive"), description="Names of the negative and of the positive class."
    )
    motif_start: int | None = Field(
        None, ge=0, description="First base (from 0) of the motif that all examples have."
    )
    motifs: Texts = Field(
        (),
        description="The motifs there may be, of one length; scores are given for each. An "
        "example without one of them is an error.",
    )
    remove_motif: bool = Field(
        False, description="Cut the motif out, and join what is before and after it (DNAGPT)."
    )

    @model_validator(mode="after")
    def _motifs(self) -> Self:
        if (self.motif_start is None) != (not self.motifs):
            raise ValueError("`motif_start` and `motifs` go together: give both or neither")
        if self.remove_motif and not self.motifs:
            raise ValueError("`remove_motif` needs `motif_start` and `motifs`")
        if len({len(motif) for motif in self.motifs}) > 1:
            raise ValueError("the `motifs` are of different lengths")
        return self


class CsvFolderTask(Task):
    """Sequences with a class in the files train, dev and test of a folder, as in GUE."""

    PATHS: ClassVar[tuple[str, ...]] = ("folder", "file")

    type: Literal["csv_folder"] = Field(
        description="`csv_folder`: train.csv, dev.csv and test.csv with `sequence,label`."
    )
    folder: str | None = Field(
        None, description="Folder with train, dev (or valid) and test, as .csv or .tsv, or .gz."
    )
    file: str | None = Field(None, description="One file instead, with a column `split`.")
    splits: Literal["published", "drawn"] = Field(
        "published",
        description="`drawn`: do without the published splits, of which some may be missing, and "
        "draw new ones by `shares`.",
    )
    contig: str | None = Field(
        None, description="Contig of all rows, where there are columns `start` and `end` only."
    )
    pooling: Pooling = Field("mean", description=POOLING)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.folder is None) == (self.file is None):
            raise ValueError("give either `folder` or `file`")
        return self


class GenomicBenchmarksTask(Task):
    """Places of a genome with a class, as Genomic Benchmarks publishes them."""

    PATHS: ClassVar[tuple[str, ...]] = ("folder",)

    type: Literal["genomic_benchmarks"] = Field(
        description="`genomic_benchmarks`: train/CLASS.csv and test/CLASS.csv with "
        "`id,region,start,end,strand`."
    )
    assembly: Name = Field(description=ASSEMBLY)
    folder: str = Field(description="Folder with `train` and `test`, each a file for every class.")
    pooling: Pooling = Field("mean", description=POOLING)


class PromotersTask(Task):
    """Promoters of EPDnew, against other parts of the genome or shuffled promoters."""

    PATHS: ClassVar[tuple[str, ...]] = ("positions",)

    type: Literal["promoters"] = Field(
        description="`promoters`: transcription starts of EPDnew against what is none."
    )
    assembly: Name = Field(description=ASSEMBLY)
    positions: str = Field(description="EPDnew's .sga, .dat, .fps or .bed, or a .tsv table.")
    upstream: int = Field(249, ge=0, description="Bases before the transcription start.")
    downstream: int = Field(51, ge=1, description="Bases from the transcription start on.")
    negatives: Literal["genomic", "shuffled"] = Field(
        "genomic",
        description="`genomic`: windows of the same contig with the same GC content and no "
        "promoter; `shuffled`: promoters in 20 pieces, 12 of them shuffled (DeePromoter, GENA-LM).",
    )
    gc_tolerance: Share = Field(
        0.05, description="For `genomic`: most that the GC content may differ from the promoter's."
    )
    tata: str = Field(
        "TATAWA",
        pattern="^[ACGTRYSWKMBDHVN]+$",
        description="Promoters that have this (IUPAC codes) in `tata_region` are of kind `tata`.",
    )
    tata_region: tuple[int, int] = Field(
        (-40, -20), description="Where a TATA box starts, in bases from the transcription start."
    )

    @model_validator(mode="after")
    def _pieces(self) -> Self:
        length = self.upstream + self.downstream
        if self.negatives == "shuffled" and length % 20:
            raise ValueError(
                f"`upstream` and `downstream` add up to {length}, and `negatives: shuffled` needs "
                "a multiple of 20"
            )
        return self


class SpliceSitesTask(Task):
    """Donors and acceptors of introns, against other GT and AG of the same genes."""

    PATHS: ClassVar[tuple[str, ...]] = ("table",)

    type: Literal["splice_sites"] = Field(
        description="`splice_sites`: donors, acceptors, and GT and AG that are neither."
    )
    assembly: Name = Field(description=ASSEMBLY)
    table: str | None = Field(
        None, description="SpliceAI's table of transcripts; default: the assembly's annotation."
    )
    upstream: int = Field(199, ge=0, description="Bases before the GT or AG.")
    downstream: int = Field(199, ge=0, description="Bases after the GT or AG.")
    decoys_per_site: float = Field(1.0, gt=0, description="Decoys for every true site.")
    test_contigs: Texts = Field(
        (),
        description="Published test split: these contigs, without genes that have paralogs; the "
        "others are for training (SpliceAI: 1, 3, 5, 7, 9).",
    )

    @property
    def needs_annotation(self) -> bool:
        """Whether the examples are made from the annotation of the assembly."""
        return self.table is None


class NativePromotersTask(Task):
    """Expression of 120-base yeast promoters from a reporter library."""

    PATHS: ClassVar[tuple[str, ...]] = ("file",)

    type: Literal["native_promoters"] = Field(
        description="`native_promoters`: yeast promoters with expression levels (GSE104878)."
    )
    file: str = Field(description="Table with `seq`, `isNative` and the expression levels.")
    target: Texts = Field(("EL.combined",), min_length=1, description="Columns to be predicted.")
    only_native: bool = Field(False, description="Leave out designed variants of promoters.")
    pooling: Pooling = Field("mean", description=POOLING)


class XpressoTask(Task):
    """Messenger RNA level of genes from the sequence around their transcription start."""

    PATHS: ClassVar[tuple[str, ...]] = ("file",)

    type: Literal["xpresso"] = Field(
        description="`xpresso`: transcription starts with the level of their messenger RNA."
    )
    file: str = Field(description="Table of genes.")
    upstream: int = Field(7000, ge=0, description="Bases before the transcription start.")
    downstream: int = Field(3500, ge=1, description="Bases from the transcription start on.")
    gene_column: str = Field("ensembl_gene", description="Column with the gene.")
    contig_column: str = Field("chrom", description="Column with the contig.")
    position_column: str = Field(
        "tss_center_0based", description="Column with the transcription start, counted from 0."
    )
    strand_column: str = Field("strand", description="Column with the strand.")
    sequence_column: str | None = Field(
        None,
        description="Column with sequence whose middle is the transcription start, in place of "
        "`assembly` (Xpresso: PROMOTER).",
    )
    target: str = Field(
        "human_log10_median_rpkm_plus0.1", description="Column with the level to be predicted."
    )
    number_columns: Texts = Field(
        (), description="Columns with numbers given beside the sequence, such as lengths."
    )
    log10_columns: Texts = Field(
        (), description="Of target and numbers, those to take log10(x + 0.1) of, as Xpresso does."
    )

    @model_validator(mode="after")
    def _source(self) -> Self:
        if (self.assembly is None) == (self.sequence_column is None):
            raise ValueError("give either `assembly` or `sequence_column`")
        known = (self.target, *self.number_columns)
        if strange := sorted(set(self.log10_columns) - set(known)):
            raise ValueError(f"`log10_columns` names {strange[0]!r}, which is no target or number")
        return self


class DeepStarrTask(Task):
    """Activity of 249-base fly enhancers with two promoters."""

    PATHS: ClassVar[tuple[str, ...]] = (
        "train", "train_activity", "valid", "valid_activity", "test", "test_activity",
    )  # fmt: skip

    type: Literal["deepstarr"] = Field(
        description="`deepstarr`: FASTA files, each with a table of activities in the same order."
    )
    train: str = Field(description="Sequences_Train.fa")
    train_activity: str = Field(description="Sequences_activity_Train.txt")
    valid: str | None = Field(None, description="Sequences_Val.fa; without it drawn from `train`.")
    valid_activity: str | None = Field(None, description="Sequences_activity_Val.txt")
    test: str = Field(description="Sequences_Test.fa")
    test_activity: str = Field(description="Sequences_activity_Test.txt")
    target: Texts = Field(
        ("Dev_log2_enrichment", "Hk_log2_enrichment"),
        min_length=1,
        description="Columns to be predicted.",
    )
    pooling: Pooling = Field("mean", description=POOLING)

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.valid is None) != (self.valid_activity is None):
            raise ValueError("`valid` and `valid_activity` go together: give both or neither")
        return self


class AparentTask(Task):
    """Share of transcripts that end at a polyadenylation signal."""

    PATHS: ClassVar[tuple[str, ...]] = ("train", "test")

    type: Literal["aparent"] = Field(
        description="`aparent`: CSV files with `seq,seq_ext,library,target`."
    )
    train: str = Field(description="File of the training examples.")
    test: str = Field(description="File of the test examples.")
    pooling: Pooling = Field("mean", description=POOLING)


class ChromatinTask(Task):
    """Which peaks cover a 200-base bin, as DeepSEA defines it."""

    PATHS: ClassVar[tuple[str, ...]] = ("peaks",)

    type: Literal["chromatin"] = Field(
        description="`chromatin`: BED of peaks, with the track of each as its name."
    )
    assembly: Name = Field(description=ASSEMBLY)
    peaks: str = Field(description="BED file; the fourth column names the track.")
    context: int = Field(1000, ge=1, description="Bases of an example, with the bin in the middle.")
    bin: int = Field(200, ge=2, description="Bases that the labels are about.")
    min_peaks: int = Field(50, ge=1, description="Tracks with fewer peaks are left out.")
    max_bins: int = Field(
        50_000, ge=1, description="Most bins, drawn at random from those with a label."
    )
    groups: Mapping[str, Texts] = Field(
        default_factory=dict,
        description="Labels that are also scored together: patterns of their names, for example "
        "{DHS: '*Dnase*', TF: '*Tfbs*'}.",
    )


class DeepSeaTask(Task):
    """DeepSEA's sequences with 919 chromatin labels."""

    PATHS: ClassVar[tuple[str, ...]] = ("train", "valid", "test", "names")

    type: Literal["deepsea"] = Field(
        description="`deepsea`: CSV files without a header, a sequence and 919 labels a line."
    )
    train: str = Field(description="File of the training examples.")
    valid: str | None = Field(
        None, description="File of the validation examples; without it drawn from `train`."
    )
    test: str = Field(description="File of the test examples.")
    names: str | None = Field(None, description="File with the name of a label a line.")
    context: int | None = Field(
        1000, ge=1, description="Bases from the middle of each sequence; none for all."
    )
    train_share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        1.0, description="Share of the training examples to take, drawn at random."
    )


class PairsTask(Task):
    """Enhancers and promoters that touch in the nucleus, or do not."""

    PATHS: ClassVar[tuple[str, ...]] = ("file",)

    type: Literal["pairs"] = Field(
        description="`pairs`: enhancer-promoter pairs with a label 0 or 1."
    )
    assembly: Name = Field(description=ASSEMBLY)
    file: str = Field(description="Table of pairs, as of TargetFinder or DeepTACT.")
    contig: str | None = Field(
        None, description="Contig of all pairs, where the file does not name it."
    )
    cell: str = Field("", description="Cell line of all pairs, where the file does not name it.")
    enhancer_length: int = Field(2000, ge=1, description="Bases around the enhancer's middle.")
    promoter_length: int = Field(1000, ge=1, description="Bases around the promoter's middle.")
    max_negatives: float | None = Field(
        None, gt=0, description="Most negative pairs for each positive one of a cell line."
    )
    pooling: Pooling = Field("mean", description=POOLING)


PublicTask = (
    FastaClassesTask
    | CsvFolderTask
    | GenomicBenchmarksTask
    | PromotersTask
    | SpliceSitesTask
    | NativePromotersTask
    | XpressoTask
    | DeepStarrTask
    | AparentTask
    | ChromatinTask
    | DeepSeaTask
    | PairsTask
)
"""Any of the tasks made from public files."""
