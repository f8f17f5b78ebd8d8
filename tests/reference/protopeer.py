"""Protobuf messages by the package `protobuf`: any type, any value, and what a reader must see.

Message types are made by hypothesis, as descriptors; values as Python's own, so that nothing here
knows of columns.
"""

import math
from dataclasses import dataclass

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.internal.encoder import _VarintBytes
from hypothesis import strategies as st

FDP = descriptor_pb2.FieldDescriptorProto
SCALARS = [kind for kind in range(1, 19) if kind not in (FDP.TYPE_GROUP, FDP.TYPE_MESSAGE)]
NUMBERS = [kind for kind in SCALARS if kind not in (FDP.TYPE_STRING, FDP.TYPE_BYTES)]
KEYS = [
    kind
    for kind in SCALARS
    if kind not in (FDP.TYPE_DOUBLE, FDP.TYPE_FLOAT, FDP.TYPE_BYTES, FDP.TYPE_ENUM)
]
LABELS = {"one": FDP.LABEL_OPTIONAL, "many": FDP.LABEL_REPEATED, "needed": FDP.LABEL_REQUIRED}
COLOURS = {"RED": 0, "GREEN": 3, "BLUE": -2, "ALSO_GREEN": 3}


@dataclass
class Peer:
    """A message type, as the package has it."""

    descriptor_set: bytes
    message_class: type

    def delimited(self, messages):
        """Write messages, each behind its length."""
        return b"".join(
            _VarintBytes(len(one)) + one for one in (m.SerializeToString() for m in messages)
        )


def peer_of(file, name):
    """Load a file, and find its message."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindMessageTypeByName(name)
    content = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()
    return Peer(content, message_factory.GetMessageClass(descriptor))


def new_file(syntax="proto3"):
    """Begin a file with an enum in it."""
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax=syntax)
    enum = file.enum_type.add(name="Colour")
    enum.options.allow_alias = True
    for name, number in COLOURS.items():
        enum.value.add(name=name, number=number)
    return file


def add_field(message, name, number, kind, label="one", *, type_name=None, packed=None):
    """Add a field to a message."""
    field = message.field.add(name=name, number=number, type=kind, label=LABELS[label])
    if kind == FDP.TYPE_ENUM:
        field.type_name = ".t.Colour"
    if type_name is not None:
        field.type_name = type_name
    if packed is not None:
        field.options.packed = packed
    return field


def add_map(message, path, name, number, key, value, type_name=None):
    """Add a map to a message, whose full name is `path`."""
    entry = message.nested_type.add(name=f"{name.title()}Entry")
    entry.options.map_entry = True
    add_field(entry, "key", 1, key)
    add_field(entry, "value", 2, value, type_name=type_name)
    add_field(message, name, number, FDP.TYPE_MESSAGE, "many", type_name=f"{path}.{entry.name}")


def make_optional(message, field):
    """Let a field of proto3 say whether it is there, as ``optional`` does."""
    field.proto3_optional = True
    field.oneof_index = len(message.oneof_decl)
    message.oneof_decl.add(name=f"_{field.name}")


@st.composite
def message_types(draw):
    """Draw a message type of either syntax, with messages in it."""
    syntax = draw(st.sampled_from(["proto2", "proto3"]))
    file = new_file(syntax)
    _fill(draw, file.message_type.add(name="Root"), ".t.Root", syntax, depth=0)
    return peer_of(file, "t.Root")


def _fill(draw, message, path, syntax, depth):
    """Give a message some fields."""
    shapes = ["plain", "plain", "optional", "many", "packed", "map", "oneof"]
    shapes += ["message", "messages", "message map"] if depth < 2 else []
    shapes += ["needed"] if syntax == "proto2" else []
    numbers = draw(
        st.lists(
            st.one_of(st.integers(1, 18), st.sampled_from([2047, 2048, 536870911])),
            min_size=0 if depth else 1,
            max_size=6,
            unique=True,
        )
    )
    synthetic = []
    for number in numbers:
        name, shape = f"f{number}", draw(st.sampled_from(shapes))
        kind = draw(st.sampled_from(NUMBERS if shape == "packed" else SCALARS))
        inner = None
        if "message" in shape:
            kind, inner = FDP.TYPE_MESSAGE, f"{path}.M{number}"
            _fill(draw, message.nested_type.add(name=f"M{number}"), inner, syntax, depth + 1)
        if shape.endswith("map"):
            if kind == FDP.TYPE_ENUM:
                kind = FDP.TYPE_INT32  # proto2 enums begin at 0 in maps only
            add_map(message, path, name, number, draw(st.sampled_from(KEYS)), kind, inner)
        elif shape in ("many", "packed", "messages"):
            packed = draw(st.booleans()) if kind in NUMBERS else None
            add_field(message, name, number, kind, "many", type_name=inner, packed=packed)
        else:
            label = "needed" if shape == "needed" else "one"
            field = add_field(message, name, number, kind, label, type_name=inner)
            if shape == "oneof":
                if not message.oneof_decl:
                    message.oneof_decl.add(name="choice")
                field.oneof_index = 0
            elif shape == "optional" and syntax == "proto3":
                synthetic.append(field)
    for field in synthetic:  # theirs come last
        make_optional(message, field)


def _integers(bits, *, signed):
    """Draw integers, the borders of their varints among them."""
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    borders = [x for i in range(0, bits, 7) for x in ((1 << i) - 1, 1 << i) if x <= most]
    return st.one_of(st.integers(least, most), st.sampled_from([least, most, *borders]))


VALUES = {
    FDP.TYPE_DOUBLE: st.floats(),
    FDP.TYPE_FLOAT: st.floats(width=32),
    FDP.TYPE_BOOL: st.booleans(),
    FDP.TYPE_STRING: st.text(max_size=20),
    FDP.TYPE_BYTES: st.binary(max_size=40),
    FDP.TYPE_ENUM: st.sampled_from([0, 3, -2]),
}
for _kind in (FDP.TYPE_INT32, FDP.TYPE_SINT32, FDP.TYPE_SFIXED32):
    VALUES[_kind] = _integers(32, signed=True)
for _kind in (FDP.TYPE_INT64, FDP.TYPE_SINT64, FDP.TYPE_SFIXED64):
    VALUES[_kind] = _integers(64, signed=True)
for _kind in (FDP.TYPE_UINT32, FDP.TYPE_FIXED32):
    VALUES[_kind] = _integers(32, signed=False)
for _kind in (FDP.TYPE_UINT64, FDP.TYPE_FIXED64):
    VALUES[_kind] = _integers(64, signed=False)


def fill_message(draw, message):
    """Give a message drawn values."""
    chosen = set()
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and field.containing_oneof.name in chosen:
            continue
        if not field.is_required and draw(st.integers(0, 3)) == 0:
            continue
        if field.containing_oneof is not None:
            chosen.add(field.containing_oneof.name)
        _fill_field(draw, message, field)
    return message


def _fill_field(draw, message, field):
    """Set one field."""
    place = getattr(message, field.name)
    size = draw(st.integers(0, 4)) if field.is_repeated else 1
    if is_map(field):
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        for _ in range(size):
            at = draw(VALUES[key.type])
            if value.message_type is None:
                place[at] = draw(VALUES[value.type])
            else:
                fill_message(draw, place[at])
    elif field.message_type is not None:
        for _ in range(size):
            fill_message(draw, place.add() if field.is_repeated else place)
        if not field.is_repeated:
            place.SetInParent()
    elif field.is_repeated:
        place.extend([draw(VALUES[field.type]) for _ in range(size)])
    else:
        setattr(message, field.name, draw(VALUES[field.type]))


def is_map(field):
    """Say whether a field is a map."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def seen(message):
    """Give what a reader must see in a message."""
    return {field.name: _seen_field(message, field) for field in message.DESCRIPTOR.fields}


def _seen_field(message, field):
    """Give what a reader must see in a field."""
    place = getattr(message, field.name)
    if is_map(field):
        value = field.message_type.fields_by_name["value"]
        return sorted((key, _seen_value(value, place[key])) for key in place)
    if field.is_repeated:
        return [_seen_value(field, value) for value in place]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _seen_value(field, place)


def _seen_value(field, value):
    """Give what a reader must see of one value."""
    if field.type == FieldDescriptor.TYPE_ENUM:
        named = field.enum_type.values_by_number.get(value)
        return str(value) if named is None else named.name
    return value if field.message_type is None else seen(value)


def normal(value):
    """Let equal values be equal: maps sorted, NaN itself, zeros with their sign."""
    if isinstance(value, dict):
        return {name: normal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        inner = [normal(one) for one in value]
        is_map_list = bool(value) and type(value[0]) is tuple  # pairs, as `seen` gives a map
        return sorted(inner, key=lambda one: one[0]) if is_map_list else inner
    if isinstance(value, tuple):
        return tuple(map(normal, value))
    if isinstance(value, float):
        return ("nan",) if math.isnan(value) else (value, math.copysign(1, value))
    return value
