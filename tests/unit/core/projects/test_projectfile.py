"""The file of a pipeline: checked whole before anything runs."""

import pytest

from tidegate.core.errors import InputError, ProjectError, SourceError
from tidegate.core.projects.projectfile import read_project
from tidegate.core.windows import Sliding

GOOD = """\
name = "pumps"
on = "time"
by = ["sensor"]
lateness = 2
[window]
every = 5
[aggregations]
mean = "mean(value)"
[source]
path = "data/*.csv"
"""


def read(folder, text):
    (folder / "pipeline.toml").write_text(text)
    return read_project(folder)


def test_a_good_file_says_what_is_read_and_computed(tmp_path):
    project = read(tmp_path, GOOD.replace("every = 5", "every = 5\nperiod = 10"))
    assert project.columns.names == ("time", "sensor", "value")
    plan = project.aggregator().plan
    assert plan.window == Sliding(10, 5)
    assert [name for name, _ in plan.results] == ["mean"]
    assert project.sink == tmp_path / "windows"


def test_comments_and_order_do_not_change_the_fingerprint(tmp_path):
    first = read(tmp_path, GOOD).fingerprint
    assert read(tmp_path, f"# more\n{GOOD}").fingerprint == first
    assert read(tmp_path, GOOD.replace("every = 5", "every = 6")).fingerprint != first


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"pumps"', '"../pumps"', "name '../pumps'"),
        ("on =", "onn =", "onn"),
        ("lateness = 2", "lateness = -2", "lateness"),
        ("lateness = 2", "lateness = [2]", "lateness"),
        ("every = 5", "", "one of every"),
        ("every = 5", "every = 5\ncount = 2", "one of every"),
        ("every = 5", "every = 0", "window.every"),
        ("every = 5", 'calendar = "moon"', "moon"),
        ("every = 5", "count = 5\nperiod = 2", "period goes with"),
        ('"mean(value)"', '"mean("', "aggregations.mean"),
        ('"mean(value)"', '"__import__(os)"', "no function '__import__'"),
        ('"mean(value)"', '"rolling(value)"', "no function"),
        ("mean = ", "# mean = ", "at least one"),
        ("data/*.csv", "/etc/passwd", "below the folder"),
        ("data/*.csv", "../*.csv", "not within"),
        ("data/*.csv", "data/../../x", "not within"),
        ("data/*.csv", "", "below the folder"),
        ("[source]", '[sink]\npath = "../out"\n[source]', "sink.path '../out' is not within"),
        ("[source]", '[sink]\nlate = "windows"\n[source]', "same folder"),
        ("[source]", '[sink]\nformat = "xlsx"\n[source]', "xlsx"),
        ("[source]", '[source]\ntypes = {value = "money"}', "money"),
        ("[source]", '[source]\ntypes = {other = "int64"}', "not used"),
        ("[window]", "[window", "mend the file"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_that_names_the_file(tmp_path, old, new, says):
    with pytest.raises(SourceError) as error:
        read(tmp_path, GOOD.replace(old, new))
    assert str(error.value).startswith(str(tmp_path / "pipeline.toml"))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.toml"]


def test_no_file_is_said_with_what_to_do(tmp_path):
    with pytest.raises(ProjectError, match="no such file; name the folder of a pipeline"):
        read_project(tmp_path / "none")


def test_a_long_file_is_not_read(tmp_path):
    with pytest.raises(SourceError, match="longer"):
        read(tmp_path, GOOD + "#" * (1 << 20))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = tmp_path / "in"
    (folder / "data").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("time,sensor,value\n1,A,2\n")
    (folder / "data" / "a.csv").symlink_to(tmp_path / "secret.csv")
    project = read(folder, GOOD)
    with pytest.raises(InputError, match="not within"):
        project.open_file("data/a.csv")


def test_files_come_by_name_without_hidden_ones(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("b.csv", "a.csv", ".c.csv", "_d.csv", "e.tmp"):
        (tmp_path / "data" / name).touch()
    assert list(read(tmp_path, GOOD).input_files()) == ["data/a.csv", "data/b.csv"]
