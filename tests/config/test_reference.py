"""What is generated from the settings classes is current."""

import json
from pathlib import Path

import jsonschema
import yaml

from pipeline_lib.config.reference import json_schema, reference_page


def test_the_schema_is_current(root: Path) -> None:
    shipped = (root / "workflow" / "schemas" / "config.schema.json").read_text()
    assert shipped == json_schema(), (
        "run `dnalm config schema > workflow/schemas/config.schema.json`"
    )


def test_the_reference_page_is_current(root: Path) -> None:
    shipped = (root / "docs" / "config.md").read_text()
    assert shipped == reference_page(), "run `dnalm config reference > docs/config.md`"


def test_the_schema_accepts_the_demo_and_refuses_a_typo(root: Path) -> None:
    schema = json.loads(json_schema())
    demo = yaml.safe_load((root / "config" / "config.yaml").read_text())
    jsonschema.validate(demo, schema)
    demo["pretraining"]["leerning_rate"] = 1
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(demo))
    assert any("leerning_rate" in error.message for error in errors)
