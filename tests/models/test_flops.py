"""Operations of training, beside what torch counts while it runs, and the peaks of GPUs."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from pipeline_lib.config import load_architecture
from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.models.build import build_model
from pipeline_lib.models.flops import MASK_SHARE, peak_flops, token_flops, training_flops
from pipeline_lib.models.recurrent_memory import RecurrentMemoryModel

WORDS = 24
# An input longer than those of most presets: what grows with the length then shows.
LENGTHS = {"bert": 128, "moderngena": 256, "bigbird": 512, "logo": 128, "dnagpt": 128, "rmt": 486}


def shape_of(root: Path, name: str, **changes: object) -> AnyArchitecture:
    return load_architecture(name, dict(changes), [root / "config" / "models"])


def counted(architecture: AnyArchitecture, length: int, device: str) -> float:
    """Return the operations for each token that torch counts, matrix products alone.

    Attention is spelt out in products, since of fused kernels some are not counted on a CPU.
    """
    with torch.device(device):
        model = build_model(architecture, WORDS, range(WORDS))
        tokens = torch.zeros(1, length, dtype=torch.long)
    targets = torch.zeros(1, length, dtype=torch.bool, device=device)
    targets[:, : length if model.causal else round(MASK_SHARE * length)] = True
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        if isinstance(model, RecurrentMemoryModel):
            answers = torch.zeros(int(targets.sum()), dtype=torch.long)
            for loss in model.losses(tokens, None, targets, answers):
                loss.backward()
        else:
            asked = round(MASK_SHARE * length) if not model.causal else length
            model.scores(model.encoder(tokens, None)[0, :asked]).sum().backward()
    return counter.get_total_flops() / length


@pytest.mark.parametrize("name", [*LENGTHS, "logo-conv"])
def test_torch_counts_as_many_operations(name: str, root: Path) -> None:
    """Without a device, BigBird's blocks are computed as on a GPU.

    Causal attention is counted by torch as if tokens saw those to come; local attention takes
    three half windows for every half window of queries.
    """
    preset = name if name == "logo-conv" else f"{name}-mini"
    architecture, length = shape_of(root, preset), LENGTHS.get(name, 512)
    expected = token_flops(architecture, WORDS, length)
    attention = expected.attention * {"dnagpt": 2 * length / (length + 1)}.get(name, 1)
    device = "cpu" if name == "rmt" else "meta"
    found = counted(architecture, length, device)
    tolerance = 0.05 if name == "moderngena" else 0.01
    assert found == pytest.approx(expected.matrices + attention, rel=tolerance)


@pytest.mark.parametrize(
    "changes",
    [{}, {"bidirectional": True}, {"bidirectional": True, "equivariant": True}],
    ids=["causal", "bidirectional", "equivariant"],
)
def test_torch_counts_as_many_products_of_hyena(changes: dict[str, bool], root: Path) -> None:
    """Torch does not count FFTs."""
    architecture = shape_of(root, "hyena-mini", **changes)
    expected = token_flops(architecture, WORDS, 256)
    assert counted(architecture, 256, "cpu") == pytest.approx(expected.matrices, rel=0.02)
    assert 0 < expected.convolutions < expected.total


def test_operations_grow_with_the_length_as_the_attention_says(root: Path) -> None:
    def of(name: str, length: int, **changes: object) -> float:
        return token_flops(shape_of(root, name, **changes), WORDS, length).attention

    assert of("bert-base", 512) == 4 * of("bert-base", 128) == 12 * 12 * 512 * 768
    everywhere = {"attention": "local", "global_every": 3, "layers": 3}
    one_full = 12 * 768 * (1024 + 2 * 129)
    assert of("moderngena-base", 1024, **everywhere) == one_full
    assert of("bigbird-base", 4096) / of("bigbird-base", 1024) < 1.1
    # Up to 11 blocks of 64 tokens are attended to in full.
    assert of("bigbird-base", 704) == 12 * 12 * 704 * 768
    assert of("hyenadna-small-32k", 32768) == 0


def test_most_of_a_large_model_is_six_operations_for_each_weight(root: Path) -> None:
    """Kaplan et al. (2020): 6 N for each token, embeddings not counted."""
    total = training_flops(shape_of(root, "bert-base"), WORDS, 64)
    assert total == pytest.approx(6 * 85_054_464, rel=0.03)


def test_a_larger_share_of_masks_costs_more_output(root: Path) -> None:
    shape = shape_of(root, "bert-base")
    little, more = (training_flops(shape, 32_000, 512, mask_share=share) for share in (0.15, 0.3))
    assert more - little == pytest.approx(0.15 * 6 * 768 * (32_000 + 768))


def test_torch_is_not_needed() -> None:
    code = (
        "import sys; from pipeline_lib.config import Architecture\n"
        "from pipeline_lib.models.flops import training_flops\n"
        "from pipeline_lib.models.sizes import count_weights\n"
        "assert training_flops(Architecture(), 100) > 0 < count_weights(Architecture(), 100)\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.parametrize(
    ("name", "teraflops"),
    [
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA H200", 989),
        ("NVIDIA GH200 480GB", 989),
        ("NVIDIA B200", 2250),
        ("NVIDIA GB200", 2500),
        ("NVIDIA A10", 125),
        ("NVIDIA A10G", 70),
        ("NVIDIA A40", 149.7),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362),
        ("NVIDIA GeForce RTX 3090", 71),
        ("NVIDIA GeForce RTX 4090", 165.2),
        ("Tesla V100-SXM2-32GB", 125),
        ("Tesla V100-PCIE-16GB", 112),
        ("AMD Instinct MI300X", 1307),
        ("AMD Instinct MI250X", 191.5),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
        ("NVIDIA GeForce RTX 3090 Ti", None),
        ("Some GPU of tomorrow", None),
    ],
)
def test_peaks_are_those_of_the_datasheets(name: str, teraflops: float | None) -> None:
    peak = peak_flops(name)
    assert peak is None if teraflops is None else peak == teraflops * 1e12
