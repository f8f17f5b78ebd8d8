"""Things for another process: Arrow tables and large arrays in shared memory, the rest pickled.

The memory has no name: its descriptor goes over the socket between the two processes, and the
system frees it when the last of them has let go, however it ended. Who receives maps it, without a
copy, privately: what one writes, the other does not see.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

import pyarrow as pa

__all__ = ["Parcel", "receive", "send"]

MIN_SHARED = 65_536  # bytes; what is smaller costs less in the pickle
ALIGNMENT = 64


class Parcel:
    """Something packed once, to be sent to any number of processes.

    Parameters
    ----------
    thing : object
        A `pyarrow.Table` or `pyarrow.RecordBatch`, whose buffers are written to shared memory as
        Arrow IPC; anything else is pickled, with large buffers (of NumPy arrays, say) apart.
    is_good : bool, default True
        A flag that goes with it.

    Raises
    ------
    Exception
        As `pickle` does, if it cannot be pickled.

    Notes
    -----
    One copy when it is packed, none when it is received.
    """

    def __init__(self, thing: object, is_good: bool = True) -> None:
        self._memory: int | None = None
        self._is_good = is_good
        if isinstance(thing, pa.Table | pa.RecordBatch):
            self._header = self._pack_arrow(thing)
        else:
            self._header = self._pack_any(thing)

    def _pack_arrow(self, rows: pa.Table | pa.RecordBatch) -> bytes:
        """Write a table as an IPC stream into new memory."""
        counter = pa.MockOutputStream()
        _write_stream(counter, rows)
        size = counter.size()
        self._memory = _new_memory(size)
        with mmap.mmap(self._memory, size) as mapped:
            writer = pa.FixedSizeBufferWriter(pa.py_buffer(mapped))
            _write_stream(writer, rows)
            writer.close()
            del writer
        return _header(self._is_good, isinstance(rows, pa.Table), [size])

    def _pack_any(self, thing: object) -> bytes:
        """Pickle; large buffers go into new memory, one behind the other."""
        apart: list[pickle.PickleBuffer] = []

        def keep(buffer: pickle.PickleBuffer) -> bool:
            is_small = buffer.raw().nbytes < MIN_SHARED
            if not is_small:
                apart.append(buffer)
            return is_small

        pickled = pickle.dumps(thing, protocol=5, buffer_callback=keep)
        views = [buffer.raw() for buffer in apart]
        sizes = [view.nbytes for view in views]
        if sizes:
            starts, size = _layout(sizes)
            self._memory = _new_memory(size)
            with mmap.mmap(self._memory, size) as mapped:
                for start, view in zip(starts, views, strict=True):
                    mapped[start : start + view.nbytes] = view
        return _header(self._is_good, None, sizes) + pickled

    def send(self, connection: Connection[Any, Any]) -> None:
        """Send it; any number of times."""
        connection.send_bytes(self._header)
        if self._memory is not None:
            send_handle(connection, self._memory, None)

    def close(self) -> None:
        """Let go of the memory; those who have received it keep it."""
        memory, self._memory = self._memory, None
        if memory is not None:
            os.close(memory)

    def __del__(self) -> None:
        self.close()


def _write_stream(sink: Any, rows: pa.Table | pa.RecordBatch) -> None:
    """Write rows as an IPC stream."""
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write(rows)


def _layout(sizes: list[int]) -> tuple[list[int], int]:
    """Place buffers one behind the other, aligned."""
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return starts, end


def _new_memory(size: int) -> int:
    """Make memory without a name, and give its descriptor."""
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("tidegate")
    else:
        with tempfile.TemporaryFile() as file:  # no name either
            memory = os.dup(file.fileno())
    os.ftruncate(memory, size)
    return memory


def _header(is_good: bool, is_table: bool | None, sizes: list[int]) -> bytes:
    """Write what stands before the pickle; None: neither a table nor a batch."""
    return pickle.dumps((is_good, is_table, sizes))


def send(connection: Connection[Any, Any], thing: object) -> None:
    """Pack and send."""
    parcel = Parcel(thing)
    try:
        parcel.send(connection)
    finally:
        parcel.close()


def receive(connection: Connection[Any, Any]) -> tuple[bool, Any]:
    """Receive what a parcel has sent: its flag and the thing.

    Raises
    ------
    EOFError, OSError
        If the other process has gone.
    """
    message = connection.recv_bytes()
    # Both ends are ours: one process has started the other and made the socket between them.
    head = pickle.loads(message)  # noqa: S301  # stops where the header ends
    is_good, is_table, sizes = head
    view = memoryview(b"")
    if sizes:
        memory = recv_handle(connection)
        try:
            size = _layout(sizes)[1] if is_table is None else sizes[0]
            view = memoryview(mmap.mmap(memory, size, access=mmap.ACCESS_COPY))
        finally:
            os.close(memory)
    if is_table is None:
        starts, _ = _layout(sizes)
        buffers = [view[at : at + size] for at, size in zip(starts, sizes, strict=True)]
        pickled = memoryview(message)[len(_header(*head)) :]
        return is_good, pickle.loads(pickled, buffers=buffers)  # noqa: S301
    reader = pa.ipc.open_stream(pa.py_buffer(view))
    return is_good, reader.read_all() if is_table else reader.read_next_batch()
