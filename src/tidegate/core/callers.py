"""Calling a function again and again in another process, or here where it cannot be sent."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from typing import Any

from tidegate.core.errors import WorkerError
from tidegate.core.sending import as_error
from tidegate.core.shared import Parcel, receive
from tidegate.core.workers import GRACE_S, Spawned, WorkerKind, is_ready, sendable
from tidegate.core.wrapping import name_of

__all__ = ["Caller", "make_callers", "pack"]


class _Server(Spawned):
    """A process that answers one call after another until nobody asks any more."""

    def run(self) -> None:
        """Answer calls."""
        function = self._load()
        if function is None:
            return
        while True:
            try:
                _, argument = receive(self._connection)
            except (EOFError, OSError):
                return
            answer = self._answer(function, argument)
            del argument
            try:
                answer.send(self._connection)
            except OSError:  # who asked has gone
                return
            answer.close()
            del answer

    @staticmethod
    def _answer(function: Callable[..., Any], argument: object) -> Parcel:
        """Call the function and pack what it gave or raised."""
        try:
            result = function(argument)
        except BaseException as error:
            sent = as_error(error)
            sent.add_note("".join(traceback.format_exception(error)).rstrip())
            return Parcel(sent, is_good=False)
        try:
            return Parcel(result)
        except Exception as error:
            said = f"the result, of type {type(result).__name__}, cannot be sent: {error!r}"
            return Parcel(WorkerError(f'{said}; use workers="thread"'), is_good=False)


class Caller:
    """Calls one function again and again, in a process of its own or on the caller's thread.

    Parameters
    ----------
    function : callable
        Takes one argument.
    workers : {"auto", "process", "thread"}
        As `start_workers`.

    Notes
    -----
    One call at a time. `close` in any case.
    """

    def __init__(self, function: Callable[[Any], Any], workers: WorkerKind) -> None:
        self._function = function
        self._workers = workers
        self._process: _Server | None = None
        self._is_ready = False
        payload = sendable(function, workers)
        if payload is not None:
            self._connection, theirs = get_context("spawn").Pipe()
            self._process = _Server(name_of(function), payload, theirs)
            try:
                self._process.start()
            except BaseException:
                self._connection.close()
                raise
            finally:
                theirs.close()

    def __call__(self, argument: object, parcel: Parcel | None = None) -> Any:
        """Call the function with an argument, which a parcel may hold already."""
        if self._process is not None and not self._is_ready:
            self._is_ready = is_ready(self._process, self._connection, self._workers)
            if not self._is_ready:
                self.close()
        if self._process is None:
            return self._function(argument)
        parcel = pack(argument, "the argument", self._workers) if parcel is None else parcel
        if parcel is None:
            return self._function(argument)
        try:
            parcel.send(self._connection)
            is_good, answer = receive(self._connection)
        except (EOFError, OSError):
            self._process.join(GRACE_S)
            raise WorkerError(
                f"worker {self._process.name!r} ended in the middle of its work, exit code "
                f"{self._process.exitcode}"
            ) from None
        if is_good:
            return answer
        raise answer

    def kill(self) -> None:
        """End the process at once; a call that waits for it fails."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """Let the process end, and wait for it; kill it where it takes its time."""
        process, self._process = self._process, None
        if process is None:
            return
        self._connection.close()
        process.join(GRACE_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def pack(thing: object, word: str, workers: WorkerKind) -> Parcel | None:
    """Pack something for processes; None where it cannot be sent and need not be.

    Raises
    ------
    WorkerError
        If ``workers="process"`` and it cannot be sent.
    """
    try:
        return Parcel(thing)
    except Exception as error:
        if workers != "process":
            return None
        said = f"{word}, of type {type(thing).__name__}, cannot be sent to a process: {error!r}"
        raise WorkerError(said) from error


def make_callers(functions: Sequence[Callable[[Any], Any]], workers: WorkerKind) -> list[Caller]:
    """Make a caller for each function, their processes starting at the same time; all or none."""
    callers: list[Caller] = []
    try:
        for function in functions:
            callers.append(Caller(function, workers))
    except BaseException:
        for caller in callers:
            caller.kill()
            caller.close()
        raise
    return callers
