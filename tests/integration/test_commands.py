"""The command line's tree in an empty folder: every command, twice, and with wrong input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidegate.core.serializers import serializers
from tidegate.domain.compliance.audit import audit_ledgers

INSTALLED = Path(sys.executable).with_name("tidegate")
COMMAND = [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, "-P", "-m", "tidegate"]
RULES = """\
name = "aml"
version = "1.0"
[[rules]]
id = "big filing"
kind = "max_amount"
limit = 900
[[rules]]
id = "big window"
kind = "max_per_window"
limit = 1000
[[rules]]
id = "who"
kind = "required"
fields = ["account", "id"]
[[rules]]
id = "on time"
kind = "max_late"
limit = 0
"""
LEDGER = """\
id,timestamp,account,amount
1,2024-01-01T00:00:00,A,500
2,2024-01-01T00:00:30,A,600
3,2024-01-01T00:02:00,B,10
4,2024-01-01T00:01:10,B,950
,2024-01-01T00:02:30,A,1
"""


class Begun(subprocess.Popen):
    """A command that does not outlive a test that fails."""

    def __exit__(self, kind, *rest):
        if kind is not None:
            self.kill()
        super().__exit__(kind, *rest)


def begin(*arguments):
    return Begun(
        [*COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments, code=0, says=None):
    """Run a command; what it says on standard error is one line where it fails."""
    with begin(*arguments) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == code, f"exit {process.returncode}, not {code}:\n{out}\n{err}"
    if code in (1, 2):
        assert out == ""
        assert len(err.splitlines()) == 1
    if says is not None:
        assert says in err
    return out


def document(command, *arguments, code=0):
    said = json.loads(run(*command.split(), *arguments, "--json", code=code))
    assert said.pop("schema") == f"tidegate.{command.replace(' ', '.')}/1"
    return said


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# ----------------------------------------------------------------------------------- compliance


def test_audit_finds_late_filings_and_broken_rules(empty_folder):
    (empty_folder / "ledger.csv").write_text(LEDGER)
    (empty_folder / "rules.toml").write_text(RULES)
    # Without rules: late filings alone are a finding, unless they are not late.
    said = document("compliance audit", "ledger.csv", "--by", "account", code=3)
    assert (said["filings"], said["windows"], said["late"], said["findings"]) == (5, 4, 1, [])
    run("compliance", "audit", "ledger.csv", "--lateness", "1m", "--window", "1h")
    assert tree(empty_folder / "audit") == ["audit.html", "audit.parquet"]

    for is_new in (True, False):
        said = document("compliance deploy-rules", "rules.toml")
        assert (said["name"], said["version"], said["rules"]) == ("aml", "1.0", 4)
        assert (said["installed_as"] is not None) is is_new
    for _ in "twice":
        said = document("compliance audit", "ledger.csv", "--by", "account", code=3)
        found = [(one["rule"], one["value"], one["window"]["account"]) for one in said["findings"]]
        assert found == [
            ("big filing", 950, "B"),
            ("big window", 1100, "A"),
            ("who: missing account, id", 1, "A"),
            ("on time", 1, "B"),
        ]
        assert said["rules"] == ["aml 1.0"]
    windows = pq.read_table(empty_folder / "audit" / "audit.parquet").to_pylist()
    assert [row["amount_sum"] for row in windows] == [1100, 950, 1, 10]
    assert [row["late_filings"] for row in windows] == [0, 1, 0, 0]
    assert windows[1]["broken_rules"] == "big filing; on time"
    assert "big window" in (empty_folder / "audit" / "audit.html").read_text()

    text = run("compliance", "audit", "ledger.csv", "--table", "text", code=3)
    assert "broken rule: aml 1.0: big window: 1100, at most 1000" in text
    assert "broken_rules" in (empty_folder / "audit" / "audit.txt").read_text()

    entries = document("compliance show-logs", "--lines", 4)["entries"]
    assert len(entries) == 4
    assert "4 broken rules" in entries[1]["message"]
    assert run("compliance", "show-logs").splitlines()[-1].endswith("-> audit/audit.parquet")


@pytest.mark.parametrize("name", ["json", "avro", "parquet", "arrow"])
def test_ledgers_of_every_format_have_the_same_audit(empty_folder, name):
    rows = pa.table({"timestamp": [0, 70, 10], "amount": [5.5, 2.0, 1.0]})
    path = empty_folder / f"ledger.{ {'json': 'ndjson'}.get(name, name) }"
    serializers.get(name).write(path, rows.to_batches())
    audit = audit_ledgers([path])
    assert audit.windows["amount_sum"].to_pylist() == [6.5, 2.0]
    assert audit.late == 1


def test_what_is_in_a_ledger_cannot_end_a_line_or_a_cell(empty_folder):
    account = "<b>\x1b[2K\nbroken rule: none"
    table = pa.table({"timestamp": [1], "amount": [1], "account": [account]})
    pq.write_table(table, empty_folder / "ledger.parquet")
    (empty_folder / "rules.json").write_text(
        '{"name": "r", "version": "1", "rules": [{"kind": "max_amount", "id": "a", "limit": 0}]}'
    )
    run("compliance", "deploy-rules", "--rule-file", "rules.json")
    out = run("compliance", "audit", "ledger.parquet", "--by", "account", code=3)
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2
    page = (empty_folder / "audit" / "audit.html").read_text()
    assert "<b>" not in page
    assert "\x1b" not in page


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["audit"], 2, "Missing argument"),
        (["audit", "none.csv"], 1, "none.csv: there is no such file"),
        (["audit", "bad.csv"], 1, "bad.csv: there is no column 'timestamp'"),
        (["audit", "good.csv", "--window", "soon"], 2, "'soon'"),
        (["audit", "good.csv", "--window", "0"], 2, "too short"),
        (["audit", "good.csv", "--by", "amount"], 2, "twice"),
        (["audit", "good.csv", "--output", "good.csv"], 1, "good.csv: cannot be made"),
        (["deploy-rules"], 2, "one rule file"),
        (["deploy-rules", "none.toml"], 1, "none.toml: there is no such file"),
        (["deploy-rules", "unsafe.toml"], 1, "version '../1'"),
        (["deploy-rules", "unknown.toml"], 1, "unknown.toml: "),
        (["show-logs", "--lines", "-1"], 2, "-1"),
    ],
)
def test_wrong_input_of_compliance_changes_nothing(empty_folder, arguments, code, says):
    (empty_folder / "bad.csv").write_text("a,b\n1,2\n")
    (empty_folder / "good.csv").write_text("timestamp,amount\n1,2\n")
    (empty_folder / "unsafe.toml").write_text(RULES.replace('"1.0"', '"../1"'))
    (empty_folder / "unknown.toml").write_text(RULES.replace("max_amount", "max_mood"))
    before = tree(empty_folder.parent)
    run("compliance", *arguments, code=code, says=says)
    assert tree(empty_folder.parent) == before


def test_a_version_is_installed_once_and_for_all(empty_folder):
    (empty_folder / "rules.toml").write_text(RULES)
    run("compliance", "deploy-rules", "rules.toml")
    (empty_folder / "rules.toml").write_text(RULES.replace("900", "901"))
    run(
        "compliance",
        "deploy-rules",
        "rules.toml",
        code=1,
        says="give the changed ones a new version",
    )
    (empty_folder / "rules.toml").write_text(RULES.replace("900", "901").replace('"1.0"', '"1.1"'))
    run("compliance", "deploy-rules", "rules.toml")
    assert tree(empty_folder.parent / "home" / "rules") == [
        "aml",
        "aml/1.0.json",
        "aml/1.1.json",
        "aml/current.json",
    ]


def test_logs_are_followed_until_a_signal(empty_folder):
    run("compliance", "show-logs", says="nothing was logged yet")
    (empty_folder / "rules.toml").write_text(RULES)
    with begin("compliance", "show-logs", "--follow", "--json") as following:
        run("compliance", "deploy-rules", "rules.toml")
        line = json.loads(following.stdout.readline())
        assert line["schema"] == "tidegate.compliance.show-logs/1"
        assert line["message"].startswith("rules aml 1.0")
        following.send_signal(signal.SIGINT)
        assert following.wait(timeout=30) == 130


# -------------------------------------------------------------------------- pipelines in folders


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie"


def generate(folder, files=1, rows=50):
    command = [sys.executable, "generate.py", "--files", str(files), "--rows", str(rows)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def wait_for(found):
    deadline = time.monotonic() + 60
    while not (result := found()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return result


def state_of(empty_folder):
    [path] = empty_folder.parent.glob("home/run/*/state.json")
    return json.loads(path.read_text())


def test_where_there_is_nothing_nothing_runs(empty_folder):
    for command in ("iot health", "iot stop", "social monitor", "trading inspect"):
        assert document(command, code=3) == {"name": None, "status": "none"}
    assert tree(empty_folder) == []


def test_sensors_from_scaffold_to_stop(empty_folder):
    for word in ("made", "kept as it is"):
        assert word in run("iot", "scaffold", "pumps")
    folder = empty_folder / "pumps"
    assert tree(folder) == ["README.md", "generate.py", "pipeline.toml", "test_pipeline.py"]
    run("iot", "health", "pumps", code=3, says="has not run yet")
    run("iot", "stop", code=3)
    generate(folder, files=3)
    started = document("iot start")
    try:
        run("iot", "start", code=1, says="pumps: runs already")
        run("iot", "start", "--foreground", code=1, says="runs already")
        wait_for(lambda: state_of(empty_folder)["rows_in"] == 150)
        health = document("iot health", "pumps")
        assert (health["status"], health["pid"]) == ("running", started["pid"])
        assert health["rows_in"] == health["used"] + health["late"]
        assert health["rows_out"] > 0
        assert health["last_result_age"] >= 0
        assert health["watermark"].startswith("2024-01-01")
    finally:
        assert run("iot", "stop", "pumps") == "pumps: stopped\n"
    wait_for(lambda: is_gone(started["pid"]))
    run("iot", "stop", code=3)
    assert document("iot health", code=3)["status"] == "stopped"
    # It goes on where it was, with the rows of then in its windows.
    generate(folder)
    state = document("iot start", "--once")
    assert (state["status"], state["rows_in"]) == ("ended", 200)
    windows = pq.read_table(folder / "windows")
    late = pq.read_table(folder / "late")
    assert sum(windows["n"].to_pylist()) + late.num_rows == 200
    assert state["rows_out"] == windows.num_rows
    keys = zip(windows["sensor"].to_pylist(), windows["window_end"].to_pylist(), strict=True)
    assert len(set(keys)) == windows.num_rows


@pytest.mark.usefixtures("empty_folder")
def test_of_two_starts_at_a_time_one_runs():
    run("iot", "scaffold", "pumps")
    with begin("iot", "start") as one, begin("iot", "start") as other:
        said = [process.communicate(timeout=60) for process in (one, other)]
        assert sorted((one.returncode, other.returncode)) == [0, 1], said
    run("iot", "stop")


def test_a_stranger_is_never_stopped(empty_folder):
    run("iot", "scaffold", "pumps")
    started = document("iot start")
    run("iot", "stop")
    [pid_file] = empty_folder.parent.glob("home/run/*/pid")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        pid_file.write_text(json.dumps({"pid": stranger.pid, "started": 1.0}))
        assert run("iot", "stop", code=3) == "pumps: was not running\n"
        assert stranger.poll() is None
        stranger.kill()
    assert started["pid"] != stranger.pid


def test_scaffolded_tests_pass(empty_folder):
    run("social", "scaffold", "posts")
    run("trading", "scaffold", "momentum")
    run("iot", "scaffold", "pumps")
    tests = [
        empty_folder / name / "test_pipeline.py"
        for name in ("posts", "strategies/momentum", "pumps")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib", *tests]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout


def test_a_strategy_is_launched_and_inspected(empty_folder):
    run("trading", "launch", code=1, says="make one by: tidegate trading scaffold NAME")
    run("trading", "inspect", code=3, says="there is no pipeline here")
    for word in ("made", "kept as it is"):
        assert word in run("trading", "scaffold", "momentum")
    run("trading", "launch", code=1, says="make the data first")
    generate(empty_folder / "strategies" / "momentum", files=2)
    answers = []
    for _ in "twice":
        state = document("trading launch", "momentum")
        assert (state["status"], state["rows_in"]) == ("ended", 100)
        answers.append(pq.read_table(empty_folder / "strategies" / "momentum" / "windows"))
    assert answers[0].equals(answers[1])
    assert document("trading inspect")["rows_out"] == answers[0].num_rows
    assert "rows in      100" in run("trading", "inspect", "momentum")


def test_a_launch_that_is_stopped_has_saved_its_state(empty_folder):
    run("trading", "scaffold", "momentum")
    folder = empty_folder / "strategies" / "momentum"
    generate(folder)
    path = folder / "pipeline.toml"
    path.write_text(path.read_text().replace("follow = false", "follow = true"))
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with begin("trading", "launch", "--json") as launched:
            wait_for(lambda: list(folder.glob("windows/part-*")))
            wait_for(lambda: state_of(empty_folder)["status"] == "running")
            launched.send_signal(number)
            out, _ = launched.communicate(timeout=60)
            assert launched.returncode == code
            assert json.loads(out)["status"] == "stopped"
    path.write_text(path.read_text().replace('"1s"', '"2s"', 1))
    run("trading", "launch", "--once", code=1, says="start with --fresh to begin anew")
    state = document("trading launch", "--once", "--fresh")
    assert (state["status"], state["rows_in"]) == ("ended", 50)


def test_posts_are_monitored_and_their_log_followed(empty_folder):
    for word in ("made", "kept as it is"):
        assert word in run("social", "scaffold")
    run("social", "monitor", code=3, says="has not run yet")
    run("social", "logs", "--follow")
    generate(empty_folder / "posts")
    run("social", "start")
    try:
        run("social", "start", "posts", code=1, says="runs already")
        assert document("social monitor")["status"] == "running"
        with begin("social", "logs", "--follow", "--json") as following:
            with begin("social", "monitor", "--follow", "--json") as watching:
                assert json.loads(following.stdout.readline())["message"].startswith("begins")
                assert json.loads(watching.stdout.readline())["status"] == "running"
                run("social", "stop")
                last = json.loads(following.communicate(timeout=60)[0].splitlines()[-1])
                assert last["message"].startswith("stopped")
                seen = watching.communicate(timeout=60)[0].splitlines()
            assert json.loads(seen[-1])["status"] == "stopped"
            assert (following.returncode, watching.returncode) == (0, 0)
    finally:
        run("social", "stop", code=3)
    run("social", "monitor", "posts", code=3)
    assert "stopped" in run("social", "logs", "--lines", "1")


def test_a_pipeline_that_died_is_said_to_have_died_and_goes_on(empty_folder):
    run("social", "scaffold")
    generate(empty_folder / "posts")
    pid = document("social start")["pid"]
    wait_for(lambda: state_of(empty_folder)["rows_in"] == 50)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid))
    assert document("social monitor", code=3)["status"] == "died"
    assert document("social start")["status"] == "running"
    run("social", "stop")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["iot", "scaffold", "../pumps"], 1, "NAME '../pumps'"),
        (["iot", "scaffold", "taken"], 1, "taken: is there already"),
        (["iot", "start"], 1, "there is no pipeline here"),
        (["iot", "health", "none"], 1, "none/pipeline.toml: there is no such file"),
        (["iot", "stop", "none", "more"], 2, "unexpected extra argument"),
        (["iot", "fly"], 2, "No such command 'fly'"),
        (["trading", "scaffold"], 2, "Missing argument 'NAME'"),
        (["trading", "scaffold", "a/b"], 1, "NAME 'a/b'"),
        (["trading", "launch", "../.."], 1, "NAME '../..'"),
        (["social", "start", "taken"], 1, "taken/pipeline.toml: there is no such file"),
        (["social", "logs", "--lines", "many"], 2, "'many'"),
    ],
)
def test_wrong_input_of_pipelines_changes_nothing(empty_folder, arguments, code, says):
    (empty_folder / "taken").mkdir()
    before = tree(empty_folder.parent)
    run(*arguments, code=code, says=says)
    assert tree(empty_folder.parent) == before


@pytest.mark.usefixtures("empty_folder")
def test_debug_adds_where_an_error_arose():
    with begin("iot", "start", "none", "--debug") as process:
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("tidegate: none/pipeline.toml")
