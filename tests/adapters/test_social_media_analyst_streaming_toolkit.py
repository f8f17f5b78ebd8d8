"""The contract of ``tidegate.social_media_analyst.streaming_toolkit``, promise by promise."""

import inspect
import io
import json
import logging
import time

import fastavro
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import scripts
from reference.records import SIZES, records

from tidegate.core.projects.background import stop
from tidegate.core.projects.projectfile import read_project
from tidegate.domain.scaffolding import scaffold
from tidegate.domain.social_media.project import POSTS
from tidegate.social_media_analyst import streaming_toolkit as toolkit


def post(t, sentiment=0):
    return {"timestamp": t, "sentiment": sentiment}


def test_windows_are_numbered_from_the_epoch():
    posts = [post(t) for t in (0, 30, 61)]
    assert toolkit.tumbling_window(posts) == {0: posts[:2], 1: posts[2:]}


@given(records("sentiment"), SIZES)
def test_tumbling_windows_are_those_of_the_plain_way(posts, size):
    wanted = {}
    for row in posts:
        wanted.setdefault(int(row["timestamp"] // size), []).append(row)
    windows = toolkit.tumbling_window(posts, size)
    assert list(windows) == list(wanted)
    assert all(type(number) is int for number in windows)
    for number, rows in wanted.items():
        assert [id(row) for row in windows[number]] == [id(row) for row in rows]


def test_sentiment_of_three_posts():
    posts = [post(0, 1), post(100, 3), post(400, 2)]
    moved = toolkit.sliding_window(posts, 200)
    assert [row["avg_sentiment"] for row in moved] == [1, 2, 2]
    assert [row["timestamp"] for row in moved] == [0, 100, 400]


@given(records("sentiment"), SIZES)
def test_sentiments_are_those_of_the_plain_way(posts, size):
    ours, theirs = toolkit.sliding_window(posts, size), scripts.sentiments(posts, size)
    assert [row["timestamp"] for row in ours] == [row["timestamp"] for row in theirs]
    for mine, plain in zip(ours, theirs, strict=True):
        assert list(mine) == ["timestamp", "avg_sentiment"]
        assert mine["avg_sentiment"] == pytest.approx(plain["avg_sentiment"], abs=1e-9)


def test_no_posts_give_nothing():
    assert toolkit.tumbling_window([]) == {}
    assert toolkit.sliding_window([]) == []
    assert toolkit.watermark_event_time([], 5) == []


@pytest.mark.parametrize("size", [0, -1, float("nan"), float("inf")])
def test_sizes_of_nothing_are_refused(size):
    with pytest.raises(ValueError, match="window_size"):
        toolkit.tumbling_window([post(1)], size)
    with pytest.raises(ValueError, match="window_size"):
        toolkit.sliding_window([post(1)], size)


@pytest.mark.parametrize(
    ("bad", "error", "words"),
    [
        ({"sentiment": 1}, KeyError, "record 1 has no field 'timestamp'"),
        ({"timestamp": 2}, KeyError, "record 1 has no field 'sentiment'"),
        ({"timestamp": 2, "sentiment": None}, TypeError, "'sentiment', record 1 is None"),
        ({"timestamp": float("nan"), "sentiment": 1}, ValueError, "record 1 is NaN"),
    ],
)
def test_bad_posts_are_named(bad, error, words):
    with pytest.raises(error, match=words):
        toolkit.sliding_window([post(1), bad], 5)


ONE = {"id": 1, "text": "ÿ\n", "sentiment": 0.5}


def test_json_documents_are_real():
    tag, document = toolkit.add_serializer(ONE).serialize("json").split(b":", 1)
    assert tag == b"JSON"
    assert json.loads(document) == ONE
    several = toolkit.add_serializer([ONE, ONE]).serialize("json")
    assert json.loads(several.removeprefix(b"JSON:")) == [ONE, ONE]


@pytest.mark.parametrize("data", [ONE, [ONE, ONE]])
def test_avro_and_parquet_documents_are_real(data):
    rows = data if isinstance(data, list) else [data]
    made = toolkit.add_serializer(data)
    avro, parquet = made.serialize("avro"), made.serialize("parquet")
    assert avro.startswith(b"AVRO:")
    assert list(fastavro.reader(io.BytesIO(avro[5:]))) == rows
    assert parquet.startswith(b"PARQUET:")
    assert pq.read_table(io.BytesIO(parquet[8:])).to_pylist() == rows


@pytest.mark.parametrize("fmt", ["xml", "", None])
def test_other_formats_are_refused(fmt):
    with pytest.raises(ValueError, match="format"):
        toolkit.add_serializer(ONE).serialize(fmt)


@pytest.mark.parametrize("n", [0, 1, 3, 10])
def test_throttle_never_pulls_one_more_than_it_yields(n):
    pulled = []

    def posts():
        for k in range(5):
            pulled.append(k)
            yield k

    assert list(toolkit.throttle_upstream(posts(), n)) == list(range(min(n, 5)))
    assert pulled == list(range(min(n, 5)))


def test_watermark_is_the_largest_so_far_minus_the_lateness():
    assert toolkit.watermark_event_time([post(t) for t in (10, 5, 20)], 5) == [5, 5, 15]


@given(records(), st.one_of(st.integers(0, 40), st.integers(0, 80).map(lambda k: k / 8)))
def test_watermarks_are_those_of_the_plain_way(posts, lateness):
    wanted, largest = [], None
    for row in posts:
        largest = row["timestamp"] if largest is None else max(largest, row["timestamp"])
        wanted.append(largest - lateness)
    assert toolkit.watermark_event_time(posts, lateness) == wanted


def test_skip_error_says_why(caplog):
    @toolkit.skip_error
    def score(post):  # noqa: ARG001
        """Score a post."""
        raise ValueError("no text")

    assert score({}) is None
    assert [r.getMessage() for r in caplog.records] == ["Skipping due to error: no text"]
    assert caplog.records[0].levelno == logging.WARNING
    assert (score.__name__, score.__doc__) == ("score", "Score a post.")
    assert str(inspect.signature(score)) == "(post)"


def test_halt_on_error_lets_the_error_pass():
    with pytest.raises(ZeroDivisionError):
        toolkit.halt_on_error(lambda: 1 / 0)()


def test_setup_logging_shows_everything(bare_root_logger):
    with bare_root_logger() as root:
        assert toolkit.setup_logging() is root
        assert root.level == logging.DEBUG
        toolkit.setup_logging()
        assert len(root.handlers) == 1


def test_functions_run_at_the_same_time_and_answer_in_order():
    def slow(data):
        time.sleep(0.2)
        return data * 2

    begun = time.perf_counter()
    assert toolkit.parallelize_stages([slow, len, slow], "ab") == ["abab", 2, "abab"]
    assert time.perf_counter() - begun < 2


def test_lineage_is_kept_in_the_post():
    mine = {"id": 1}
    assert toolkit.track_lineage(mine, "clean") is mine
    toolkit.track_lineage(mine, "score")
    assert mine == {"id": 1, "_lineage": ["clean", "score"]}


@pytest.mark.parametrize(
    ("command", "phrase"),
    [
        ("start", "Pipeline started"),
        ("monitor", "Monitoring throughput"),
        ("logs", "Tailing logs"),
    ],
)
def test_commands_say_their_phrase_and_do_not_hang(empty_folder, capsys, command, phrase):
    assert toolkit.cli_manage([command]) == 0
    said = capsys.readouterr()
    assert said.out == f"{phrase}\n"
    assert "there is no pipeline here, nothing runs" in said.err
    assert list(empty_folder.iterdir()) == []


@pytest.mark.usefixtures("empty_folder")
def test_arguments_are_those_of_the_process_unless_given(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["toolkit", "logs"])
    assert toolkit.cli_manage() == 0
    assert capsys.readouterr().out == "Tailing logs\n"
    assert toolkit.cli_manage([]) == 0
    assert "usage:" in capsys.readouterr().out


def test_commands_work_on_the_pipeline_that_is_there(empty_folder, capsys):
    folder = empty_folder / "posts"
    assert scaffold(POSTS, folder, "posts")
    assert toolkit.cli_manage(["monitor"]) == 0
    assert "posts: has not run yet" in capsys.readouterr().out
    assert toolkit.cli_manage(["start"]) == 0
    try:
        assert toolkit.cli_manage(["monitor"]) == 0
        assert "posts: running" in capsys.readouterr().out
    finally:
        assert stop(read_project(folder))
    assert toolkit.cli_manage(["logs"]) == 0
    assert "stopped" in capsys.readouterr().out.splitlines()[-1]
