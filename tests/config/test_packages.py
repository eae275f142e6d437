"""environment.yml, pyproject.toml and requirements.lock name the same packages."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

CONDA_NAMES = {"pytorch": "torch"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", CONDA_NAMES.get(name, name)).lower()


@pytest.fixture(scope="module")
def declared(root: Path) -> dict[str, Requirement]:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    texts = [*project["dependencies"], *(text for extra in extras for text in extra)]
    return {normal(Requirement(text).name): Requirement(text) for text in texts}


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, str]:
    lines = (root / "requirements.lock").read_text().splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {normal(name): version.split(";")[0].strip() for name, version in pins}


def test_the_lock_satisfies_pyproject(
    declared: dict[str, Requirement], locked: dict[str, str]
) -> None:
    for name, requirement in declared.items():
        assert name in locked
        assert requirement.specifier.contains(locked[name], prereleases=True), name


def test_conda_environment_is_the_same(root: Path, declared: dict[str, Requirement]) -> None:
    environment = yaml.safe_load((root / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "bioconda", "nodefaults"]
    texts = [text for text in environment["dependencies"] if isinstance(text, str)]
    conda = {normal(Requirement(text).name): Requirement(text) for text in texts}
    assert conda.pop("python").specifier == Requirement("python>=3.11").specifier
    conda.pop("pip")
    assert conda.keys() == declared.keys()
    for name, requirement in conda.items():
        assert requirement.specifier == declared[name].specifier, name
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}
