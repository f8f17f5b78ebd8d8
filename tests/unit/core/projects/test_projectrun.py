"""A run that is stopped or killed, wherever, and gone on with has the parts of one that was not."""

import json
import signal
import threading

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidegate.core import sources
from tidegate.core.errors import ProjectError, SnapshotError, SourceError
from tidegate.core.projects import projectrun
from tidegate.core.projects.projectfile import read_project
from tidegate.core.projects.projectrun import run_project
from tidegate.core.projects.runfolder import RunFolder
from tidegate.core.projects.statefile import read_state

PIPELINE = """\
name = "pumps"
on = "time"
by = ["key"]
lateness = 20
[window]
every = 10
[aggregations]
n = "rows()"
mean = "mean(x)"
[source]
path = "data/*.parquet"
[sink]
late = "late"
"""
N_ROWS = 400


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "pumps"
    (folder / "data").mkdir(parents=True)
    rng = np.random.default_rng(3)
    times = np.arange(N_ROWS) - rng.integers(0, 40, N_ROWS)
    keys, values = rng.choice(["a", "b"], N_ROWS), rng.normal(size=N_ROWS)
    rows = pa.table({"time": times, "key": keys, "x": values})
    for i in range(4):
        pq.write_table(rows.slice(i * 100, 100), folder / "data" / f"{i}.parquet")
    (folder / "pipeline.toml").write_text(PIPELINE)
    return read_project(folder)


def results(project):
    return [pq.read_table(project.folder / name) for name in ("windows", "late")]


def whole(project):
    rows = pq.read_table(project.folder / "data")
    live = project.aggregator()
    windows = pa.concat_tables([live.push(rows), live.flush()])
    return [windows, live.take_late()]


def same(found, expected):
    return all(one.equals(other) for one, other in zip(found, expected, strict=True))


def test_the_parts_are_what_one_push_says(project):
    state, number = run_project(project)
    assert (state.status, state.rows_in, number) == ("ended", N_ROWS, None)
    expected = whole(project)
    assert same(results(project), expected)
    assert state.rows_out == expected[0].num_rows
    assert state.late == expected[1].num_rows > 0
    assert state.rows_in == state.used + state.late + state.rejected


@pytest.mark.parametrize("save_seconds", [0.0, 1e9])
def test_killed_after_any_batch_it_goes_on_as_if_nothing_had_been(
    project, monkeypatch, save_seconds
):
    monkeypatch.setattr(sources, "MAX_ROWS", 40)
    monkeypatch.setattr(projectrun, "SAVE_SECONDS", save_seconds)
    take = projectrun._Running._take

    class Killed(BaseException):
        pass

    calls = 0

    def dies(self, rows):
        nonlocal calls
        calls += 1
        take(self, rows)
        if calls % 3 == 0:
            raise Killed

    monkeypatch.setattr(projectrun._Running, "_take", dies)
    n_deaths = 0
    while True:
        try:
            state, _ = run_project(project)
            break
        except Killed:
            n_deaths += 1
            if n_deaths == 6 and save_seconds:  # nothing was saved: let it through
                monkeypatch.setattr(projectrun._Running, "_take", take)
    assert n_deaths > 2
    assert state.status == "ended"
    assert same(results(project), whole(project))


@pytest.mark.parametrize("at", [1, 4, 9])
def test_stopped_by_a_signal_it_has_saved_its_state(project, monkeypatch, at):
    monkeypatch.setattr(sources, "MAX_ROWS", 30)
    take = projectrun._Running._take
    calls = 0

    def stops(self, rows):
        nonlocal calls
        calls += 1
        take(self, rows)
        if calls == at:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(projectrun._Running, "_take", stops)
    before = signal.getsignal(signal.SIGTERM)
    state, number = run_project(project)
    assert (state.status, number) == ("stopped", signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
    n_before = state.rows_in
    state, _ = run_project(project)
    assert state.rows_in == N_ROWS > n_before
    assert same(results(project), whole(project))


def test_a_run_that_has_ended_begins_anew_and_says_the_same(project):
    run_project(project)
    first = results(project)
    (project.folder / "windows" / "notes.txt").write_text("mine")
    (project.folder / "windows" / ".tidegate-0123456789abcdef.tmp").write_text("half")
    state, _ = run_project(project)
    assert state.watermark < N_ROWS  # that of the rows, not the end of time
    assert list((project.folder / "windows").glob(".*")) == []
    assert (project.folder / "windows" / "notes.txt").read_text() == "mine"
    (project.folder / "windows" / "notes.txt").unlink()
    assert same(results(project), first)


def test_following_reads_files_that_come_later_and_tells_its_state(project, monkeypatch):
    monkeypatch.setattr(projectrun, "TELL_SECONDS", 0.01)
    monkeypatch.setattr(projectrun, "POLL_SECONDS", 0.01)
    text = PIPELINE.replace('parquet"', 'parquet"\nfollow = true')
    (project.folder / "pipeline.toml").write_text(text)
    later = project.folder / "data" / "3.parquet"
    later.rename(project.folder / "3.tmp")
    follower = read_project(project.folder)
    run = RunFolder.of(project.folder, "pumps")
    running = []
    begin = projectrun._Running.begin
    monkeypatch.setattr(
        projectrun._Running,
        "begin",
        lambda self, **options: (running.append(self), begin(self, **options)),
    )
    thread = threading.Thread(target=run_project, args=(follower,))
    thread.start()
    try:
        waited = threading.Event()

        def wait_for(n_rows):
            for _ in range(3000):
                state = read_state(run.state_file)
                if state is not None and state.rows_in == n_rows:
                    return state
                waited.wait(0.01)
            raise AssertionError(f"never {n_rows} rows")

        first = wait_for(300)
        assert first.status == "running"
        (project.folder / "3.tmp").rename(later)
        second = wait_for(400)
        assert second.updated_at > first.updated_at
        assert list((project.folder / "windows").glob("part-*"))
    finally:
        running[0].stopping.set()
        thread.join()
    assert read_state(run.state_file).status == "stopped"
    state, _ = run_project(follower, once=True)
    assert state.status == "ended"
    assert same(results(project), whole(project))


def test_a_bad_file_is_named_and_what_was_saved_is_kept(project):
    bad = project.folder / "data" / "2.parquet"
    good = bad.read_bytes()
    bad.write_bytes(good[:200])
    with pytest.raises(SourceError, match=r"2\.parquet"):
        run_project(project)
    run = RunFolder.of(project.folder, "pumps")
    state = read_state(run.state_file)
    assert state.status == "failed"
    assert "2.parquet" in state.error
    assert run.journal.last(1)[0].level == "ERROR"
    bad.write_bytes(good)
    run_project(project)
    assert same(results(project), whole(project))


@pytest.mark.parametrize("size", [0, 5, 30, 200])
def test_a_damaged_resume_file_is_an_error_and_fresh_helps(project, monkeypatch, size):
    monkeypatch.setattr(projectrun, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(
        projectrun._Running, "_next_file", lambda _: (_ for _ in ()).throw(ProjectError("x"))
    )
    with pytest.raises(ProjectError, match="x"):
        run_project(project)
    monkeypatch.undo()
    monkeypatch.setenv("TIDEGATE_HOME", str(project.folder.parent / "home"))
    run = RunFolder.of(project.folder, "pumps")
    head = json.dumps({"fingerprint": project.fingerprint, "part": 3}).encode()
    content = b"tidegate-resume/1\n" + head + b"\n" + project.aggregator().snapshot()
    run.resume_file.write_bytes(content[:size])
    with pytest.raises(SnapshotError, match="--fresh"):
        run_project(project)
    run_project(project, fresh=True)
    assert same(results(project), whole(project))
