"""The fingerprint of code follows its meaning, not its wording."""

from pathlib import Path

import pytest

from pipeline_lib import STAGES, code
from pipeline_lib.code import PACKAGE, code_fingerprint, meaning


def test_comments_docstrings_and_layout_do_not_count() -> None:
    plain = "def f(x):\n    return x + 1\n"
    wordy = (
        '"""Module."""\n# remark\ndef f(x):\n    """Add one."""\n    return (x\n            + 1)\n'
    )
    assert meaning(plain) == meaning(wordy)


def test_a_changed_constant_counts() -> None:
    assert meaning("A = 1") != meaning("A = 2")


def test_every_stage_has_a_package_and_its_own_fingerprint() -> None:
    assert all((PACKAGE / stage / "__init__.py").exists() for stage in STAGES)
    assert len({code_fingerprint(stage) for stage in STAGES}) == len(STAGES)


def test_what_is_known_changes_no_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "PACKAGE", tmp_path)
    monkeypatch.setattr(code, "KNOWN", tmp_path / "__pycache__" / "known.json")
    file = tmp_path / "stage" / "module.py"
    file.parent.mkdir()
    found = []
    for source in ("A = 1", "A = 2", "A = 1", "A = 1  # one"):
        file.write_text(source)
        code._known.cache_clear()
        found.append(code_fingerprint("stage"))
    assert found[0] != found[1]
    assert found[0] == found[2] == found[3]
    assert (tmp_path / "__pycache__" / "known.json").exists()
    (tmp_path / "__pycache__" / "known.json").write_text("{damaged")
    code._known.cache_clear()
    assert code_fingerprint("stage") == found[0]
    code._known.cache_clear()
