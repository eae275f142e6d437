"""Folders of `transformers` become ours, whole or in parts, and go back."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
)

from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.errors import InputError
from pipeline_lib.models.hyena_adapter import ADAPTER as HYENA
from pipeline_lib.models.hyena_language import HyenaLanguageModel
from pipeline_lib.pretraining.exchange import export_model, import_model
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.pretraining.weights import read_weights
from pipeline_lib.tokenizer.train import byte_pair_tokenizer
from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN, SPECIAL_TOKENS

VOCABULARY = 11
BERT = BertConfig(
    vocab_size=VOCABULARY, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
    intermediate_size=48, max_position_embeddings=24,
)  # fmt: skip
GPT = GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=24)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    byte_pair_tokenizer([*SPECIAL_TOKENS, GAP_TOKEN, *"ACGNT"], []).save(str(path))
    return path


def same_scores(theirs: PreTrainedModel, folder: Path) -> bool:
    ours, _ = load_language_model(folder)
    tokens = torch.randint(5, VOCABULARY, (2, 20))
    with torch.no_grad():
        found = ours.eval()(tokens, None, torch.ones_like(tokens, dtype=torch.bool))
        return torch.allclose(found, theirs.eval()(tokens).logits.flatten(0, 1), atol=1e-5)


def test_weights_in_parts(tokenizer: Path, tmp_path: Path) -> None:
    theirs = GPT2LMHeadModel(GPT)
    theirs.save_pretrained(tmp_path / "parts", max_shard_size="50KB")
    assert len(list((tmp_path / "parts").glob("model-*.safetensors"))) > 1
    import_model(tmp_path / "parts", tmp_path / "ours", tokenizer)
    assert same_scores(theirs, tmp_path / "ours")


def test_weights_of_the_old_format_with_old_names(tokenizer: Path, tmp_path: Path) -> None:
    theirs = BertForMaskedLM(BERT)
    source = tmp_path / "old"
    theirs.save_pretrained(source)
    (source / "model.safetensors").unlink()
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    state = dict(theirs.state_dict())
    for new, name in old.items():
        for key in [key for key in state if key.endswith(new)]:
            state[key.replace(new, name)] = state.pop(key)
    state["cls.seq_relationship.weight"] = torch.zeros(2, 32)
    torch.save(state, source / "pytorch_model.bin")
    report = import_model(source, tmp_path / "ours", tokenizer).report
    assert "cls.seq_relationship.weight" in report.ignored
    assert same_scores(theirs, tmp_path / "ours")


def test_old_files_run_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    torch.save({"weight": Trap()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="cannot be read as weights"):
        read_weights(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_damaged_and_missing_files_are_named(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"config\.json is missing"):
        import_model(tmp_path, tmp_path / "ours", tokenizer)
    BertForMaskedLM(BERT).save_pretrained(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"model.safetensors: cannot be read as weights"):
        import_model(tmp_path / "model", tmp_path / "ours", tokenizer)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        import_model(tmp_path / "model", tmp_path / "ours", tokenizer)


def test_weights_and_tokenizers_of_others_are_refused(tokenizer: Path, tmp_path: Path) -> None:
    source, ours = tmp_path / "model", tmp_path / "ours"
    BertForMaskedLM(BERT).save_pretrained(source)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(InputError, match=r"missing bert.encoder.layer.2.attention"):
        import_model(source, ours, tokenizer)
    (source / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    with pytest.raises(InputError, match=r"without a place bert.encoder.layer.1.attention"):
        import_model(source, ours, tokenizer)
    (source / "config.json").write_text(json.dumps(config))
    words = [*SPECIAL_TOKENS, GAP_TOKEN, *"ACGNT", "AA"]
    byte_pair_tokenizer(words, [(6, 6)]).save(str(tokenizer))
    with pytest.raises(InputError, match="the tokenizer has 12 tokens, the model 11"):
        import_model(source, ours, tokenizer)
    tokenizer.write_text("{}")
    with pytest.raises(InputError, match="cannot be read as a tokenizer"):
        import_model(source, ours, tokenizer)
    assert not ours.exists()


def test_a_model_that_transformers_lacks_brings_its_class(tokenizer: Path, tmp_path: Path) -> None:
    source, ours = tmp_path / "published", tmp_path / "ours"
    theirs = BertForMaskedLM(BERT)
    state = {key: value.clone() for key, value in theirs.state_dict().items()}
    for layer in range(2):
        names = {"attention.output.LayerNorm": "pre_attention_ln",
                 "output.LayerNorm": "post_attention_ln"}  # fmt: skip
        for kind in ("weight", "bias"):
            for usual, first in names.items():
                start = f"bert.encoder.layer.{layer}"
                state[f"{start}.{first}.{kind}"] = state.pop(f"{start}.{usual}.{kind}")
    source.mkdir()
    torch.save(state, source / "pytorch_model.bin")
    gena = {"pre_layer_norm": True, "last_layer_norm": False}
    (source / "config.json").write_text(json.dumps({**BERT.to_dict(), **gena}))
    imported = import_model(source, ours, tokenizer)
    assert imported.architecture.norm == "pre"
    assert "trust_remote_code=True" in export_model(ours, tmp_path / "out")
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "out", trust_remote_code=True)
    assert same_scores(loaded, ours)
    with pytest.raises(InputError, match="one of ours already"):
        import_model(ours, tmp_path / "again", tokenizer)


def test_weights_that_do_not_fit_the_shape_of_a_folder(tokenizer: Path, tmp_path: Path) -> None:
    BertForMaskedLM(BERT).save_pretrained(tmp_path / "model")
    import_model(tmp_path / "model", tmp_path / "ours", tokenizer)
    path = tmp_path / "ours" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "vocab_size": 99}))
    with pytest.raises(InputError, match=r"the shape of bias is \(11,\); expected \(99,\)"):
        load_language_model(tmp_path / "ours")


@pytest.mark.parametrize("lacking", [False, True], ids=["with-positions", "without"])
def test_hyenadna_becomes_ours(lacking: bool, tokenizer: Path, tmp_path: Path) -> None:
    shape = HyenaArchitecture(
        layers=2, width=8, feedforward_width=16, context_length=30, filter_width=6, init_std=0.3,
        embedding_dropout=0.25,
    )  # fmt: skip
    theirs = HyenaLanguageModel(shape, 16)
    state = HYENA.export(theirs)
    if lacking:
        state = {name: weight for name, weight in state.items() if ".pos_emb." not in name}
    source = tmp_path / "published"
    source.mkdir()
    save_file(state, source / "model.safetensors")
    (source / "config.json").write_text(json.dumps(HYENA.config(shape, 16)))
    imported = import_model(source, tmp_path / "ours", tokenizer)
    assert imported.architecture == shape.model_copy(update={"filter_length": 32})
    assert imported.report.missing == [
        f"backbone.layers.{layer}.mixer.filter_fn.pos_emb.{name}"
        for layer in range(2)
        for name in "zt"
        if lacking
    ]
    ours, _ = load_language_model(tmp_path / "ours")
    tokens = torch.randint(5, VOCABULARY, (2, 20))
    assert torch.equal(ours.eval()(tokens), theirs.eval()(tokens))
