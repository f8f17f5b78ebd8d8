"""Write the first inputs of the fuzzer: valid ones, small, of every kind.

python seeds.py CORPUS
"""

import json
import sys
from pathlib import Path

import pyarrow as pa
from targets import EVERY, LISTS, PROTOBUF, SMALL

import tidegate as tg
from tidegate.core.formats.avro import Avro

SYNC = bytes(16)


def every_row() -> bytes:
    """Give a row of every type of Avro."""
    return b"".join(
        [
            b"\1", b"\x09", b"\2\x80\x01", b"\0\0\x80\x3f", b"\0" + bytes(8), b"\4ab",
            b"\6x\xc3\xa9", b"\2", b"abc", b"\2\x07", bytes(20),
            b"\x4800000000-0000-0000-0000-000000000001",
            b"\1\0\0\0\2\0\0\0\3\0\0\0", b"\4\4hi", b"\4\0\2" + bytes(8) + b"\0",
            b"\2" + bytes(8) + b"\2\2t\3\0", b"\2\2k\4\0\0", b"\2\0\0\0\0\2\2q\x0a\0",
        ]
    )  # fmt: skip


def seeds():
    """Give (target, name, bytes)."""
    every = every_row()
    yield "avro_rows", "every", b"\0\1" + every
    yield "avro_rows", "two", b"\0\2" + every + every
    yield "avro_rows", "skipped", b"\3\1" + every
    yield "avro_rows", "small", b"\1\3" + b"\2\2a\0" + b"\4\0\2\5" + b"\6\2b\4\2z"
    yield "avro_rows", "resolved", b"\2\2" + b"\4\2c\4\2z" + b"\6\2b\0"
    yield "avro_rows", "lists", b"\4\1" + b"\2\2\2k\4\2a\2b\0\0\0"
    yield "avro_rows", "sized", b"\4\1" + b"\1\x12\1\x0c\2k\2\2a\0\0\0"
    table = Avro().loads_datums([every, every], writer=EVERY)
    small = Avro().loads_datums([b"\2\2a\0", b"\6\2b\4\2z"], writer=SMALL)
    lists = Avro().loads_datums([b"\2\2\2k\4\2a\2b\0\0\0"], writer=LISTS)
    for name, rows in (("every", table), ("small", small)):
        for codec in ("null", "deflate", "snappy", "zstandard", "bzip2", "xz"):
            yield "avro_file", f"{name}-{codec}", Avro(codec=codec).dumps(rows, sync=SYNC)
    yield "avro_file", "lists", Avro(schema=LISTS).dumps(lists, sync=SYNC)
    rows = [
        {"i": 5, "u": 7, "b": True, "d": 0.5, "s": "x", "by": b"y", "packed": [1, 300],
         "texts": ["a", "b"], "m": [("k", 1.0)], "in": {"x": 1.0, "y": [1, 2]}},
        {"u": 0, "s": ""},
    ]  # fmt: skip
    messages = pa.Table.from_pylist(rows, schema=PROTOBUF.schema)
    for column in messages.column_names:
        if pa.types.is_list(messages[column].type) or pa.types.is_map(messages[column].type):
            messages = messages.slice(0, 1)
    yield "protobuf", "stream", PROTOBUF.dumps(messages)
    yield "protobuf_blocks", "many", PROTOBUF.dumps(pa.concat_tables([messages] * 9))
    yield "protobuf", "message", b"\0" + PROTOBUF.dumps_message(messages)
    line = {"n": 1, "x": 0.5, "s": "é", "at": "2024-01-01T00:00:00", "l": [{"p": 1}, None]}
    text = json.dumps(line).encode()
    yield "json", "guessed", b"A" + text + b"\n" + text
    yield "json", "given", b"b" + text + b"\n" + text + b"\n"
    live = tg.Aggregator(tg.Tumbling(1000), on="ts", by="k", top=tg.agg.max("p"))
    live.push({"ts": [1, 2000, 2500], "k": ["a", "b", "a"], "p": [1.0, 2.0, 3.0]})
    yield "snapshot", "tumbling", live.snapshot()
    live = tg.Aggregator(
        tg.Sliding(3000, 1000), on="ts", mean=tg.agg.mean("p"), n=tg.agg.count("p")
    )
    live.push({"ts": [1, 2000, 2500], "p": [1.0, 2.0, 3.0]})
    yield "snapshot", "sliding", live.snapshot()


def main() -> None:
    """Write all of them."""
    for target, name, content in seeds():
        folder = Path(sys.argv[1], target)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
