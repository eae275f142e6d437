"""What the README promises is there."""

import re
from pathlib import Path


def test_the_two_commands_stand_in_the_first_block_by_line_15(root: Path) -> None:
    text = (root / "README.md").read_text()
    block = re.search(r"```bash\n(.*?)```", text, re.DOTALL)
    assert block is not None
    assert text[: block.end()].count("\n") < 15
    assert "make demo" in block[1] and "make test" in block[1]


def test_links_lead_somewhere(root: Path) -> None:
    for file in [root / "README.md", root / "config" / "README.md", *root.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name} links to {target}"


def test_scripts_are_glue(root: Path) -> None:
    for script in (root / "workflow" / "scripts").glob("*.py"):
        lines = [line for line in script.read_text().splitlines() if line.strip()]
        assert len(lines) <= 15, script.name
        assert "with job(snakemake):" in lines
