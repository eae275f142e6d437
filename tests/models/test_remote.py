"""Folders of models without a class in `transformers` load there without this package."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.hyena import HyenaArchitecture
from pipeline_lib.models.adapters import native_adapter
from pipeline_lib.models.build import LanguageModel, build_model
from pipeline_lib.models.bundle import Place, bundle
from pipeline_lib.models.embedding import Numbers
from pipeline_lib.models.remote import remote_code
from pipeline_lib.pretraining.folder import load_language_model, save_model
from pipeline_lib.tokenizer.train import byte_pair_tokenizer
from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN, SPECIAL_TOKENS
from tests.models.conftest import ALBERT, CAUSAL, FAMILIES, MASKED, SPARSE, VOCABULARY, small

HYENA = HyenaArchitecture(
    layers=2, width=8, feedforward_width=16, context_length=64, filter_width=6, init_std=0.3
)
BOTH = HYENA.model_copy(update={"bidirectional": True, "equivariant": True})
COMPLEMENTS = [0, 1, 2, 3, 4, 8, 7, 6, 5, *range(9, VOCABULARY)]
SHAPES: dict[str, AnyArchitecture] = {
    "pre-norm": MASKED["pre-norm"],
    "rotary-local": small(
        norm="pre", positions="rotary", attention="local", local_window=4, global_every=2
    ),
    "bigbird-lots": SPARSE,
    "logo-tracks": ALBERT.model_copy(
        update={"feedforward": "conv", "embedding_kernels": (2, 3, 5), "tracks": 3}
    ),
    "memory": small(norm="pre", memory={"tokens": 3, "segments": 4}),
    "dnagpt": CAUSAL["dnagpt"],
    "hyena": HYENA,
    "hyena-both-strands": BOTH,
}
SCRIPT = """
import json, sys
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

assert "pipeline_lib" not in sys.modules
for place in sys.path:
    assert not __import__("os").path.exists(place + "/pipeline_lib"), place
for folder in sys.argv[1:]:
    given = torch.load(folder + "/inputs.pt")
    kind = AutoModelForCausalLM if given.pop("causal") else AutoModelForMaskedLM
    found = {}
    model, info = kind.from_pretrained(folder, trust_remote_code=True, output_loading_info=True)
    assert not any(info[k] for k in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    model.eval()
    with torch.no_grad():
        result = model(**given)
        found["logits"], found["loss"] = result.logits, result.loss
        given.pop("labels")
        if "numbers" in given:
            found["number"] = model.regress(given["input_ids"], given["numbers"])
        given.pop("numbers", None)
        encoder = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
        found["hidden"] = encoder(**given).last_hidden_state
        if kind is AutoModelForCausalLM:
            found["written"] = model.generate(
                given["input_ids"][:1, :5], max_new_tokens=4, do_sample=False
            )
    torch.save(found, folder + "/outputs.pt")
"""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [*SPECIAL_TOKENS, GAP_TOKEN, *"ACGNT"]
    pairs = [(words.index(a), words.index(b)) for a in "ACGT" for b in "ACGT"]
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    made = byte_pair_tokenizer([*words, *(words[a] + words[b] for a, b in pairs)], pairs)
    made.save(str(path))
    return path


def random_model(name: str) -> LanguageModel:
    torch.manual_seed(2)
    shape = SHAPES[name]
    complements = COMPLEMENTS if isinstance(shape, HyenaArchitecture) else None
    model = build_model(shape, VOCABULARY, complements).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def inputs_of(model: LanguageModel, shape: AnyArchitecture) -> dict[str, object]:
    torch.manual_seed(3)
    length = min(60, shape.input_length)
    tokens = torch.randint(5, VOCABULARY, (2, length))
    given: dict[str, object] = {"input_ids": tokens, "causal": model.causal, "labels": tokens}
    if getattr(shape, "numbers", False):
        tokens = tokens[:, :-2]
        given |= {"input_ids": tokens, "numbers": torch.randn(2, 2)}
    else:
        given["attention_mask"] = torch.arange(length) < torch.tensor([[length], [length - 7]])
    if getattr(shape, "tracks", 0):
        given["tracks"] = torch.randint(0, 2, (2, length, 3))
    return given


@torch.no_grad()
def expected_of(model: LanguageModel, given: dict[str, object]) -> tuple[torch.Tensor, ...]:
    tokens, mask = given["input_ids"], given.get("attention_mask")
    more = {"tracks": given["tracks"]} if "tracks" in given else {}
    if "numbers" in given:
        more["numbers"] = Numbers(given["numbers"], -2)
    everywhere = torch.ones_like(given["labels"], dtype=torch.bool)
    logits = model(tokens, mask, everywhere, **more).view(*everywhere.shape, -1)
    more.pop("numbers", None)
    return logits, model.encoder(tokens, mask, **more)


@pytest.fixture(scope="module")
def outputs(
    tokenizer: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, torch.Tensor]]:
    """Save every shape, and run all of them in one process that cannot import this package."""
    folder = tmp_path_factory.mktemp("models")
    for name, shape in SHAPES.items():
        model = random_model(name)
        save_model(folder / name, model, shape, tokenizer, card="")
        torch.save(inputs_of(model, shape), folder / name / "inputs.pt")
    script = folder / "script.py"
    script.write_text(SCRIPT)
    # The package is installed for development: a finder would find it without `-S`.
    site = [path for path in sys.path if path.endswith("site-packages")]
    code = f"import sys; sys.path += {site!r}; exec(open({str(script)!r}).read())"
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, *(str(folder / name) for name in SHAPES)],
        env={**os.environ, "HF_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"},
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    return {name: torch.load(folder / name / "outputs.pt") for name in SHAPES}


@pytest.mark.parametrize("name", SHAPES)
def test_scores_are_the_same_without_this_package(
    name: str, outputs: dict[str, dict[str, torch.Tensor]]
) -> None:
    model = random_model(name)
    given, found = inputs_of(model, SHAPES[name]), outputs[name]
    logits, hidden = expected_of(model, given)
    assert torch.allclose(found["logits"], logits, atol=1e-5)
    assert torch.allclose(found["hidden"], hidden, atol=1e-5)
    labels = given["labels"]
    scores, answers = (logits[:, :-1], labels[:, 1:]) if model.causal else (logits, labels)
    loss = functional.cross_entropy(scores.flatten(0, 1), answers.flatten())
    assert torch.allclose(found["loss"], loss, atol=1e-5)


@torch.no_grad()
def test_numbers_and_new_tokens_are_the_same(
    outputs: dict[str, dict[str, torch.Tensor]],
) -> None:
    model = random_model("dnagpt")
    given = inputs_of(model, SHAPES["dnagpt"])
    number = model.regress(given["input_ids"], numbers=Numbers(given["numbers"], -2))
    assert torch.allclose(outputs["dnagpt"]["number"], number, atol=1e-5)
    for name in ("dnagpt", "hyena"):
        model = random_model(name)
        written = outputs[name]["written"]
        assert written.shape == (1, 9)
        for end in range(5, 9):
            targets = torch.zeros(1, end, dtype=torch.bool)
            targets[0, -1] = True
            assert int(model(written[:, :end], None, targets).argmax()) == int(written[0, end])


@pytest.mark.parametrize("name", SHAPES)
def test_a_folder_gives_back_the_same_model(name: str, tokenizer: Path, tmp_path: Path) -> None:
    model = random_model(name)
    save_model(tmp_path / "model", model, SHAPES[name], tokenizer, card="")
    again, shape = load_language_model(tmp_path / "model")
    assert shape == SHAPES[name]
    assert all(torch.equal(again.state_dict()[n], w) for n, w in model.state_dict().items())
    given = inputs_of(model, shape)
    pairs = zip(expected_of(model, given), expected_of(again.eval(), given), strict=True)
    for mine, other in pairs:
        assert torch.equal(mine, other)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_name_is_defined_twice_in_any_family(name: str) -> None:
    code = remote_code(build_model(FAMILIES[name], VOCABULARY))["modeling_dnalm.py"]
    tree = ast.parse(code)
    imported = {
        part.module for part in ast.walk(tree) if isinstance(part, ast.ImportFrom) and part.module
    }
    assert not [module for module in imported if "pipeline_lib" in module or "pydantic" in module]
    names = [part.name for part in tree.body if isinstance(part, ast.ClassDef | ast.FunctionDef)]
    assert len(names) == len(set(names)) > 20


def test_equal_names_in_two_modules_are_refused() -> None:
    roots = [Place(f"pipeline_lib.models.{module}", "Layer") for module in ("layer", "hyena")]
    with pytest.raises(ValueError, match="Layer is defined in"):
        bundle(roots)
    with pytest.raises(ValueError, match="no module"):
        bundle([Place("pipeline_lib.models.nothing", "Layer")])


def test_config_says_what_is_needed(tokenizer: Path, tmp_path: Path) -> None:
    shape = SHAPES["dnagpt"]
    assert native_adapter(shape) is None
    save_model(tmp_path / "model", random_model("dnagpt"), shape, tokenizer, card="")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["auto_map"]["AutoModelForCausalLM"] == "modeling_dnalm.DnalmForCausalLM"
    assert config["pad_token_id"] == 3
    assert config["dnalm"]["architecture"]["output"] == "mlp"
