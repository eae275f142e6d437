"""Targets along the sequence: from tokens to bases, tuning, and what is written."""

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.coverage import cover
from pipeline_lib.finetuning.dense_encoding import MOST_OFFSETS, encode_dense
from pipeline_lib.finetuning.dense_losses import BaseClasses, Tracks
from pipeline_lib.finetuning.examples import Examples, Target, read_examples, write_examples
from pipeline_lib.finetuning.tune import finetune, load_tuned
from pipeline_lib.models.dense import TokenClassifier
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.kmers import kmer_tokenizer
from tests.finetuning import toys

BASES = Target("bases", ("other", "G"), bin=1, units=24)
TRACKS = Target("tracks", ("strong", "weak"), bin=6, units=4)
LENGTH, SIDE = 30, 3


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return toys.write_tokenizer(tmp_path_factory.mktemp("tokenizer") / "tokenizer.json")


@pytest.fixture(scope="module")
def model(tokenizer, tmp_path_factory):
    return toys.write_model(tmp_path_factory.mktemp("pretrained") / "model", tokenizer)


@pytest.fixture(scope="module")
def overlapping(tmp_path_factory):
    path = tmp_path_factory.mktemp("kmers") / "tokenizer.json"
    settings = TokenizerSettings(kind="kmer", k=3, overlapping=True)
    path.write_text(kmer_tokenizer(settings).to_str())
    return path


@st.composite
def segmentations(draw):
    """Return starts of tokens, the overlap, and a stretch of bins within them."""
    overlap = draw(st.sampled_from([0, 0, 1, 3, 6]))
    if overlap:
        length = draw(st.integers(overlap, 60))
        starts = np.arange(length - overlap + 1)
    else:
        lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=20))
        starts, length = np.cumsum([0, *lengths[:-1]]), sum(lengths)
    size = draw(st.integers(1, min(7, length)))
    units = draw(st.integers(1, length // size))
    first = draw(st.integers(0, length - units * size))
    return starts.astype(np.int64), overlap, length, first, units, size


def naive(starts, overlap, length, base):
    """Return the tokens that cover a base, by looking at all of them."""
    if overlap:
        return [t for t, start in enumerate(starts) if start <= base < start + overlap]
    ends = [*starts[1:], length]
    return [t for t in range(len(starts)) if starts[t] <= base < ends[t]]


@given(segmentations(), st.booleans(), st.integers(0, 2**16))
def test_bins_are_means_of_the_tokens_that_cover_their_bases(segmentation, turned, seed):
    starts, overlap, length, first, units, size = segmentation
    vectors = np.random.default_rng(seed).normal(size=(len(starts), 3))
    found = cover(starts, overlap=overlap, first=first, units=units, size=size, turned=turned)
    spread = np.zeros((units, 3))
    np.add.at(spread, found.units, vectors[found.tokens] * found.weights[:, None])
    expected = np.zeros((units, 3))
    for unit in range(units):
        bases = range(first + unit * size, first + (unit + 1) * size)
        place = units - 1 - unit if turned else unit
        expected[place] = np.mean(
            [vectors[naive(starts, overlap, length, b)].mean(axis=0) for b in bases], axis=0
        )
    np.testing.assert_allclose(spread, expected, atol=1e-6)
    if size == 1:
        bases = first + (units - 1 - found.units if turned else found.units)
        np.testing.assert_array_equal(found.offsets, bases - starts[found.tokens])


def make_examples(target, count=160, seed=0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([2, 2, 2, 2], count)
    texts = ["".join(rng.choice(list("ACGT"), LENGTH, p=p)) for p in shares]
    middle = slice(SIDE, LENGTH - SIDE)
    if target.kind == "bases":
        values = np.array([[letter == "G" for letter in text[middle]] for text in texts])
    else:
        letters = np.array([list(text) for text in texts])[:, middle].reshape(count, 4, 6)
        values = np.stack(
            [np.isin(letters, list(c)).sum(axis=2) for c in ("CG", "AT")], axis=2
        ).reshape(count, -1)
    values = values.astype(np.float32)
    values[rng.random(values.shape) < 0.05] = np.nan
    return Examples(toys.frame(texts, values), target)


def tune(model, examples, folder, **changes):
    folder.mkdir(parents=True)
    write_examples(folder / "examples.parquet", examples)
    settings = toys.make_task(**{"class_weights": "none", "epochs": 6, "batch_size": 8, **changes})
    run = folder / "model" / "task" / "run"
    finetune(model, folder / "examples.parquet", run, settings, init="scratch", seed=1, threads=1)
    return run


def scores_of(run, examples, split="test"):
    table = pq.read_table(run / "predictions.parquet").to_pandas()
    part = examples.of(split)
    rows = table[table["split"] == split]
    assert rows["example"].tolist() == part.table["example"].tolist()
    return part.targets(), np.stack(rows["scores"].to_list())


@pytest.mark.parametrize("method", ["full", "lora"])
def test_labels_that_depend_on_the_place_in_a_token_are_learnt(model, tmp_path, method):
    examples = make_examples(BASES)
    rate = 1e-2 if method == "full" else 4e-2
    run = tune(model, examples, tmp_path / method, method=method, learning_rate=rate)
    truth, scores = scores_of(run, examples)
    scores = scores.reshape(*truth.shape, 2)
    np.testing.assert_allclose(scores.sum(axis=2), 1, atol=1e-5)
    known = ~np.isnan(truth)
    assert average_precision_score(truth[known], scores[..., 1][known]) > 0.95
    again = load_tuned(run / "model").score(examples.of("test").table)
    np.testing.assert_array_equal(again, scores.reshape(len(again), -1))


def test_tracks_are_learnt_on_either_strand(model, tmp_path):
    examples = make_examples(TRACKS)
    run = tune(model, examples, tmp_path / "tracks", both_strands=True, learning_rate=1e-2)
    truth, scores = scores_of(run, examples)
    assert (scores > 0).all()
    assert Tracks(np.ones(2)).quality(truth, scores) > 0.8
    turned = examples.of("test").table
    texts = [reverse_complement(text.encode()).decode() for text in turned["sequence"]]
    other = load_tuned(run / "model").score(turned.assign(sequence=texts))
    flipped = other.reshape(-1, 4, 2)[:, ::-1].reshape(scores.shape)
    np.testing.assert_allclose(flipped, scores, rtol=1e-4)


def test_probes_are_not_offered(model, tmp_path):
    with pytest.raises(InputError, match="not offered for targets along the sequence"):
        tune(model, make_examples(TRACKS, 40), tmp_path / "probe", method="probe")


def test_places_in_a_token_differ_by_weights_of_their_own():
    """The head as a naive loop over bases has it."""

    class Encoder(torch.nn.Module):
        width = 5
        architecture = toys.SHAPE

        def forward(self, tokens, mask):
            return torch.nn.functional.one_hot(tokens, 5).float()

    torch.manual_seed(0)
    model = TokenClassifier(Encoder(), 3, 4, offsets=2, dropout=0.0)
    for weights in (model.head.by_offset, model.head.offset_bias):
        torch.nn.init.normal_(weights)
    tokens = torch.tensor([[0, 1, 2], [2, 4, 3]])
    pairs = [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 2, 0), (4, 3, 0), (5, 4, 0), (6, 4, 1), (7, 5, 0)]
    units, places, offsets = torch.tensor(pairs).T
    found = model(tokens, None, units, places, offsets, torch.ones(8)).reshape(8, 3)
    head = model.head
    for (unit, place, offset), row in zip(pairs, found, strict=True):
        vector = torch.eye(5)[tokens.flatten()[place]]
        weight = head.weight + head.by_offset[offset]
        expected = weight @ vector + head.bias + head.offset_bias[offset]
        torch.testing.assert_close(row, expected), unit


def test_context_is_cropped_but_never_what_is_labelled(tokenizer, overlapping):
    table = make_examples(BASES, 8).table
    for path in (tokenizer, overlapping):
        whole = encode_dense(table, path, BASES, context_length=64)
        fewest = int(whole.lengths.max()) - 1
        with pytest.raises(InputError, match=r"tokens, .* of them where something is to be"):
            encode_dense(table, path, BASES, context_length=fewest)
        cropped = encode_dense(table, path, BASES, context_length=fewest, too_long="crop")
        assert cropped.lengths.max() == fewest
        device = torch.device("cpu")
        rows = np.arange(len(table))
        one, other = whole.batch(rows, device), cropped.batch(rows, device)
        torch.testing.assert_close(one.units, other.units)
        torch.testing.assert_close(one.offsets, other.offsets)
        assert int(other.offsets.max()) < MOST_OFFSETS
        torch.testing.assert_close(
            one.tokens.flatten()[one.places], other.tokens.flatten()[other.places]
        )
    with pytest.raises(InputError, match="has 23 bases"):
        encode_dense(table.assign(sequence="A" * 23), tokenizer, BASES, context_length=64)


def test_objectives_weigh_and_undo():
    rng = np.random.default_rng(0)
    truth = rng.choice([0.0, 1.0, np.nan], (5, 24), p=[0.7, 0.2, 0.1]).astype(np.float32)
    plain, weighed = (BaseClasses.of(truth, BASES.names, balanced=b) for b in (False, True))
    for objective in (plain, weighed):
        outputs = torch.from_numpy(np.tile(objective.bias(), (5, 24)))
        found = objective.scores(outputs).reshape(-1, 2)
        np.testing.assert_allclose(found, np.tile(objective.shares, (120, 1)), rtol=1e-4)
    outputs = torch.randn(5, 48)
    known = ~np.isnan(truth)
    logits = outputs.reshape(5, 24, 2)[torch.from_numpy(known)]
    labels = torch.from_numpy(truth[known]).long()
    for objective in (plain, weighed):
        expected = torch.nn.functional.cross_entropy(
            logits, labels, weight=torch.from_numpy(objective.weights)
        )
        loss = objective.loss(outputs, truth) / objective.weight(truth)
        torch.testing.assert_close(loss, expected)
    with pytest.raises(InputError, match="no base of the training examples is of class 'G'"):
        BaseClasses.of(np.zeros((2, 24), np.float32), BASES.names, balanced=True)
    numbers = rng.gamma(2, 20, (6, 8)).astype(np.float32)
    tracks = Tracks.of(numbers, TRACKS.names)
    np.testing.assert_allclose(
        tracks.scores(torch.from_numpy(np.tile(tracks.bias(), (1, 4)))),
        np.tile(tracks.means, (1, 4)),
        rtol=1e-4,
    )
    with pytest.raises(InputError, match="track 'weak' is 0"):
        Tracks.of(numbers * np.tile([1, 0], 4).astype(np.float32), TRACKS.names)


def test_targets_survive_the_file_and_must_fit(tmp_path):
    examples = make_examples(TRACKS, 40)
    write_examples(tmp_path / "a.parquet", examples)
    again = read_examples(tmp_path / "a.parquet")
    assert again.target == TRACKS
    np.testing.assert_array_equal(again.targets(), examples.targets())
    short = Examples(examples.table.assign(sequence="ACGT"), TRACKS)
    write_examples(tmp_path / "b.parquet", short)
    with pytest.raises(InputError, match="has 4 bases and 8 targets"):
        read_examples(tmp_path / "b.parquet")
