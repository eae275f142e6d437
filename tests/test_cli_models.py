"""The commands `dnalm models`, `import` and `export`."""

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM
from typer.testing import CliRunner, Result

from pipeline_lib.cli import app
from pipeline_lib.errors import InputError
from pipeline_lib.tokenizer.train import byte_pair_tokenizer
from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN, SPECIAL_TOKENS


def dnalm(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def published(tmp_path: Path) -> Path:
    config = BertConfig(
        vocab_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=24, pad_token_id=0,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(tmp_path / "published")
    words = [*SPECIAL_TOKENS, GAP_TOKEN, *"ACGNT"]
    byte_pair_tokenizer(words, []).save(str(tmp_path / "published" / "tokenizer.json"))
    return tmp_path / "published"


def test_models_are_listed(root: Path) -> None:
    folder = root / "config" / "models"
    lines = dnalm("models", "--folder", folder).stdout.splitlines()
    rows = [line.split() for line in lines[1:] if line.endswith("GB")]
    assert len(rows) == len(list(folder.glob("*.yaml")))
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)
    large = next(row for row in rows if row[0] == "gena-lm-bert-large-t2t")
    assert large[1:7] == ["bert", "336.7", "M", "24", "1024", "512"]
    # Numbers stand below each other: every row is as wide as the first.
    assert len({len(line) for line in lines[: len(rows) + 1]}) == 1


def test_models_as_json(root: Path, tmp_path: Path) -> None:
    source = root / "config" / "models" / "hyenadna-tiny-1k.yaml"
    (tmp_path / source.name).write_text(source.read_text())
    (row,) = json.loads(dnalm("models", "--folder", tmp_path, "--json").stdout)
    assert row["parameters"] == 436_096
    assert row["context"] == 1024
    assert 4 * 4 * 436_096 < row["memory_float32"] < 1e9


def test_a_folder_without_presets(tmp_path: Path) -> None:
    answer = dnalm("models", "--folder", tmp_path)
    assert answer.exit_code == 1
    assert "holds no presets" in answer.stdout


def test_a_model_goes_in_and_out(published: Path, tmp_path: Path) -> None:
    text = dnalm("import", published, tmp_path / "ours").stdout
    assert "42 weights used: bert.embeddings.word_embeddings.weight, " in text
    assert "0 weights missing\n" in text
    assert "the last 5 vectors stand for none" in text
    assert "`pad_token_id` was 0, though [PAD] is token 3" in text
    all_names = dnalm("import", published, tmp_path / "ours", "--verbose").stdout
    assert "bert.encoder.layer.1.output.LayerNorm.bias" in all_names
    text = dnalm("export", tmp_path / "ours", tmp_path / "theirs").stdout
    assert "AutoModelForMaskedLM.from_pretrained" in text
    assert "trust_remote_code" not in text
    before = BertForMaskedLM.from_pretrained(published).eval()
    after = BertForMaskedLM.from_pretrained(tmp_path / "theirs").eval()
    tokens = torch.randint(5, 16, (2, 20))
    assert torch.allclose(after(tokens).logits, before(tokens).logits, atol=1e-6)


def test_what_cannot_be_imported_is_said(published: Path, tmp_path: Path) -> None:
    tokenizer = published / "tokenizer.json"
    tokenizer.rename(tmp_path / "moved.json")
    answer = dnalm("import", published, tmp_path / "ours")
    assert isinstance(answer.exception, InputError)
    assert "`--tokenizer FILE`" in str(answer.exception)
    moved = ("--tokenizer", tmp_path / "moved.json")
    assert dnalm("import", published, tmp_path / "ours", *moved).exit_code == 0
    assert not (tmp_path / "ours" / "modeling_dnalm.py").exists()
