"""What docs/ says, runs."""

import re
import tomllib
from pathlib import Path

import pytest

from tidegate.core.projectfile import read_project
from tidegate.domain.compliance.rules import read_rules

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_examples_run(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = path.read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    scope = {"__name__": "docs"}
    for example in examples:
        exec(compile(example, path.name, "exec"), scope)  # noqa: S102  # our own text
    assert text.count("```") == 2 * len(examples)


def test_the_files_that_are_shown_are_as_they_must_be(tmp_path):
    text = (DOCS / "personas.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^    .*\n|^\n)+", text, re.MULTILINE)
    tables = {}
    for block in blocks:
        if "name = " in block:
            lines = "".join(line.removeprefix("    ") for line in block.splitlines(keepends=True))
            tables["pipeline" if "[source]" in block else "rules"] = lines
    assert sorted(tables) == ["pipeline", "rules"]
    assert tomllib.loads(tables["pipeline"])["name"] == "sensors"
    (tmp_path / "pipeline.toml").write_text(tables["pipeline"])
    assert read_project(tmp_path).name == "sensors"
    (tmp_path / "rules.toml").write_text(tables["rules"])
    assert len(read_rules(tmp_path / "rules.toml").rules) == 4
