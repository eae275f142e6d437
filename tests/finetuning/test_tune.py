"""Fine-tuning: encoding, batches, training, early stopping and what is written."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from pipeline_lib.config.architecture import Architecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.config.tokenizer import TokenizerSettings
from pipeline_lib.corpus.reader import DOCUMENT_SCHEMA
from pipeline_lib.errors import InputError, TrainingError
from pipeline_lib.finetuning import training
from pipeline_lib.finetuning.encoding import encode_examples, joined, mirrored, training_batches
from pipeline_lib.finetuning.examples import write_examples
from pipeline_lib.finetuning.training import Tuner
from pipeline_lib.finetuning.tune import finetune
from pipeline_lib.models.build import build_model
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.models.transformer import Transformer
from pipeline_lib.pretraining.folder import load_model, save_model
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.train import make_tokenizer
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

SHAPE = Architecture(
    layers=1, width=32, heads=2, feedforward_width=64, context_length=64, dropout=0.0
)


@pytest.fixture(scope="module")
def tokenizer(yeast, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    row = {"document": 0, "assembly": "S288C", "contig": "ref|NC_001133|", "strand": "+"}
    row |= {"start": 0, "end": 200_000, "pass": 0, "sentence_lengths": [1000] * 200}
    pq.write_table(pa.Table.from_pylist([row], DOCUMENT_SCHEMA), folder / "documents.parquet")
    output = folder / "tokenizer.json"
    make_tokenizer(
        folder / "documents.parquet",
        {"S288C": yeast},
        output,
        folder / "stats.json",
        TokenizerSettings(vocab_size=100),
        seed=1,
    )
    return output


@pytest.fixture(scope="module")
def model(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained") / "model"
    torch.manual_seed(9)
    network = MaskedLanguageModel(SHAPE, len(read_vocabulary(tokenizer).lengths))
    save_model(folder, network, SHAPE, tokenizer, card="test")
    return folder


def make_examples(count=480, positives=0.5, signal=True, seed=0):
    """Return examples whose true sites have GGG before the codon."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) < positives).astype(int)
    sequences = []
    for label in labels:
        letters = rng.choice(list("ACGT"), 63)
        letters[30:33] = list("ATG")
        if signal:
            letters[27:30] = list("GGG" if label else "TAT")
        sequences.append("".join(letters))
    return pd.DataFrame(
        {
            "example": np.arange(count),
            "assembly": "test",
            "contig": "a",
            "strand": "+",
            "position": np.arange(count) * 100 + 30,
            "start": np.arange(count) * 100,
            "end": np.arange(count) * 100 + 63,
            "sequence": sequences,
            "focus": 30,
            "label": labels,
            "kind": np.where(labels == 1, "tis", "upstream"),
            "gene": "",
            "group": np.arange(count),
            "split": np.repeat(["train", "valid", "test"], [count - 240, 120, 120]),
        }
    )


@pytest.fixture
def examples(tmp_path):
    path = tmp_path / "examples.parquet"
    write_examples(path, make_examples())
    return path


@pytest.fixture
def task(make_task):
    return make_task(epochs=4, batch_size=16, learning_rate=3e-3, upstream=30, downstream=30)


def test_focus_is_the_token_that_holds_the_base(tokenizer):
    lengths = read_vocabulary(tokenizer).lengths

    @settings(max_examples=50, deadline=None)
    @given(st.text(alphabet="ACGTN", min_size=1, max_size=120), st.data())
    def check(sequence, data):
        base = data.draw(st.integers(0, len(sequence) - 1))
        if "N" * 10 in sequence:  # a gap token stands for any number of bases
            return
        table = pd.DataFrame({"sequence": [sequence], "focus": [base], "label": [1]})
        encoded = encode_examples(table, tokenizer, context_length=1000)
        ends = np.cumsum(lengths[encoded.tokens])
        holder = int(encoded.focus[0])
        assert ends[holder - 1] <= base < ends[holder]
        assert ends[-1] == len(sequence)

    check()


def test_examples_longer_than_the_context(tokenizer):
    table = make_examples().assign(start=1234)
    with pytest.raises(InputError, match=r"a:1,234 has \d+ tokens.*reads 9 at most.*`upstream`"):
        encode_examples(table, tokenizer, context_length=9)


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=200), st.integers(1, 20))
def test_an_epoch_has_every_example_once(lengths, size):
    batches = training_batches(np.array(lengths), size, seed=1, epoch=2)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    again = training_batches(np.array(lengths), size, seed=1, epoch=2)
    assert all((one == other).all() for one, other in zip(batches, again, strict=True))


def test_a_solvable_task_is_solved_and_all_is_written(model, examples, task, tmp_path):
    finetune(model, examples, tmp_path / "run", task, init="pretrained", seed=1, threads=1)
    table = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pandas()
    assert list(table.columns) == ["example", "split", "label", "score"]
    assert table["split"].value_counts().to_dict() == {"valid": 120, "test": 120}
    test = table[table["split"] == "test"]
    assert roc_auc_score(test["label"], test["score"]) > 0.95
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    assert [line["epoch"] for line in history] == [1, 2, 3, 4]
    assert history[-1]["loss"] < history[0]["loss"]
    valid = table[table["split"] == "valid"]
    best = max(line["valid_auroc"] for line in history)
    assert roc_auc_score(valid["label"], valid["score"]) == pytest.approx(best)


def test_both_strands_are_learnt_and_give_the_same_score(model, examples, task, tmp_path):
    """The other strand of an example has the mirrored codon, and its own score is the mean."""
    both = task.model_copy(update={"both_strands": True})
    finetune(model, examples, tmp_path / "run", both, init="pretrained", seed=1, threads=1)
    table = make_examples()
    turned = mirrored(table)
    for one, other in zip(
        table.itertuples(index=False), turned.itertuples(index=False), strict=True
    ):
        assert reverse_complement(other.sequence.encode()).decode() == one.sequence
        mate = {"A": "T", "T": "A", "C": "G", "G": "C"}
        assert other.sequence[other.focus] == mate[one.sequence[one.focus]]
    assert mirrored(turned).equals(table)
    written = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pandas()
    test = written[written["split"] == "test"]
    assert roc_auc_score(test["label"], test["score"]) > 0.9
    encoder, architecture = load_model(tmp_path / "run" / "model")
    classifier = SequenceClassifier(encoder.encoder, 2, both.pooling, architecture.dropout)
    tuner = Tuner(classifier, both, seed=1)
    views = [
        encode_examples(side[:50], tmp_path / "run/model/tokenizer.json", context_length=64)
        for side in (table, turned)
    ]
    assert tuner.score(*views) == pytest.approx(tuner.score(*views[::-1]))
    whole = joined(*views)
    assert tuner.score(whole) == pytest.approx(
        np.concatenate([tuner.score(view) for view in views]), abs=1e-6
    )


@pytest.mark.parametrize(
    ("family", "pooling"),
    [("gpt2", "mean"), ("gpt2", "cls"), ("gpt2", "center"), ("hyena", "mean"), ("hyena", "center")],
)
def test_models_of_the_next_token_are_tuned_too(
    family, pooling, tokenizer, examples, task, tmp_path
):
    sizes = {
        "layers": 2,
        "width": 24,
        "feedforward_width": 48,
        "context_length": 64,
        "init_std": 0.2,
    }
    if family == "hyena":
        shape = HyenaArchitecture(**sizes)
    else:
        shape = Architecture(
            **sizes, family="gpt2", heads=2, attention="causal", norm="pre", final_norm=True
        )
    torch.manual_seed(9)
    network = build_model(shape, len(read_vocabulary(tokenizer)))
    save_model(tmp_path / "model", network, shape, tokenizer, card="test")
    settings = task.model_copy(update={"pooling": pooling, "epochs": 12, "learning_rate": 1e-2})
    for init in ("pretrained", "scratch"):
        finetune(
            tmp_path / "model", examples, tmp_path / init, settings, init=init, seed=1, threads=1
        )
    table = pq.read_table(tmp_path / "pretrained" / "predictions.parquet").to_pandas()
    test = table[table["split"] == "test"]
    assert roc_auc_score(test["label"], test["score"]) > 0.8


def test_the_saved_model_gives_the_saved_scores(model, examples, task, tmp_path):
    finetune(model, examples, tmp_path / "run", task, init="scratch", seed=1, threads=1)
    encoder, architecture = load_model(tmp_path / "run" / "model")
    classifier = SequenceClassifier(encoder.encoder, 2, task.pooling, architecture.dropout)
    classifier.head.load_state_dict(load_file(tmp_path / "run" / "model" / "head.safetensors"))
    classifier.eval()
    table = make_examples()
    test = table[table["split"] == "test"]
    encoded = encode_examples(test, tmp_path / "run/model/tokenizer.json", context_length=64)
    tokens, mask, focus, _ = encoded.batch(np.arange(len(test)), torch.device("cpu"))
    with torch.no_grad():
        logits = classifier(tokens, mask, focus).double().numpy()
    written = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pandas()
    scores = written.loc[written["split"] == "test", "score"].to_numpy()
    # Class weights shift all log odds by the same amount.
    shift = (logits[:, 1] - logits[:, 0]) - np.log(scores / (1 - scores))
    np.testing.assert_allclose(shift, shift[0], atol=1e-3)


def test_a_seed_gives_the_same_bytes(model, examples, task, tmp_path):
    short = task.model_copy(update={"epochs": 1})
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        finetune(model, examples, tmp_path / name, short, init="scratch", seed=seed, threads=1)

    def content(name):
        files = ("predictions.parquet", "model/model.safetensors", "model/head.safetensors")
        return [(tmp_path / name / file).read_bytes() for file in files]

    assert content("one") == content("again")
    assert all(one != other for one, other in zip(content("one"), content("other"), strict=True))


def test_pretrained_starts_from_the_weights_and_scratch_does_not(model, examples, task, tmp_path):
    frozen = task.model_copy(update={"epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0})
    weights = {}
    for init in ("pretrained", "scratch"):
        finetune(model, examples, tmp_path / init, frozen, init=init, seed=1, threads=1)
        weights[init] = load_file(tmp_path / init / "model" / "model.safetensors")
    original = load_file(model / "model.safetensors")
    assert weights["scratch"].keys() == original.keys() == weights["pretrained"].keys()
    name = "bert.encoder.layer.0.intermediate.dense.weight"
    torch.testing.assert_close(weights["pretrained"][name], original[name])
    assert not torch.allclose(weights["scratch"][name], original[name], atol=1e-3)


def tuner(task, seed=1):
    torch.manual_seed(seed)
    return Tuner(SequenceClassifier(Transformer(SHAPE, 100), 2, task.pooling, 0.0), task, seed=seed)


def encode(table, tokenizer):
    return {
        split: encode_examples(part, tokenizer, context_length=64)
        for split, part in table.groupby("split")
    }


def test_scores_are_probabilities_in_spite_of_class_weights(tokenizer, task):
    table = make_examples(1200, positives=0.2, signal=False)
    encoded = encode(table, tokenizer)
    tuned = tuner(task.model_copy(update={"epochs": 2, "learning_rate": 1e-3}))
    tuned.fit(encoded["train"], encoded["valid"])
    assert tuned.class_weights[1] > 2 * tuned.class_weights[0]
    assert tuned.score(encoded["train"]).mean() == pytest.approx(0.2, abs=0.05)


def test_accumulation_changes_nothing_but_memory(tokenizer, task):
    encoded = encode(make_examples(), tokenizer)
    scores = []
    for parts in (1, 3):
        tuned = tuner(task.model_copy(update={"epochs": 1, "accumulation": parts}))
        tuned.fit(encoded["train"], encoded["valid"])
        scores.append(tuned.score(encoded["test"]))
    np.testing.assert_allclose(*scores, atol=1e-4)


def test_patience_and_the_best_epoch(tokenizer, task, monkeypatch):
    encoded = encode(make_examples(), tokenizer)
    tuned = tuner(task.model_copy(update={"epochs": 9, "patience": 2}))
    reached = iter([0.5, 0.9, 0.7, 0.8, 0.95])
    monkeypatch.setattr(training, "roc_auc_score", lambda *_: next(reached))
    scores = []
    whole = tuned.score
    monkeypatch.setattr(tuned, "score", lambda part: scores.append(whole(part)) or scores[-1])
    history = tuned.fit(encoded["train"], encoded["valid"])
    assert [line["valid_auroc"] for line in history] == [0.5, 0.9, 0.7, 0.8]
    assert (tuned.best_epoch, tuned.best_score) == (2, 0.9)
    np.testing.assert_array_equal(whole(encoded["valid"]), scores[1])


def test_a_loss_that_is_not_finite_stops_the_run(tokenizer, task):
    encoded = encode(make_examples(), tokenizer)
    tuned = tuner(task)
    with torch.no_grad():
        tuned.classifier.head.bias[0] = float("nan")
    with pytest.raises(TrainingError, match=r"loss is nan at step 1 .*lower `learning_rate`"):
        tuned.fit(encoded["train"], encoded["valid"])
