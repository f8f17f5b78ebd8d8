"""Log files: newest last, followed, and never forged by what is in them."""

from tidegate.core.journal import Entry, Journal


def test_entries_come_newest_last(tmp_path):
    journal = Journal(tmp_path / "logs" / "a.jsonl", "a")
    assert journal.last(5) == []
    for i in range(5):
        journal.write("INFO", f"entry {i}")
    assert [entry.message for entry in journal.last(2)] == ["entry 3", "entry 4"]
    assert journal.last(0) == []
    assert (tmp_path / "logs" / "a.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_entry_is_one_line_whatever_is_in_it(tmp_path):
    journal = Journal(tmp_path / "a.jsonl", "a")
    journal.write("ERROR", "bad\nINFO all is well\x1b[2K")
    [entry] = journal.last(5)
    assert "\n" not in entry.line()
    assert "\x1b" not in entry.line()
    assert entry.line().endswith("ERROR a: bad\\nINFO all is well\\x1b[2K")


def test_a_line_that_is_no_entry_is_shown_as_it_is(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xff not json\n{"half": \n')
    assert [entry.level for entry in Journal(path, "a").last(5)] == ["?", "?"]


def test_following_gives_what_comes_and_ends_when_it_is_over(tmp_path):
    journal = Journal(tmp_path / "a.jsonl", "a")
    journal.write("INFO", "old")
    journal.write("INFO", "one")
    looks = iter([False, False, False, True])
    pending = ["two", "three"]

    def sleep(_):
        if pending:
            journal.write("INFO", pending.pop(0))

    seen = [entry.message for entry in journal.follow(1, lambda: next(looks), sleep)]
    assert seen == ["one", "two", "three"]


def test_a_line_that_is_not_whole_yet_waits(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"time": "t", "level": "INFO", ')
    rest = [b'"logger": "a", "message": "m"}\n']

    def sleep(_):
        with path.open("ab") as stream:
            stream.write(rest.pop())

    looks = iter([False, False, True])
    seen = list(Journal(path, "a").follow(5, lambda: next(looks), sleep))
    assert seen == [Entry("t", "INFO", "a", "m")]


def test_a_long_file_is_put_aside(tmp_path, monkeypatch):
    monkeypatch.setattr("tidegate.core.journal.MAX_BYTES", 200)
    journal = Journal(tmp_path / "a.jsonl", "a")
    for i in range(6):
        journal.write("INFO", f"{i} " + "x" * 90)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.jsonl.1"]
    assert (tmp_path / "a.jsonl").stat().st_size < 600
    assert journal.last(1)[0].message.startswith("5 ")
