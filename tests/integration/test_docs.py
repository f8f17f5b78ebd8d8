"""What docs/ says, runs."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tidegate.core.projects.projectfile import read_project
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
    assert text.count("```") == 2 * (len(examples) + text.count("```console"))


NUMBER = re.compile(r"\d[\d,.:TZ-]*")
CHANGING = re.compile(r"^((?:watermark|last result) ).*", re.MULTILINE)  # as fast as it was


def plain(text):
    """Leave out what is another in each run: numbers, times, the length of blanks."""
    text = re.sub(r" +", " ", NUMBER.sub("#", text)).strip()
    return CHANGING.sub(r"\1#", text)


def sessions(path):
    """Give the screens of a page: of each, commands and what they say."""
    text = path.read_text(encoding="utf-8")
    for screen in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        parts = re.split(r"^\$ ", screen, flags=re.MULTILINE)
        assert parts[0] == ""
        yield [part.partition("\n")[::2] for part in parts[1:]]


PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_screens_are_what_the_commands_say(path, tmp_path, monkeypatch):
    binaries = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([binaries, os.environ["PATH"]]))
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    for number, screen in enumerate(sessions(path)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for command, said in screen:
            done = subprocess.run(
                ["/bin/sh", "-c", f"exec 2>&1; {command}"],
                cwd=folder,
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                text=True,
                check=False,
                timeout=120,
            )
            out = done.stdout.replace(f"{tmp_path}/home/rules", "~/.config/tidegate/rules")
            assert plain(out) == plain(said), command


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
