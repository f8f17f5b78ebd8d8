"""Who runs: one process at a time, known by its id and its start."""

import json
import os
import subprocess
import sys

import pytest

from tidegate.core.errors import ProjectError
from tidegate.core.projects.background import stop
from tidegate.core.projects.processes import started_at
from tidegate.core.projects.runfolder import RunFolder


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    return RunFolder.of(tmp_path, "pumps")


def test_the_one_that_holds_it_is_the_owner(run_folder):
    assert run_folder.owner() is None
    with run_folder.held():
        owner = run_folder.owner()
        assert owner.pid == os.getpid()
        assert owner.started == started_at(os.getpid())
        said = rf"runs already \(pid {os.getpid()}\)"
        with pytest.raises(ProjectError, match=said), run_folder.held():
            pass
    assert run_folder.owner() is None
    with run_folder.held():  # again
        pass


def test_what_an_unlocked_file_says_counts_for_nothing(run_folder):
    with run_folder.held():
        pass
    run_folder.pid_file.write_text(json.dumps({"pid": os.getpid(), "started": 0.0}))
    assert run_folder.owner() is None


@pytest.mark.parametrize(
    "text", ["", "{", '{"pid": 1, "started": 1.0}', '{"pid": -1, "started": 0}']
)
def test_a_locked_file_that_names_a_stranger_is_an_error(run_folder, text):
    with run_folder.held():
        run_folder.pid_file.write_text(text)
        with pytest.raises(ProjectError, match="nothing is done"):
            run_folder.owner()


def test_the_lock_ends_with_its_process(run_folder):
    code = (
        "import sys, pathlib, time\n"
        "from tidegate.core.projects.runfolder import RunFolder\n"
        "run = RunFolder(pathlib.Path(sys.argv[1]), 'pumps')\n"
        "with run.held():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(run_folder.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        assert run_folder.owner().pid == other.pid
        other.kill()
        other.wait()
        assert run_folder.owner() is None


@pytest.mark.usefixtures("run_folder")
def test_stop_sends_nothing_where_nothing_runs(tmp_path):
    class Folder:
        folder = tmp_path
        name = "pumps"

    assert stop(Folder()) is False


def test_folders_of_one_name_are_told_apart(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert RunFolder.of(tmp_path / "a", "x") != RunFolder.of(tmp_path / "b", "x")
