"""A message type as a flat program: a field an operation, those of one message side by side.

Operations lie level by level, so that the fields of one message are neighbours, in the order of
their numbers. That is the order that they are written in, and the one that is expected of others.
"""

from libc.stdint cimport int16_t, int32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc

# What protoschema.py must number alike.
KINDS = {
    "DOUBLE": DOUBLE, "FLOAT": FLOAT, "INT64": INT64, "UINT64": UINT64, "INT32": INT32,
    "FIXED64": FIXED64, "FIXED32": FIXED32, "BOOL": BOOL, "STRING": STRING, "MESSAGE": MESSAGE,
    "BYTES": BYTES, "UINT32": UINT32, "ENUM": ENUM, "SFIXED32": SFIXED32, "SFIXED64": SFIXED64,
    "SINT32": SINT32, "SINT64": SINT64,
}
LABELS = {
    "IMPLICIT": IMPLICIT, "OPTIONAL": OPTIONAL, "REQUIRED": REQUIRED, "REPEATED": REPEATED,
    "PACKED": PACKED,
}


cdef class Program:
    """The operations of a message type; never changes.

    Parameters
    ----------
    ops : list of tuple (parent, number, kind, label, oneof, enum, is_entry)
        The root message, then the fields, level by level, those of one message side by side in the
        order of their numbers. `parent` is a place in the list (-1: the root), `oneof` a number
        from 0 (-1: none), `enum` a place in `enums` (-1: an open one, or none).
    enums : list of list of int
        The numbers of closed enums, sorted.
    """

    def __cinit__(self, list ops not None, list enums not None):
        cdef int i
        cdef Op* op
        self.n_ops = len(ops)
        self.ops = <Op*>calloc(self.n_ops + 1, sizeof(Op))
        self.numbers = <int32_t*>malloc(4 * (sum(map(len, enums)) + 1))
        if self.ops == NULL or self.numbers == NULL:
            raise MemoryError
        starts = self.keep_numbers(enums)
        for i, (parent, number, kind, label, oneof, enum, is_entry) in enumerate(ops):
            op = &self.ops[i]
            op.index, op.parent, op.number, op.kind = i, parent, number, kind
            op.label, op.oneof, op.is_entry = label, oneof, is_entry
            if i and not 0 <= parent < i or not i and parent != -1:
                raise ValueError("parents come first")
            self.n_oneofs = max(self.n_oneofs, op.oneof + 1)
            if enum >= 0:
                op.known = self.numbers + <int>starts[enum]
                op.n_known = len(enums[enum])
            set_tag(op)
            if i:
                self.adopt(op)
        for i in range(self.n_ops):
            self.order(&self.ops[i])

    def __dealloc__(self):
        cdef int i
        if self.ops != NULL:
            for i in range(self.n_ops):
                free(self.ops[i].low)
                free(self.ops[i].by_tag)
        free(self.ops)
        free(self.numbers)

    cdef list keep_numbers(self, list enums):
        """Put the numbers of all enums one behind the other; give where each begins."""
        cdef int at = 0
        starts = []
        for enum in enums:
            starts.append(at)
            for number in enum:
                self.numbers[at] = number
                at += 1
        return starts

    cdef int adopt(self, Op* op) except -1:
        """Make an operation the next field of its message."""
        cdef Op* message = &self.ops[op.parent]
        if message.kind != MESSAGE:
            raise ValueError("messages only have fields")
        if message.fields == NULL:
            message.fields = op
        elif op != message.fields + message.n_fields or op.number <= (op - 1).number:
            raise ValueError("fields lie side by side, by number")
        message.n_fields += 1
        return 0

    cdef int order(self, Op* message) except -1:
        """Make the tables that the fields of a message are found by."""
        cdef int i, n = message.n_fields
        if message.kind != MESSAGE:
            return 0
        message.by_tag = <Op**>calloc(N_SHORT_TAGS, sizeof(Op*))
        if message.by_tag == NULL:
            raise MemoryError
        if n == 0:
            return 0
        for i in range(n):
            if message.fields[i].tag < N_SHORT_TAGS:
                message.by_tag[message.fields[i].tag] = &message.fields[i]
        message.n_low = min(message.fields[n - 1].number + 1, <int>MOST_LOW)
        message.low = <int16_t*>malloc(message.n_low * sizeof(int16_t))
        if message.low == NULL:
            raise MemoryError
        for i in range(message.n_low):
            message.low[i] = -1
        for i in range(n):
            if message.fields[i].number < message.n_low:
                message.low[message.fields[i].number] = i
        return 0


cdef int form_of(int kind) noexcept:
    """Give how a value of a kind is read and written."""
    if kind == DOUBLE or kind == FIXED64 or kind == SFIXED64:
        return WORDS
    if kind == FLOAT or kind == FIXED32 or kind == SFIXED32:
        return HALVES
    if kind == STRING or kind == BYTES:
        return TEXTS
    if kind == MESSAGE:
        return MESSAGES
    if kind == INT64 or kind == UINT64:
        return LONGS
    if kind == SINT64:
        return ZIGZAG_LONGS
    if kind == SINT32:
        return ZIGZAG_INTS
    if kind == BOOL:
        return BOOLS
    return UNSIGNED_INTS if kind == UINT32 else INTS


cdef void set_tag(Op* op) noexcept:
    """Spell the tag of a field, and say how its values are read and written."""
    cdef uint64_t rest
    op.wire = wire_of(op.kind)
    op.form = form_of(op.kind)
    op.way = op.form
    if op.label >= REPEATED or op.oneof >= 0 or op.known != NULL:
        op.way = SPECIAL
    op.tag = <uint32_t>op.number << 3 | <uint32_t>(
        WIRE_LENGTH if op.label == PACKED else op.wire)
    rest = op.tag
    while True:
        op.tag_bytes |= (rest & 0x7f | (0x80 if rest > 0x7f else 0)) << 8 * op.n_tag_bytes
        op.n_tag_bytes += 1
        rest >>= 7
        if rest == 0:
            return
