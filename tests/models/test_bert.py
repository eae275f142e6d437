"""Our BERT is the BERT of `transformers`."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertConfig, BertForMaskedLM

from pipeline_lib.config import load_architecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.bert import from_transformers, to_transformers
from pipeline_lib.models.masked import MaskedLanguageModel
from pipeline_lib.pretraining.folder import load_model, save_model
from pipeline_lib.tokenizer.train import byte_pair_tokenizer
from tests.models.conftest import SHAPES, VOCABULARY


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN, SPECIAL_TOKENS

    words = [*SPECIAL_TOKENS, GAP_TOKEN, *"ACGNT"]
    pairs = [(words.index(a), words.index(b)) for a in "ACGT" for b in "ACGT"]
    tokenizer = byte_pair_tokenizer([*words, *(words[a] + words[b] for a, b in pairs)], pairs)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    return path


def random_model(name: str) -> MaskedLanguageModel:
    torch.manual_seed(5)
    model = MaskedLanguageModel(SHAPES[name], VOCABULARY).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_logits_equal_those_of_transformers(tmp_path: Path, tokenizer: Path) -> None:
    ours = random_model("bert")
    save_model(tmp_path / "model", ours, SHAPES["bert"], tokenizer, card="# card\n")
    theirs = AutoModelForMaskedLM.from_pretrained(tmp_path / "model").eval()
    assert type(theirs) is BertForMaskedLM
    tokens = torch.randint(5, VOCABULARY, (3, 20))
    mask = torch.arange(20) < torch.tensor([[20], [13], [5]])
    for given in (None, mask):
        everywhere = torch.ones(3, 20, dtype=torch.bool) if given is None else given
        expected = theirs(tokens, attention_mask=given).logits[everywhere]
        assert torch.allclose(ours(tokens, given, everywhere), expected, atol=1e-5)


def test_gradients_equal_those_of_transformers(tmp_path: Path, tokenizer: Path) -> None:
    ours = random_model("bert")
    save_model(tmp_path / "model", ours, SHAPES["bert"], tokenizer, card="")
    theirs = AutoModelForMaskedLM.from_pretrained(tmp_path / "model").eval()
    tokens, targets = torch.randint(5, VOCABULARY, (2, 16)), torch.rand(2, 16) < 0.4
    functional.cross_entropy(ours(tokens, None, targets), tokens[targets]).backward()
    functional.cross_entropy(theirs(tokens).logits[targets], tokens[targets]).backward()
    pairs = (
        (ours.encoder.tokens.weight, theirs.bert.embeddings.word_embeddings.weight),
        (
            ours.encoder.layers[1].expand.weight,
            theirs.bert.encoder.layer[1].intermediate.dense.weight,
        ),
        (ours.transform.weight, theirs.cls.predictions.transform.dense.weight),
    )
    for mine, other in pairs:
        assert torch.allclose(mine.grad, other.grad, atol=1e-4)


def test_the_tokenizer_of_the_folder_loads(tmp_path: Path, tokenizer: Path) -> None:
    save_model(tmp_path / "model", random_model("bert"), SHAPES["bert"], tokenizer, card="")
    loaded = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert loaded("acgT")["input_ids"][0] == loaded.cls_token_id == 1
    assert loaded.decode(loaded("ACGTNA")["input_ids"], skip_special_tokens=True) == "ACGTNA"
    assert loaded.model_max_length == SHAPES["bert"].context_length
    assert loaded.mask_token_id == 4


@pytest.mark.parametrize("name", SHAPES)
def test_a_folder_gives_back_the_same_model(name: str, tmp_path: Path, tokenizer: Path) -> None:
    ours = random_model(name)
    save_model(tmp_path / "model", ours, SHAPES[name], tokenizer, card="")
    again, architecture = load_model(tmp_path / "model")
    assert architecture == SHAPES[name]
    tokens, everywhere = torch.randint(5, VOCABULARY, (2, 9)), torch.ones(2, 9, dtype=torch.bool)
    assert torch.equal(again.eval()(tokens, None, everywhere), ours(tokens, None, everywhere))


def test_a_foreign_bert_with_token_types_loads(tmp_path: Path) -> None:
    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=24, type_vocab_size=2,
    )  # fmt: skip
    theirs = BertForMaskedLM(config).eval()
    theirs.save_pretrained(tmp_path)
    ours, _ = load_model(tmp_path)
    tokens, everywhere = torch.randint(5, VOCABULARY, (2, 9)), torch.ones(2, 9, dtype=torch.bool)
    expected = theirs(tokens).logits.flatten(0, 1)
    assert torch.allclose(ours.eval()(tokens, None, everywhere), expected, atol=1e-5)


def test_missing_and_foreign_weights_are_named() -> None:
    state = to_transformers(random_model("bert"))
    del state["cls.predictions.bias"]
    state["cls.order.weight"] = torch.zeros(1)
    with pytest.raises(InputError, match=r"missing cls.predictions.bias; .* cls.order.weight"):
        from_transformers(state, SHAPES["bert"])


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config.json is missing"):
        load_model(tmp_path)


def test_bert_base_has_the_published_size(root: Path) -> None:
    shape = load_architecture("bert-base", {}, [root / "config" / "models"])
    with torch.device("meta"):
        ours = MaskedLanguageModel(shape, 32_000)
        theirs = BertForMaskedLM(
            BertConfig(vocab_size=32_000, type_vocab_size=1, max_position_embeddings=512)
        )
    count = sum(p.numel() for p in ours.parameters())
    # Theirs has one token type more than ours, which is folded into the positions.
    assert count == sum(p.numel() for p in theirs.parameters()) - 768 == 110_649_344


def test_weights_are_saved_under_the_names_of_transformers(tmp_path: Path, tokenizer: Path) -> None:
    save_model(tmp_path / "model", random_model("bert"), SHAPES["bert"], tokenizer, card="")
    names = set(load_file(tmp_path / "model" / "model.safetensors"))
    assert "bert.encoder.layer.1.attention.self.query.weight" in names
