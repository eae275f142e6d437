"""Prompts that show examples with their classes, to models of the next token."""

import numpy as np
import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import encode_examples
from pipeline_lib.finetuning.examples import Examples
from pipeline_lib.finetuning.few_shot import Demonstrations, label_tokens, room, with_prefix
from pipeline_lib.finetuning.tune import load_tuned
from pipeline_lib.tokenizer.vocabulary import read_vocabulary
from tests.finetuning import toys
from tests.finetuning.test_tune import model, reached, tokenizer, tune, written  # noqa: F401


@pytest.fixture(scope="module")
def causal(tokenizer, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("causal")
    shape = toys.GPT.model_copy(update={"context_length": 96, "dropout": 0.0})
    return toys.write_model(folder / "model", tokenizer, shape)


def short(count=240, target=toys.CLASSES):
    """Return examples of 7 bases, the first three of which decide."""
    examples = toys.make_examples(target, count)
    table = examples.table
    return Examples(table.assign(sequence=table["sequence"].str[27:34], focus=3), target)


def encoded(examples, tokenizer):  # noqa: F811
    return encode_examples(examples.of("train").table, tokenizer, context_length=64)


def rows_of(examples):
    """Return the tokens of each example."""
    return np.split(examples.tokens, examples.ends[:-1])


def parts_of(tokens, sep):
    """Split a prompt at its separators."""
    ends = [*np.flatnonzero(tokens == sep), len(tokens)]
    starts = [0, *(np.array(ends) + 1)]
    return [tokens[start:end].tolist() for start, end in zip(starts, ends, strict=False)]


@pytest.mark.parametrize("each", [0, 1, 3])
def test_prompts_are_other_training_examples_with_their_classes(tokenizer, each):  # noqa: F811
    examples = toys.make_examples(count=60)
    train, vocabulary = encoded(examples, tokenizer), read_vocabulary(tokenizer)
    labels = label_tokens(vocabulary, 2)
    assert [vocabulary.words[label] for label in labels] == ["A", "C"]
    shown = Demonstrations(train, 1, labels, each, seed=1)
    prompts = shown.prompts(None)
    queries = [tuple(parts_of(tokens[1:], vocabulary.sep)[0]) for tokens in rows_of(train)]
    known = dict(zip(queries, train.targets[:, 0].astype(int), strict=True))
    for row, tokens in enumerate(rows_of(prompts)):
        assert tokens[0] == vocabulary.cls and tokens[-1] == vocabulary.sep
        pieces = parts_of(tokens[1:], vocabulary.sep)[:-1]
        *pairs, query = pieces
        assert tuple(query) == queries[row] and query not in pairs[::2]
        assert prompts.targets[row, 0] == known[tuple(query)]
        said = [known[tuple(one)] for one in pairs[::2]]
        assert pairs[1::2] == [[labels[number]] for number in said]
        assert sorted(said) == [0] * each + [1] * each
    again = Demonstrations(train, 1, labels, each, seed=1).prompts(None)
    assert (again.tokens == prompts.tokens).all()
    some = shown.prompts(10)
    assert len(some) == 10 and some.targets.sum() == 5
    prefixed = with_prefix(train, shown.prefix())
    assert (prefixed.lengths == train.lengths + len(shown.prefix()) - 1).all()
    longest = int(train.lengths.max())
    fits = longest + 2 * each * (longest + 1)
    assert room(fits, 2 * each) == longest and (prompts.lengths <= fits).all()


def test_a_causal_model_learns_from_prompts_and_the_folder_gives_the_same_scores(tune, causal):  # noqa: F811
    examples = short(200)
    changes = {"method": "few_shot", "demonstrations": 1, "learning_rate": 1e-2, "epochs": 4}
    folder = tune(examples, source=causal, **changes)
    assert reached(folder, examples) > 0.85
    again = load_tuned(folder / "model").score(examples.of("test").table.drop(columns="target"))
    np.testing.assert_allclose(again, written(folder)[1], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(again.sum(axis=1), 1, atol=1e-6)
    card = (folder / "model" / "README.md").read_text()
    assert "the prompt: tokens that show examples" in card


def test_what_cannot_be_prompted_is_a_sentence(tune, model, causal):  # noqa: F811
    how = {"method": "few_shot", "demonstrations": 1}
    with pytest.raises(InputError, match=r"few_shot` with a model of masked tokens.*DNAGPT"):
        tune(short(), source=model, **how)
    with pytest.raises(InputError, match="few_shot` for a target of kind 'numbers'"):
        tune(short(target=toys.NUMBERS), source=causal, **how)
    with pytest.raises(InputError, match=r"80 examples to be shown do not fit into .* 96 tokens"):
        tune(short(), source=causal, **{**how, "demonstrations": 40})
    with pytest.raises(InputError, match=r"has \d+ tokens, but the model reads 3 at most beside"):
        tune(short(), source=causal, **{**how, "demonstrations": 10})
    train = encoded(short(40), causal / "tokenizer.json")
    fewest = int(min(train.targets.sum(), (1 - train.targets).sum()))
    with pytest.raises(InputError, match=rf"a class has {fewest} training examples"):
        Demonstrations(train, 1, (5, 6), fewest, seed=1)
