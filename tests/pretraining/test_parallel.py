"""Two processes give what one gives: copies (DDP), shares (FSDP2), any family, any objective."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributed.tensor import DTensor

from pipeline_lib.errors import InputError
from pipeline_lib.models.build import build_model
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.losses import Trained
from pipeline_lib.pretraining.parallel import Spread, compile_layers, prefers_shares
from pipeline_lib.pretraining.ranks import Ranks, joined
from tests.pretraining import processes
from tests.pretraining.test_losses import SHAPES
from tests.pretraining.toys import EXTRAS, Data, difference, lines, train_all

Runs = list[tuple[str, dict[str, Any]]]
SHORT = {"steps": 6, "validate_every": 3, "log_every": 2, "checkpoint_every": 4}
ALIKE = ("bigbird", "hyena", "both ways")
"""Families whose layers are spread like those of their neighbours."""
RUNS: Runs = [
    *((name, {**EXTRAS.get(name, {}), **SHORT}) for name in SHAPES if name not in ALIKE),
    ("bert", {**SHORT, "optimizer": "muon", "average_decay": 0.9}),
]
IDS = [f"{name}-{'muon' if 'optimizer' in changes else 'adamw'}" for name, changes in RUNS]


@pytest.fixture(scope="module")
def data(make_shards: Callable[..., Path], tokenizer: Path) -> Data:
    return make_shards(30, 120, 4), make_shards(8, 120, 4, seed=1), tokenizer


IN_SHARES = [number for number, (name, _) in enumerate(RUNS) if name != "memory"]


@pytest.fixture(scope="module")
def trained(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("parallel")
    train_all(data, directory / "one", RUNS)
    shared = [(RUNS[number][0], {**RUNS[number][1], "parallel": "fsdp"}) for number in IN_SHARES]
    both = [*RUNS, *shared]
    ports = [processes.free_port() for _ in both]
    assert processes.run(2, train_all, data, directory / "two", both, ports) == [0, 0]
    return directory


CASES = [
    *((number, number, f"{IDS[number]}-ddp") for number in range(len(RUNS))),
    *((number, len(RUNS) + k, f"{IDS[number]}-fsdp") for k, number in enumerate(IN_SHARES)),
]


@pytest.mark.parametrize(
    ("number", "place"), [case[:2] for case in CASES], ids=[case[2] for case in CASES]
)
def test_two_processes_give_what_one_gives(trained: Path, number: int, place: int) -> None:
    one, two = trained / "one" / str(number), trained / "two" / str(place)
    # Muon computes in bf16: one bit of it is 0.4 % of an update.
    exact = "optimizer" not in RUNS[number][1]
    assert difference(one, two) < (1e-5 if exact else 3e-4)
    for line, other in zip(lines(one), lines(two), strict=True):
        keys = {"loss", "valid_loss", "gradient_norm", "bits_per_base", "skipped"} & line.keys()
        assert keys and line.keys() == other.keys()
        for key in keys:
            assert line[key] == pytest.approx(other[key], rel=1e-5 if exact else 1e-3)


def count_own(directory: Path) -> None:
    """Write down how many numbers of each parameter this process holds, out of how many."""
    with joined(1.0) as ranks:
        torch.manual_seed(0)
        trained = Trained(build_model(SHAPES["bert"], 17))
        spread = Spread(trained, ranks, fsdp=True, precision="fp32")
        before = dict(trained.named_parameters())
        tokens = np.full((2, 9), 7)
        assert spread.held_out(Examples(tokens, tokens > 0, tokens > 0, tokens.ravel())) > 0
        # Validation has left nothing behind: a checkpoint may be due right after it.
        assert all(parameter is before[name] for name, parameter in trained.named_parameters())
        for parameter in trained.parameters():
            assert isinstance(parameter, DTensor)
        own = sum(p.to_local().numel() for p in trained.parameters() if isinstance(p, DTensor))
        total = sum(p.numel() for p in trained.parameters())
        (directory / str(ranks.number)).write_text(f"{own} {total}")


def test_each_process_holds_a_share_of_the_weights(tmp_path: Path) -> None:
    assert processes.run(2, count_own, tmp_path) == [0, 0]
    said = [(tmp_path / str(number)).read_text().split() for number in range(2)]
    first, second = (int(own) for own, _ in said)
    assert first + second == int(said[0][1])
    assert min(first, second) > 0.4 * (first + second)


def test_recurrent_memory_is_not_divided() -> None:
    trained = Trained(build_model(SHAPES["memory"], 17))
    with pytest.raises(InputError, match="`parallel: fsdp` for recurrent memory"):
        Spread(trained, Ranks(0, 2), fsdp=True, precision="fp32")


def test_shares_are_chosen_where_copies_leave_no_room() -> None:
    assert prefers_shares(60, 100, Ranks(0, 2))
    assert not prefers_shares(40, 100, Ranks(0, 2))
    assert not prefers_shares(60, 100, Ranks())
    assert not prefers_shares(60, None, Ranks(0, 2))


def test_compiled_layers_keep_their_names_and_say_the_same() -> None:
    torch.manual_seed(1)
    trained = Trained(build_model(SHAPES["bert"], 17)).eval()
    tokens = torch.randint(6, 14, (2, 12))
    names, before = list(trained.state_dict()), trained.model.encoder(tokens, None)
    compile_layers(trained, backend="aot_eager")
    torch.testing.assert_close(trained.model.encoder(tokens, None), before, atol=1e-6, rtol=1e-5)
    assert list(trained.state_dict()) == names


def test_the_order_of_samples_does_not_depend_on_the_number_of_processes() -> None:
    for size in (1, 5, 7, 64):
        for count in (1, 2, 3, 5):
            if count > size:
                continue
            shares = [Ranks(number, count).share(size) for number in range(count)]
            rows = [row for begin, end in shares for row in range(begin, end)]
            assert rows == list(range(size))
            assert all(end > begin for begin, end in shares)
