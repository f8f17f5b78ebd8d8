"""Where things are kept, and which names and paths may be made."""

from pathlib import Path

import pytest

from tidegate.core.errors import InputError, SinkError
from tidegate.core.home import home_folder, inside, made_folder, safe_name


def test_home_is_the_variable_else_the_folders_of_xdg(tmp_path, monkeypatch):
    for name in ("TIDEGATE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home_folder("log") == tmp_path / ".local/state/tidegate/log"
    assert home_folder("rules") == tmp_path / ".config/tidegate/rules"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")  # to be ignored, says the specification
    assert home_folder("run") == tmp_path / ".local/state/tidegate/run"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert home_folder("run") == tmp_path / "state/tidegate/run"
    monkeypatch.setenv("TIDEGATE_HOME", str(tmp_path / "home"))
    assert home_folder("rules") == tmp_path / "home/rules"


def test_folders_of_the_home_are_the_owners_alone(tmp_path):
    folder = made_folder(tmp_path / "a" / "b")
    assert folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="TIDEGATE_HOME"):
        made_folder(tmp_path / "file" / "b")


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "0", "x" * 64])
def test_safe_names_are_taken(name):
    assert safe_name(name, "name") == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", "a.", ".a", "-a", "a/b", "a\\b", "a\0", "a\n", "ä", "x" * 65]
)
def test_unsafe_names_are_refused(name):
    with pytest.raises(InputError, match="name"):
        safe_name(name, "name")


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a\0b", "out/x"]
)
def test_paths_that_leave_the_folder_are_refused(tmp_path, path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match="not within"):
        inside(folder, path, "source")


def test_paths_in_the_folder_are_taken_links_too(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert inside(tmp_path, "link/x.csv", "source") == (tmp_path / "data/x.csv").resolve()
    assert inside(Path(tmp_path), "a/../b", "source") == (tmp_path / "b").resolve()
