"""Vectors of sequences: the same whatever stands beside them, and whatever happens on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.application.embedding import embed as module
from pipeline_lib.application.embedding.embed import HowToEmbed, embed
from pipeline_lib.application.embedding.encoder import Encoder
from pipeline_lib.application.embedding.output import read_about, read_vectors
from pipeline_lib.application.embedding.tokens import Windows
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import encode_examples
from pipeline_lib.models.build import build_model
from pipeline_lib.models.hyena_language import complements_of
from pipeline_lib.pretraining.folder import load_language_model, save_model
from pipeline_lib.tokenizer.encode import encode_sequence, load_tokenizer, overlap_of
from pipeline_lib.tokenizer.vocabulary import read_vocabulary
from tests.application.conftest import MASKED, MODELS, random_dna
from tests.finetuning import toys

LENGTHS = (5, 61, 17, 200, 3, 40, 40, 133, 64, 9, 450, 28)


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("input") / "input.csv"
    texts = [random_dna(length, 100 + seed) for seed, length in enumerate(LENGTHS)]
    texts[3] = texts[3][:90] + "N" * 25 + texts[3][115:]
    kinds = ["gene", "other"] * (len(texts) // 2)
    frame = pd.DataFrame({"name": [f"s{n}" for n in range(len(texts))], "sequence": texts})
    frame.assign(kind=kinds, contig=["I", "I", "II"] * 4).to_csv(path, index=False)
    return path


def vectors(path: Path) -> np.ndarray:
    return read_vectors(path, np.arange(len(LENGTHS)))


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("pooling", ["mean", "max", "first", "center"])
def test_company_and_padding_do_not_move_a_vector(models, table, tmp_path, kind, pooling):
    how = HowToEmbed(pooling=pooling)
    embed(table, models[kind], tmp_path / "all.parquet", how)
    with pytest.MonkeyPatch.context() as patch:  # one by one
        patch.setattr(module, "PART_ROWS", 1)
        patch.setattr(Encoder, "batches", lambda self, windows: [[n] for n in range(len(windows))])
        embed(table, models[kind], tmp_path / "single.parquet", how)
    together, alone = vectors(tmp_path / "all.parquet"), vectors(tmp_path / "single.parquet")
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert pooling != "mean" or len(np.unique(together.round(4), axis=0)) == len(LENGTHS)
    found = pq.read_table(tmp_path / "all.parquet").to_pandas()
    assert found["kind"].tolist()[:3] == ["gene", "other", "gene"]


@pytest.mark.parametrize("kind", MODELS)
def test_means_are_those_of_the_encoder_without_special_tokens(models, table, tmp_path, kind):
    embed(table, models[kind], tmp_path / "out", HowToEmbed())
    model, architecture = load_language_model(models[kind])
    own = pd.read_csv(table).query("sequence.str.len() <= 40")
    tokenizer = models[kind] / "tokenizer.json"
    encoded = encode_examples(own, tokenizer, context_length=architecture.input_length)
    found = vectors(tmp_path / "out")
    for number, row in enumerate(own.index):
        tokens = encoded.batch(np.array([number]), torch.device("cpu")).tokens
        with torch.inference_mode():
            hidden = model.encoder.eval()(tokens)[0, 1:-1]
        np.testing.assert_allclose(found[row], hidden.mean(dim=0), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.text("ACGTNR", min_size=1, max_size=90), st.sampled_from(sorted(MODELS)))
def test_windows_hold_all_tokens_once(models, text, kind):
    tokenizer = models[kind] / "tokenizer.json"
    ids, starts = encode_sequence(load_tokenizer(tokenizer), text, overlap_of(tokenizer))
    windows = list(Windows(tokenizer, 12).of(0, text, "a"))
    assert [token for window in windows for token in window.ids.tolist()] == ids
    assert [start for window in windows for start in window.starts.tolist()] == starts
    assert sum(window.bases for window in windows) == len(text)
    assert max(len(window.ids) for window in windows) <= 10
    around, token = Windows(tokenizer, 12).around(0, text, "a", len(text) // 2)
    assert len(around.ids) == min(10, len(ids))
    place = int(np.searchsorted(starts, len(text) // 2, side="right")) - 1
    assert (around.starts[token], around.ids[token]) == (starts[place], ids[place])


SHAPES = {
    "causal": MODELS["causal"][1],
    "shared": MASKED.model_copy(update={"layers": 3, "share_layers": True}),
    "both strands": toys.HYENA.model_copy(update={"equivariant": True, "bidirectional": True}),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_layers_are_what_enters_and_leaves_them(models, tmp_path, kind):
    shape = SHAPES[kind]
    tokenizer = models["bases"] / "tokenizer.json"
    complements = complements_of(read_vocabulary(tokenizer).words)
    torch.manual_seed(2)
    model = build_model(shape, len(read_vocabulary(tokenizer)), complements)
    save_model(tmp_path / "model", model, shape, tokenizer, card="test")
    window = next(Windows(tokenizer, 64).of(0, random_dna(40, 3), "a"))
    vocabulary = read_vocabulary(tokenizer)
    tokens = torch.tensor([[vocabulary.cls, *window.ids.tolist(), vocabulary.sep]])
    seen: list[torch.Tensor] = []
    inner = getattr(model.encoder, "strand", model.encoder)
    for layer in inner.layers:
        layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        last = model.encoder.eval()(tokens)
    if kind == "both strands":
        seen = [torch.cat([one[:1], one[1:].flip(1, 2)], dim=-1) for one in seen]
    assert len(seen) == shape.layers
    for number, hidden in enumerate([*seen, last]):
        for layer in (number, number - shape.layers - 1):
            found = Encoder(tmp_path / "model", layer).vectors([window])[0]
            np.testing.assert_allclose(found, hidden[0, 1:-1], atol=1e-5)


def test_long_sequences_count_by_their_bases(models, table, tmp_path):
    embed(table, models["bases"], tmp_path / "out.parquet")
    windows = list(Windows(models["bases"] / "tokenizer.json", 66).of(0, random_dna(450, 110), "a"))
    assert len(windows) == 8
    each = Encoder(models["bases"]).pooled(windows, "mean", [])
    expected = np.average(each, axis=0, weights=[window.bases for window in windows])
    np.testing.assert_allclose(vectors(tmp_path / "out.parquet")[10], expected, atol=1e-5)
    with pytest.raises(InputError, match=r"'s3' has .* tokens, but the model reads 64"):
        embed(table, models["bases"], tmp_path / "b.parquet", HowToEmbed(too_long="error"))
    assert not (tmp_path / "b.parquet").exists()


def test_both_strands_give_a_sequence_and_its_complement_one_vector(models, tmp_path):
    text = random_dna(50, 1)
    turned = text.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    (tmp_path / "a.fa").write_text(f">a\n{text}\n>b\n{turned}\n")
    embed(tmp_path / "a.fa", models["words"], tmp_path / "a", HowToEmbed(both_strands=True))
    found = np.load(tmp_path / "a" / "embeddings.npy")
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_all_tokens_and_both_formats_agree(models, table, tmp_path, tuned):
    for model in (models["bpe"], tuned):
        how = HowToEmbed(pooling="none", dtype="float16")
        embed(table, model, tmp_path / "a.parquet", how)
        embed(table, model, tmp_path / "a", how)
        flat, starts = (np.load(tmp_path / "a" / f"{n}.npy") for n in ("embeddings", "starts"))
        index = pd.read_parquet(tmp_path / "a" / "index.parquet")
        rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
        assert flat.dtype == np.float16
        for row, begin, end in zip(rows, index["vector_begin"], index["vector_end"], strict=True):
            np.testing.assert_array_equal(np.array(row["embedding"]), flat[begin:end])
            assert row["starts"] == starts[begin:end].tolist()
            assert row["starts"][0] == 0
        about = read_about(tmp_path / "a")
        assert about == read_about(tmp_path / "a.parquet")
        assert (about["layer"], about["width"]) == (1, flat.shape[1])
    embed(table, tuned, tmp_path / "mean.parquet")
    own = flat[index["vector_begin"][5] : index["vector_end"][5]].mean(axis=0)
    np.testing.assert_allclose(vectors(tmp_path / "mean.parquet")[5], own, atol=2e-3)


SCRIPT = """
import sys, time
from pathlib import Path
from pipeline_lib.application.embedding import embed as module
from pipeline_lib.application.embedding.encoder import Encoder

module.PART_ROWS = 2
compute = Encoder.pooled
Encoder.pooled = lambda *all: (time.sleep(float(sys.argv[4])), compute(*all))[1]
module.embed(*map(Path, sys.argv[1:4]))
"""


def test_killed_and_rerun_it_ends_with_the_same_bytes(models, table, tmp_path, monkeypatch):
    killed, whole = tmp_path / "killed" / "out", tmp_path / "whole" / "out"
    values = [str(table), str(models["hyena"]), str(killed), "0.3"]
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, *values], stderr=subprocess.PIPE)
    parts = killed.parent / ".out.parts"
    while len(list(parts.glob("[0-9]*.npz"))) < 2:
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not killed.exists()
    computed, compute = [], module._part
    monkeypatch.setattr(module, "PART_ROWS", 2)
    monkeypatch.setattr(module, "_part", lambda *all: (computed.append(1), compute(*all))[1])
    embed(table, models["hyena"], killed)
    assert len(computed) < 6
    embed(table, models["hyena"], whole)
    for file in sorted(whole.iterdir()):
        assert file.read_bytes() == (killed / file.name).read_bytes()
    assert not parts.exists()


@pytest.mark.parametrize(
    ("name", "text", "options", "message"),
    [
        ("a.fa", "", {}, "is empty"),
        ("a.bed", "chr2\t690\t701\n", {"genome": True}, "an end of at most 700"),
        ("a.bed", "chr8\t1\t9\n", {"genome": True}, "names no contig"),
        ("a.bed", "chr2\t1\t9\n", {}, "--genome"),
        ("a.csv", "name,sequence\na,AXC\n", {}, "not a base"),
        ("a.csv", "name,dna\na,AC\n", {}, "no column 'sequence'"),
        ("a.csv", "sequence,embedding\nAC,1\n", {}, "rename the column"),
        ("a.fa", ">a\nACGT\n", {"how": HowToEmbed(layer=2)}, "there is no layer 2"),
        ("a.fa", ">a\nACGT\n", {"how": HowToEmbed(layer=-3)}, "there is no layer -3"),
        ("a.fa", ">a\nACGT\n", {"output": "out.h5"}, "choose another name"),
        ("a.fa", ">a\nACGT\n",
         {"how": HowToEmbed(pooling="none", both_strands=True)}, "leave one of them out"),
    ],
)  # fmt: skip
def test_bad_inputs_are_sentences(models, genome, tmp_path, name, text, options, message):
    (tmp_path / name).write_text(text)
    output = tmp_path / options.pop("output", "out.parquet")
    if options.pop("genome", False):
        options["genome"] = genome
    how = options.pop("how", None)
    with pytest.raises(InputError, match=message):
        embed(tmp_path / name, models["bases"], output, how, **options)
    assert not output.exists()
