"""Parts are kept, belong to one output, and never to two processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline_lib.application.parts import parts_of
from pipeline_lib.errors import InputError


def arrays(value: int) -> dict[str, np.ndarray]:
    return {"score": np.full(3, value), "name": np.array(["a", "bc"])}


def test_parts_are_computed_once_and_removed_at_the_end(tmp_path: Path) -> None:
    output = tmp_path / "folder" / "out.tsv"
    computed: list[int] = []

    def compute(value: int) -> dict[str, np.ndarray]:
        computed.append(value)
        return arrays(value)

    with pytest.raises(KeyboardInterrupt), parts_of(output, {"seed": 1}) as parts:
        parts.get(0, lambda: compute(0))
        raise KeyboardInterrupt
    with parts_of(output, {"seed": 1}) as parts:
        assert parts.kept == 1
        for number in (1, 0):
            found = parts.get(number, lambda number=number: compute(number))
            np.testing.assert_equal(found, arrays(number))
    assert computed == [0, 1]
    assert list(output.parent.iterdir()) == []


def test_parts_of_other_settings_are_not_used(tmp_path: Path) -> None:
    output = tmp_path / "out.tsv"
    for seed in (1, 2):
        with pytest.raises(RuntimeError), parts_of(output, {"seed": seed}) as parts:
            assert parts.kept == 0
            parts.get(0, lambda seed=seed: arrays(seed))
            raise RuntimeError


@pytest.mark.parametrize("left", [0, 40, -1])
def test_a_damaged_part_is_computed_again(tmp_path: Path, left: int) -> None:
    output = tmp_path / "out.tsv"
    with pytest.raises(RuntimeError), parts_of(output, {}) as parts:
        parts.get(0, lambda: arrays(5))
        raise RuntimeError
    (file,) = (tmp_path / ".out.tsv.parts").glob("*.npz")
    file.write_bytes(file.read_bytes()[:left])
    with parts_of(output, {}) as parts:
        np.testing.assert_equal(parts.get(0, lambda: arrays(6)), arrays(6))


def test_two_processes_do_not_make_one_output(tmp_path: Path) -> None:
    output = tmp_path / "out.tsv"
    code = (
        "import sys; from pathlib import Path\n"
        "from pipeline_lib.application.parts import parts_of\n"
        f"with parts_of(Path({str(output)!r}), {{}}):\n"
        "    print('ready', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == "ready\n"
        with pytest.raises(InputError, match="another process is making"), parts_of(output, {}):
            pass
        other.communicate("\n")
    assert other.returncode == 0
    with parts_of(output, {}):
        pass
