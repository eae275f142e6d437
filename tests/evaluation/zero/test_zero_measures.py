"""Who knows nothing gets nothing, and what was planted is found; then the whole, as it is run."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.config.zero import ZeroConfig
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.covered import covered
from pipeline_lib.evaluation.markov import count_words, evaluate_markov, read_model
from pipeline_lib.evaluation.zero.codons import amino_acid, choose_codons, measure_codons
from pipeline_lib.evaluation.zero.contrast import Resampling, matched_auroc
from pipeline_lib.evaluation.zero.evaluate import Inputs, evaluate_zero, read_genes
from pipeline_lib.evaluation.zero.held import HeldOutSequence
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.evaluation.zero.needles import haystacks, measure_needles, plant
from pipeline_lib.evaluation.zero.reader import MarkovReader
from pipeline_lib.evaluation.zero.regions import measure_regions
from pipeline_lib.evaluation.zero.shuffles import measure_shuffles
from pipeline_lib.evaluation.zero.sites import MOTIFS, choose_pairs, measure_sites
from pipeline_lib.files import read_json
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.pretraining.folder import save_model
from pipeline_lib.report.style import Outputs
from pipeline_lib.report.zero import site_profiles, zero_models, zero_overview
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from tests.evaluation.zero.world import CODONS, make_genome

SHAPE = Architecture(layers=1, width=8, heads=2, feedforward_width=16, context_length=122)
SETTINGS = ZeroConfig(max_bases=15_000, sites=40, codons=60, needles=6, window=120, promoter=100)
LESS = {"max_bases": 10_000, "sites": 12, "codons": 20, "needles": 4}
RESAMPLING = Resampling(samples=100, confidence=0.95, seed=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory, write_documents):
    """Return a folder with a genome, documents, Markov models, a tokenizer and a model."""
    folder = tmp_path_factory.mktemp("zero")
    genomes = {"test": make_genome(folder)}
    size = 30_000
    files = [
        write_documents(folder / f"{split}.parquet", [(contig, "+", *span)])
        for split, contig, span in (
            ("train", "c1", (0, size)), ("test", "c2", (0, size)), ("valid", "c1", (size, 34_000)),
        )
    ]  # fmt: skip
    evaluate_markov(
        *files, genomes, folder / "markov.json",
        EvaluationConfig(markov_orders=(1, 3, 5), bootstrap_samples=100, max_bases=20_000),
        seed=1, counted=folder / "markov.npz",
    )  # fmt: skip
    kmer_tokenizer(TokenizerSettings(kind="nucleotide")).save(str(folder / "tokenizer.json"))
    network = MaskedLanguageModel(SHAPE, 11)
    save_model(folder / "model", network, SHAPE, folder / "tokenizer.json", card="test")
    return folder


@pytest.fixture(scope="module")
def held(world):
    return HeldOutSequence(world / "test.parquet", {"test": world / "test"})


@pytest.fixture(scope="module")
def annotations(world):
    return {"test": world / "test" / "annotation.gff3.gz"}


@pytest.fixture(scope="module")
def readers(world):
    """Return a model that knows nothing, and the best Markov model, which knows the genes."""
    network = MaskedLanguageModel(SHAPE, 11)
    with torch.no_grad():
        network.encoder.tokens.weight.zero_()
    encoder = SentenceEncoder(world / "tokenizer.json")
    model = ModelReader(network, encoder, 122, rounds=3, seed=1)
    return {"model": model, "markov": MarkovReader(*read_model(world / "markov.npz"))}


def test_the_markov_model_is_that_which_was_counted(world):
    best = read_json(world / "markov.json")["best_order"]
    counts, strengths = read_model(world / "markov.npz")
    stretches, _ = covered(world / "train.parquet")
    expected = count_words(stretches, {"test": world / "test"}, best, both=False)
    assert len(counts) == len(strengths) == best + 1
    assert (counts[best] == expected[best]).all()
    for found, wanted in zip(counts, expected, strict=True):
        assert found.shape == wanted.shape
        assert 0 <= (wanted - found).sum() <= best
    (world / "damaged.npz").write_bytes((world / "markov.npz").read_bytes()[:300])
    with pytest.raises(InputError, match=r"damaged\.npz"):
        read_model(world / "damaged.npz")


def test_genes_are_easier_than_what_lies_between(readers, held, annotations):
    found = measure_regions(readers, held, annotations, SETTINGS, RESAMPLING)
    by_region = {one["region"]: one for one in found}
    assert set(by_region) == {"all", "intergenic", "promoter", "intron", "CDS"}
    assert by_region["all"]["bases"] == sum(one["bases"] for one in found[1:]) == 10_000
    for one in found:
        assert one["model"]["value"] == pytest.approx(np.log2(6))
    assert by_region["CDS"]["markov"]["value"] < 1.7
    assert by_region["intergenic"]["markov"]["value"] > 1.9
    without = measure_regions(readers, held, {}, SETTINGS, RESAMPLING)
    assert without == [by_region["all"]]


def test_sites_surprise_those_who_know_nothing_as_much_as_decoys(readers, held, annotations):
    sites, _ = read_genes(held, annotations)
    assert {kind: len(some) for kind, some in sites.items()} == dict.fromkeys(MOTIFS, 40)
    found = measure_sites(readers, held, sites, 120, SETTINGS, RESAMPLING)
    for kind, one in found.items():
        for area in one["auroc"].values():
            assert area["model"] == {"value": 0.5, "low": 0.5, "high": 0.5}, kind
        assert np.ptp(one["profile"]["model"]["site"]["value"]) < 1e-5
    # Nine bases always stand before a start codon.
    area = found["start"]["auroc"]["motif"]
    assert area["markov"]["low"] > 0.7 and area["difference"]["high"] < 0
    profile = found["start"]["profile"]
    before = slice(profile["position"].index(-4), profile["position"].index(0))
    site, decoy = (np.mean(profile["markov"][w]["value"][before]) for w in ("site", "decoy"))
    assert site < decoy - 0.3


def test_decoys_are_the_same_letters_nearby_but_no_sites(held, annotations):
    sites, _ = read_genes(held, annotations)
    for kind, places in sites.items():
        pairs = choose_pairs(held, kind, places, 120, 40, 1)
        assert len(pairs) >= 25
        taken = {(place.strand, place.position) for place in places}
        for pair in pairs:
            site, decoy = (window[60:] for window in pair.windows)
            size = len(MOTIFS[kind][0])
            assert site[:size] == decoy[:size] and site[:size] in MOTIFS[kind]
            assert pair.site.strand == pair.decoy.strand
            assert 40 < abs(pair.site.position - pair.decoy.position) <= 5_000
            assert (pair.decoy.strand, pair.decoy.position) not in taken


def test_synonymous_substitutions_are_told_from_others(readers, held, annotations):
    _, genes = read_genes(held, annotations)
    codons = choose_codons(held, genes, 120, SETTINGS, 1)
    assert len(codons) == 60
    assert {one.letters[one.at : one.at + 3] for one in codons} <= set(CODONS)
    found = measure_codons(readers, codons, RESAMPLING)
    assert found["auroc"]["model"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert found["auroc"]["markov"]["low"] > 0.6
    assert found["synonymous"] > 50 and found["nonsynonymous"] > 50
    assert "codon position 3, transversion" in found["by_kind"]


def test_the_frequencies_of_bases_tell_nothing_about_codons(held, annotations):
    _, genes = read_genes(held, annotations)
    codons = choose_codons(held, genes, 120, SETTINGS, 1)
    composition = MarkovReader([np.array([[5, 1, 2, 9]])], [1.0])
    found = measure_codons({"model": composition, "markov": composition}, codons, RESAMPLING)
    assert found["auroc"]["model"]["value"] == 0.5


def test_the_genetic_code():
    for codon, acid in {b"TTT": "F", b"AAA": "K", b"GGG": "G", b"TGG": "W", b"TAG": "*"}.items():
        assert amino_acid(codon) == acid


def test_shuffling_costs_what_is_known_beyond_composition(readers, held):
    found = measure_shuffles(readers, held, 120, SETTINGS, RESAMPLING)
    for more in found["more"].values():
        assert more["model"]["value"] == pytest.approx(0, abs=1e-6)
        assert more["markov"]["low"] > 0.05
    assert found["bits"]["none"]["model"]["value"] == pytest.approx(np.log2(6))
    pairs = MarkovReader([np.ones((1, 4)), np.arange(16).reshape(4, 4)], [1.0, 1.0])
    bases = MarkovReader([np.array([[1, 2, 3, 4]])], [1.0])
    found = measure_shuffles({"model": pairs, "markov": bases}, held, 120, SETTINGS, RESAMPLING)
    assert found["more"]["pairs of bases"]["model"]["value"] == pytest.approx(0, abs=1e-9)
    assert abs(found["more"]["bases"]["model"]["value"]) > 0.001
    assert found["more"]["bases"]["markov"]["value"] == pytest.approx(0, abs=1e-9)


class Copier(nn.Module):
    """Predicts what followed the last six tokens when they stood there before."""

    causal = True

    def __init__(self, distance: int) -> None:
        super().__init__()
        self.distance = distance

    def forward(self, tokens, mask, targets):
        logits = torch.zeros(*tokens.shape, 11)
        for row, text in enumerate(tokens.tolist()):
            for place in range(6, len(text)):
                key = text[place - 5 : place + 1]
                for before in range(max(5, place - self.distance), place):
                    if text[before - 5 : before + 1] == key:
                        logits[row, place, text[before + 1]] = 9.0
        return logits.flatten(0, 1)[targets.flatten()]


def test_who_copies_saves_bits_as_far_as_it_sees(world, readers):
    encoder = SentenceEncoder(world / "tokenizer.json")
    settings = SETTINGS.model_copy(update={"needle_length": 24, "needles": 4})
    copier = ModelReader(Copier(50), encoder, 122, rounds=3, seed=1)
    found = measure_needles(copier, settings, RESAMPLING)
    assert [one["distance"] for one in found] == [24, 48, 64]
    for one in found[:2]:
        assert one["saved"]["low"] > 2.4 and one["accuracy"]["value"] == 1
    assert abs(found[2]["saved"]["value"]) < 0.2
    for one in measure_needles(readers["model"], settings, RESAMPLING):
        assert one["saved"]["value"] == pytest.approx(0, abs=1e-6)


def test_needles_are_the_same_word_twice(readers):
    for haystack in haystacks(readers["model"], SETTINGS):
        text, control = plant(haystack, np.random.default_rng(0))
        first, second = haystack.first, haystack.second
        assert len(text) == len(control) <= 120
        word = text[second : second + haystack.word]
        assert text[first : first + haystack.word] == word
        assert control[second:] == text[second:] and control[:first] == text[:first]
        assert control[first : first + haystack.word] != word


def test_matched_pairs_are_compared_within_their_stratum():
    labels = np.array([True, False, True, False, False])
    scores, strata = np.array([3.0, 1.0, 0.0, 5.0, 0.0]), np.array(["a", "a", "b", "b", "b"])
    found = matched_auroc(labels, scores, strata)(np.array([[1.0] * 5, [2, 1, 0, 1, 1]]))
    np.testing.assert_allclose(found, [(1 + 0 + 0.5) / 3, 1.0])


def run(world, **changes):
    inputs = {
        "model": world / "model", "test": world / "test.parquet",
        "baselines": world / "markov.json", "markov": world / "markov.npz",
        "genomes": {"test": world / "test"}, "annotated": ("test",),
    } | changes  # fmt: skip
    output = world / "evaluation" / "mini" / "zero.json"
    settings = EvaluationConfig(
        bootstrap_samples=100, mask_rounds=3, zero=SETTINGS.model_copy(update=LESS)
    )
    evaluate_zero(Inputs(**inputs), output, settings, name="mini", seed=1, threads=1)
    return output


def test_the_whole_is_written_drawn_and_the_same_again(world, tmp_path):
    first = run(world).read_bytes()
    result = run(world)
    assert result.read_bytes() == first
    values = read_json(result)
    assert set(SETTINGS.parts) <= set(values)
    assert values["left_out"] == {} and values["measure"] == "pseudo-likelihood"
    outputs = Outputs(tmp_path / "f.svg", tmp_path / "t.tsv", tmp_path / "p.html")
    zero_overview(result, outputs=outputs)
    frame = pd.read_csv(outputs.table, sep="\t").set_index(["part", "of", "measure", "who"])
    area = values["codons"]["auroc"]["model"]["value"]
    assert frame.loc[("codons", "all (20)", "AUROC", "model"), "value"].item() == area
    assert "Sites against decoys" in outputs.figure.read_text()
    site_profiles(result, outputs=outputs)
    assert "Start codons" in outputs.figure.read_text()
    assert len(pd.read_csv(outputs.table, sep="\t")) == 4 * 41 * 4
    zero_models(result, outputs=outputs)
    assert "AUROC of start codons" in outputs.figure.read_text()


def test_without_an_annotation_the_rest_is_measured(world, tmp_path):
    result = run(world, annotated=())
    values = read_json(result)
    assert set(values["left_out"]) == {"types of regions", "sites", "codons"}
    assert "genome.assemblies.NAME.annotation" in values["left_out"]["codons"]
    assert values["regions"] and values["shuffles"] and values["needles"]
    outputs = Outputs(tmp_path / "f.svg", tmp_path / "t.tsv", tmp_path / "p.html")
    for draw in (site_profiles, zero_models):
        draw(result, outputs=outputs)
    zero_overview(result, outputs=outputs)
    assert "Left out: codons" in outputs.figure.read_text()
    assert "genome.assemblies.NAME.annotation" in outputs.page.read_text()
