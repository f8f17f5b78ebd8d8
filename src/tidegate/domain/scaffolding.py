"""What new pipeline folders of every field have in common: made-up rows, a test, a way to start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tidegate.core.home import safe_name
from tidegate.core.projects.folders import filled, make_project

__all__ = ["Field", "scaffold"]


@dataclass(frozen=True, slots=True)
class Field:
    """What is the field's own.

    Parameters
    ----------
    pipeline : str
        The TOML file, ``$name`` being the name.
    row : str
        Python: the fields of a made-up row beside ``time``, from a generator ``rng``.
    readme : str
        Markdown, ``$name`` being the name and ``$folder`` the folder.
    """

    pipeline: str
    row: str
    readme: str


GENERATE = '''"""Make rows for the pipeline of this folder: random numbers, the same every time.

    python generate.py                       one more file of ten seconds
    python generate.py --files 60 --every 1  sixty, one each second
"""

import argparse
import json
import random
import time
from datetime import datetime, timedelta
from pathlib import Path

DATA = Path(__file__).resolve().parent / "data"
START = datetime(2024, 1, 1)
SECONDS = 10  # of event time in a file


def make_row(rng, moment):
    """Make one row; one in fifty comes two minutes late."""
    if rng.random() < 0.02:
        moment -= timedelta(minutes=2)
    return {"time": moment.isoformat(timespec="microseconds"), $row}


def write_file(number, n_rows):
    """Write a file under its name once it is whole: whoever reads the folder sees all of it."""
    rng = random.Random(number)
    begin = START + timedelta(seconds=SECONDS * number)
    step = timedelta(seconds=SECONDS) / n_rows
    lines = [json.dumps(make_row(rng, begin + i * step)) for i in range(n_rows)]
    path = DATA / f"{number:08d}.ndjson"
    growing = path.with_suffix(".tmp")
    growing.write_text("\\n".join(lines) + "\\n")
    growing.replace(path)


def main():
    """Write the next files."""
    parser = argparse.ArgumentParser(description="Make rows for the pipeline of this folder.")
    parser.add_argument("--files", type=int, default=1, help="how many (default: 1)")
    parser.add_argument("--rows", type=int, default=1000, help="rows in each (default: 1000)")
    parser.add_argument("--every", type=float, default=0, help="seconds between two (default: 0)")
    options = parser.parse_args()
    DATA.mkdir(exist_ok=True)
    first = 1 + max((int(path.stem) for path in DATA.glob("*.ndjson")), default=-1)
    for number in range(first, first + options.files):
        write_file(number, options.rows)
        print(f"data/{number:08d}.ndjson: {options.rows} rows", flush=True)
        time.sleep(options.every)


if __name__ == "__main__":
    main()
'''

TEST = '''"""The pipeline of this folder says what one push of its rows says: pytest runs this."""

import json
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidegate.core.projects.projectfile import read_project
from tidegate.core.projects.projectrun import run_project

HERE = Path(__file__).resolve().parent


def test_the_pipeline_answers_as_one_push(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "copy"
    made = shutil.ignore_patterns("data", "windows", "late", "__pycache__", ".*")
    shutil.copytree(HERE, folder, ignore=made)
    command = [sys.executable, "generate.py", "--files", "3", "--rows", "200"]
    subprocess.run(command, cwd=folder, check=True)

    project = read_project(folder)
    state, _ = run_project(project, once=True)
    assert (state.status, state.rows_in) == ("ended", 600)
    assert state.rows_in == state.used + state.late + state.rejected

    lines = [line for path in sorted((folder / "data").iterdir()) for line in path.open()]
    rows = [json.loads(line) for line in lines]
    rows = [{**row, "time": datetime.fromisoformat(row["time"])} for row in rows]
    live = project.aggregator()
    whole = pa.concat_tables([live.push(pa.Table.from_pylist(rows)), live.flush()])
    assert pq.read_table(folder / "windows").equals(whole)
    assert pq.read_table(folder / "late").num_rows == state.late > 0
'''


def scaffold(field: Field, folder: Path, name: str) -> bool:
    """Make a folder with a pipeline that runs.

    Parameters
    ----------
    field : Field
        Whose texts.
    folder : Path
        Where; its last part is `name`.
    name : str
        Of the pipeline.

    Returns
    -------
    bool
        False if there is a pipeline already; it is kept as it is.

    Raises
    ------
    InputError
        If the name is not safe.
    ProjectError, SinkError
        If something else is there, or it cannot be written.
    """
    safe_name(name, "name")
    own = filled(
        {"pipeline.toml": field.pipeline, "README.md": field.readme},
        name=name,
        folder=str(folder),
    )
    files: Mapping[str, str] = {
        **own,
        "generate.py": GENERATE.replace("$row", field.row),
        "test_pipeline.py": TEST,
    }
    return make_project(folder, files)
