"""Workers: one function each, in a spawned process where it can be sent to one, else on a thread.

Both kinds are a `multiprocessing.Process` to whoever holds one.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, TypeAlias

from tidegate.core.errors import ColumnTypeError, InputError, WorkerError
from tidegate.core.sending import can_spawn, load_function, payload_of
from tidegate.core.shared import receive, send
from tidegate.core.wrapping import name_of

__all__ = [
    "GRACE_S",
    "ProcessWorker",
    "Spawned",
    "ThreadWorker",
    "WorkerKind",
    "is_ready",
    "sendable",
    "start_workers",
]

WorkerKind: TypeAlias = Literal["auto", "process", "thread"]
GRACE_S = 1.0
_LOG = logging.getLogger("tidegate")


# --------------------------------------------------------------------------------------- processes


class Spawned(multiprocessing.Process):
    """A process that is spawned whatever the default is, and ends with the one above it."""

    _start_method = "spawn"

    def __init__(self, name: str, payload: bytes, connection: Connection[Any, Any]) -> None:
        super().__init__(name=name, daemon=True)
        self._payload = payload
        self._connection = connection

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802  # what multiprocessing calls
        return get_context("spawn").Process._Popen(process_obj)

    def _load(self) -> Callable[..., Any] | None:
        """Find the function and say above whether it is there; begin to watch over the end."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process above
        threading.Thread(target=_end_with_parent, daemon=True).start()
        try:
            function = load_function(self._payload)
        except WorkerError as error:
            send(self._connection, str(error))
            return None
        send(self._connection, None)
        return function


def _end_with_parent() -> None:
    """End this process when the one above it has, however it did."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


class ProcessWorker(Spawned):
    """A function in a process of its own."""

    def __init__(
        self,
        name: str,
        payload: bytes,
        connection: Connection[Any, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(name, payload, connection)
        self._arguments = args, kwargs

    def run(self) -> None:
        """Call the function."""
        function = self._load()
        self._connection.close()
        if function is not None:
            args, kwargs = self._arguments
            function(*args, **kwargs)


# ----------------------------------------------------------------------------------------- threads


class ThreadWorker(multiprocessing.Process):
    """A function on a thread, with the interface of a process.

    Notes
    -----
    `terminate` raises SystemExit in the thread, which takes effect when it runs Python code next; a
    `join` after it waits a second at most. The thread does not keep the interpreter from ending.
    """

    def __init__(
        self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._call = function, args, kwargs
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)
        self._exit: int | None = None
        self._is_terminated = False

    def run(self) -> None:
        """Call the function; what it raises is logged and ends up in `exitcode`."""
        function, args, kwargs = self._call
        try:
            function(*args, **kwargs)
            self._exit = 0
        except SystemExit as stop:
            self._exit = -signal.SIGTERM if self._is_terminated else _status_of(stop)
        except BaseException:
            self._exit = 1
            _LOG.exception("worker %s failed", self.name)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def terminate(self) -> None:
        """Ask the thread to end."""
        self._is_terminated = True
        if self._thread.is_alive() and self._thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread.ident), ctypes.py_object(SystemExit)
            )

    kill = terminate

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end."""
        if timeout is None and self._is_terminated:
            timeout = GRACE_S
        self._thread.join(timeout)

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Have nothing to let go of."""

    @property
    def exitcode(self) -> int | None:
        """0 after a return, 1 after an error, -15 after `terminate`; None while it runs."""
        return None if self._thread.is_alive() else self._exit

    @property
    def pid(self) -> int | None:
        """The process that the thread is in; None before `start`."""
        return os.getpid() if self._thread.ident is not None else None

    ident = pid


def _status_of(stop: SystemExit) -> int:
    """Give the exit status that a SystemExit asks for."""
    if stop.code is None:
        return 0
    return stop.code if isinstance(stop.code, int) else 1


# ---------------------------------------------------------------------------------- start and call


def start_workers(
    calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]],
    *,
    workers: WorkerKind = "auto",
) -> list[multiprocessing.Process]:
    """Start functions, each in a worker of its own, all at the same time.

    Parameters
    ----------
    calls : sequence of (callable, tuple, dict)
        Functions with their arguments.
    workers : {"auto", "process", "thread"}, default "auto"
        Processes for what can be sent to one and threads for the rest, or all of one kind.

    Returns
    -------
    list of multiprocessing.Process
        In the same order; each has ``join()``, ``terminate()``, ``is_alive()``. When this returns
        each of them has its function at hand and is running it, or is through.

    Raises
    ------
    WorkerError
        If ``workers="process"`` and a function cannot be sent.

    Notes
    -----
    A process takes some 0.3 s to begin. All end with this process, whatever ended it.

    Examples
    --------
    >>> seen = []
    >>> [worker] = start_workers([(seen.append, (1,), {})], workers="thread")
    >>> worker.join()
    >>> seen, worker.exitcode
    ([1], 0)
    """
    payloads = [sendable(function, workers) for function, _, _ in calls]
    started: list[tuple[multiprocessing.Process, Connection[Any, Any] | None]] = []
    done: list[multiprocessing.Process] = []
    try:
        for (function, args, kwargs), payload in zip(calls, payloads, strict=True):
            started.append(_started(function, args, kwargs, payload, workers))
        for (process, connection), (function, args, kwargs) in zip(started, calls, strict=True):
            if connection is None or is_ready(process, connection, workers):
                done.append(process)
            else:
                process.join()
                done.append(_on_thread(function, args, kwargs))
    except BaseException:
        for process, _ in started:
            process.terminate()
            process.join()
        raise
    finally:
        for _, connection in started:
            if connection is not None:
                connection.close()
    return done


def sendable(function: Callable[..., Any], workers: WorkerKind) -> bytes | None:
    """Pack a function that is to run in a process; None where it is to run on a thread."""
    if workers not in ("auto", "process", "thread"):
        raise InputError(f'workers is {workers!r}: give "auto", "process" or "thread"')
    if not callable(function):
        raise ColumnTypeError(f"a worker runs a function, not {function!r}")
    payload = payload_of(function) if workers != "thread" and can_spawn() else None
    if payload is None and workers == "process":
        raise WorkerError(
            f"{function!r} cannot be sent to a process: it must be found by name in a module, and "
            f'the main script must keep its work under if __name__ == "__main__"'
        )
    return payload


def _on_thread(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> ThreadWorker:
    """Start a function on a thread."""
    worker = ThreadWorker(name_of(function), function, args, kwargs)
    worker.start()
    return worker


def _started(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    payload: bytes | None,
    workers: WorkerKind,
) -> tuple[multiprocessing.Process, Connection[Any, Any] | None]:
    """Start a worker; with the connection on which a process says that it is ready."""
    if payload is None:
        return _on_thread(function, args, kwargs), None
    ours, theirs = get_context("spawn").Pipe()
    worker = ProcessWorker(name_of(function), payload, theirs, args, kwargs)
    try:
        worker.start()
    except (pickle.PicklingError, AttributeError, TypeError) as error:  # before it was started
        ours.close()
        if workers == "process":
            raise WorkerError(
                f"the arguments of {function!r} cannot be sent to a process: {error!r}"
            ) from error
        return _on_thread(function, args, kwargs), None
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return worker, ours


def is_ready(
    process: multiprocessing.Process, connection: Connection[Any, Any], workers: WorkerKind
) -> bool:
    """Wait until a process has its function; False where it cannot get it."""
    try:
        _, trouble = receive(connection)
    except (EOFError, OSError):
        process.join(GRACE_S)
        raise WorkerError(
            f"worker {process.name!r} ended before it began, exit code {process.exitcode}"
        ) from None
    if trouble is not None and workers == "process":
        raise WorkerError(f"worker {process.name!r}: {trouble}")
    return trouble is None
