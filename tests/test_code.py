"""The fingerprint of code follows its meaning, not its wording."""

from pipeline_lib import STAGES
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
