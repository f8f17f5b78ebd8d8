"""What every test stands on: fixed seeds, and the depths of the property tests.

Warnings are errors (pyproject.toml), and with them whatever Python could only print as
'Exception ignored in …', which pytest turns into a warning.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent

# The same examples every time, so that a change is judged and not the luck of the draw;
# `--hypothesis-profile=deep` goes looking for new ones.
settings.register_profile(
    "default",
    max_examples=100,
    deadline=None,  # the checked build is slow, and a loaded machine slower
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("brief", settings.get_profile("default"), max_examples=20)
settings.register_profile(
    "deep", settings.get_profile("default"), max_examples=10_000, derandomize=False
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _fixed_seeds() -> None:
    """Give every test the same random numbers, whichever tests ran before it."""
    random.seed(20240808)
    np.random.seed(20240808)  # noqa: NPY002  # libraries under test may draw from it


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers of a fixed seed."""
    return np.random.default_rng(20240808)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in; what outlives a command lies beside it."""
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def real_trades() -> Path:
    """Recorded trades; they lie beside the repository where it is developed."""
    path = ROOT.parent / "shared" / "data" / "crypto_trades.parquet"
    if not path.exists():
        pytest.skip("the recorded trades are not here")
    return path


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run_command() -> Command:
    """Run a command without input; `code` is the exit status that it must have."""

    def run(*command: str, code: int = 0, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        paths = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        )
        assert done.returncode == code, f"exit {done.returncode}, not {code}:\n{done.stderr}"
        assert "Exception ignored" not in done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def run_python(run_command: Command) -> Callable[..., str]:
    """Run a piece of Python in an interpreter of its own and give what it printed."""

    def run(code: str, **options: float) -> str:
        return run_command(sys.executable, "-c", code, **options).stdout

    return run


@pytest.fixture(scope="session")
def run_tidegate(run_command: Command) -> Command:
    """Run the command line in a process of its own."""

    def run(*args: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        return run_command(sys.executable, "-m", "tidegate", *map(str, args), code=code)

    return run
