"""Schemas of Avro and values for them, as hypothesis draws them, and how fastavro gives values."""

import datetime
import decimal
import string

from hypothesis import strategies as st

UTC = datetime.UTC
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)

FLOATS = st.floats(allow_nan=False, width=32)
DOUBLES = st.floats(allow_nan=False)
INTS = st.integers(-(2**31), 2**31 - 1)
LONGS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=40)
DATES = st.dates()
MOMENTS = st.datetimes(timezones=st.just(UTC))

LEAVES = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", INTS),
    ("long", LONGS),
    ("float", FLOATS),
    ("double", DOUBLES),
    ("bytes", st.binary(max_size=40)),
    ("string", TEXTS),
    ({"type": "int", "logicalType": "date"}, DATES),
    ({"type": "string", "logicalType": "uuid"}, st.uuids()),
    (
        {"type": "int", "logicalType": "time-millis"},
        st.times().map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
    ),
    ({"type": "long", "logicalType": "time-micros"}, st.times()),
    (
        {"type": "long", "logicalType": "timestamp-millis"},
        MOMENTS.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)),
    ),
    ({"type": "long", "logicalType": "timestamp-micros"}, MOMENTS),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, st.datetimes()),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
        st.integers(-(10**12) + 1, 10**12 - 1).map(lambda n: decimal.Decimal(n).scaleb(-3)),
    ),
]


class Names:
    """Gives every named type of a schema a name of its own."""

    def __init__(self):
        self.n = 0

    def new(self, stem):
        self.n += 1
        return f"{stem}{self.n}"


@st.composite
def typed(draw, names, depth):
    """Draw a type and a strategy for its values."""
    kinds = ["leaf"] * 5 + ["enum", "fixed", "decimal"]
    kinds += ["record", "array", "map", "nullable", "union"] if depth else []
    kind = draw(st.sampled_from(kinds))
    if kind == "leaf":
        return draw(st.sampled_from(LEAVES))
    if kind == "enum":
        symbols = draw(
            st.lists(st.text(string.ascii_letters, min_size=1), min_size=1, max_size=5, unique=True)
        )
        made = {"type": "enum", "name": names.new("E"), "symbols": symbols}
        return made, st.sampled_from(symbols)
    if kind == "fixed":
        size = draw(st.integers(1, 20))
        made = {"type": "fixed", "name": names.new("F"), "size": size}
        return made, st.binary(min_size=size, max_size=size)
    if kind == "decimal":
        precision = draw(st.sampled_from([5, 38, 39, 70]))
        made = {"type": "fixed", "name": names.new("D"), "size": 32, "logicalType": "decimal",
                "precision": precision, "scale": 2}  # fmt: skip
        top = 10**precision - 1
        exact = decimal.Context(prec=100)
        return made, st.integers(-top, top).map(lambda n: exact.scaleb(decimal.Decimal(n), -2))
    if kind == "nullable":
        made, values = draw(typed(names, 0).filter(lambda drawn: drawn[0] != "null"))
        made = draw(st.permutations(["null", made]))
        return made, st.none() | values
    if kind == "union":
        parts = [("null", st.none()), ("boolean", st.booleans()), ("double", DOUBLES),
                 ("bytes", st.binary(max_size=9)), ("string", TEXTS)]  # fmt: skip
        made = draw(st.lists(st.sampled_from(parts), min_size=3, unique_by=lambda part: part[0]))
        return [part[0] for part in made], st.one_of([part[1] for part in made])
    if kind == "record":
        return draw(record(names, depth - 1))
    items, values = draw(typed(names, depth - 1))
    if kind == "array":
        return {"type": "array", "items": items}, st.lists(values, max_size=4)
    return {"type": "map", "values": items}, st.dictionaries(TEXTS, values, max_size=3)


@st.composite
def record(draw, names, depth):
    """Draw a record and a strategy for its values."""
    fields = draw(st.lists(typed(names, depth), min_size=1, max_size=5))
    listed = [{"name": f"f{i}", "type": one[0]} for i, one in enumerate(fields)]
    made = {"type": "record", "name": names.new("R"), "fields": listed}
    return made, st.fixed_dictionaries({f"f{i}": one[1] for i, one in enumerate(fields)})


@st.composite
def tables(draw):
    """Draw the schema of a record and some rows of it."""
    made, values = draw(record(Names(), 3))
    return made, draw(st.lists(values, max_size=12))


def plain(value, schema):
    """Give a value as fastavro would, of what Arrow gives: maps as dicts."""
    if isinstance(schema, list):
        branches = [one for one in schema if one != "null"]
        return value if value is None or len(branches) != 1 else plain(value, branches[0])
    if not isinstance(schema, dict):
        return value
    if schema["type"] == "map":
        return {key: plain(one, schema["values"]) for key, one in value}
    if schema["type"] == "array":
        return [plain(one, schema["items"]) for one in value]
    if schema["type"] == "record":
        return {
            field["name"]: plain(value[field["name"]], field["type"]) for field in schema["fields"]
        }
    return value
