"""Who runs a folder's pipeline: a locked file that holds the process and its start time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tidegate.core.errors import ProjectError, SinkError
from tidegate.core.home import home_folder, made_folder
from tidegate.core.journal import Journal
from tidegate.core.projects.processes import started_at

__all__ = ["CLOCK_SECONDS", "Owner", "RunFolder"]

TRIES, PAUSE_SECONDS = 10, 0.02
CLOCK_SECONDS = 2.0  # what a start time may differ by where the system's clock was set


class Owner(msgspec.Struct, forbid_unknown_fields=True):
    """The process that runs a pipeline: its id, and when it was started, in seconds since 1970."""

    pid: int
    started: float


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where the state of one pipeline lies.

    Parameters
    ----------
    path : Path
        A folder of its own.
    name : str
        What messages call the pipeline.
    """

    path: Path
    name: str

    @classmethod
    def of(cls, folder: Path, name: str) -> RunFolder:
        """Tell the place for the pipeline of a folder.

        Examples
        --------
        >>> RunFolder.of(Path("/srv/pumps"), "pumps").path.name
        'pumps-68fee0f8ac3a'
        """
        mark = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
        return cls(home_folder("run") / f"{name}-{mark}", name)

    @property
    def pid_file(self) -> Path:
        """Who runs."""
        return self.path / "pid"

    @property
    def state_file(self) -> Path:
        """What it says."""
        return self.path / "state.json"

    @property
    def resume_file(self) -> Path:
        """Where to go on."""
        return self.path / "resume"

    @property
    def output_file(self) -> Path:
        """What a process in the background has printed."""
        return self.path / "output"

    @property
    def journal(self) -> Journal:
        """What it has logged."""
        return Journal(self.path / "log.jsonl", self.name)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one that runs.

        Raises
        ------
        ProjectError
            If another process is.
        SinkError
            If the file cannot be written.
        """
        made_folder(self.path)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self.pid_file, flags, 0o600)
        except OSError as error:
            raise SinkError(f"{self.pid_file}: cannot be written: {error.strerror}") from error
        try:
            if not _lock(descriptor):
                raise self.runs_already()
            owner = Owner(os.getpid(), started_at(os.getpid()) or 0.0)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(owner), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)  # lets go of the lock, as the end of the process would

    def runs_already(self) -> ProjectError:
        """Say that a second one may not start."""
        owner = self.owner()
        pid = f" (pid {owner.pid})" if owner else ""
        return ProjectError(f"{self.name}: runs already{pid}; stop it before you start it again")

    def owner(self) -> Owner | None:
        """Tell who runs; None if nobody does, whatever the file says.

        Raises
        ------
        ProjectError
            If somebody holds the file, but is not the process that it names.
        """
        for _ in range(TRIES):
            text = self._locked_text()
            if text is None:
                return None
            owner = _read_owner(text)
            if owner is not None:
                return owner
            time.sleep(PAUSE_SECONDS)  # about to be written, or about to end
        raise ProjectError(
            f"{self.pid_file}: is locked, but names no process that runs this; nothing is done"
        )

    def _locked_text(self) -> bytes | None:
        """Read the file if somebody holds its lock."""
        try:
            descriptor = os.open(self.pid_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None  # never run here; `held` says so if it may not be opened
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.pread(descriptor, 4096, 0)
        finally:
            os.close(descriptor)
        return None


def _read_owner(text: bytes) -> Owner | None:
    """Read who runs, if there is such a process, started then."""
    try:
        owner = msgspec.json.decode(text, type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    started = started_at(owner.pid)
    is_same = started is not None and abs(started - owner.started) <= CLOCK_SECONDS
    return owner if is_same else None


def _lock(descriptor: int) -> bool:
    """Take the lock; somebody who only looks has it for a moment."""
    for _ in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
        else:
            return True
    return False
