"""From times to panes: which rows go where, and which are left out."""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint32_t, uint64_t

from tidegate._kernels.clock cimport Clock
from tidegate._kernels.deal cimport Dealer
from tidegate._kernels.grid cimport Grid, Pane, float_of_order, order_of_float
from tidegate._kernels.lanes cimport add_overflows
from tidegate._kernels.lives cimport Lives
from tidegate._kernels.origins cimport Origins
from tidegate._kernels.records cimport Column, Plan, Run
from tidegate._kernels.stamps cimport Stamps
from tidegate._kernels.store cimport Store


cdef enum Reason:
    IS_LATE
    NULL_TIME
    NAN_TIME
    NO_PLACE    # a window of the row can't be written in the type of the times
    FAR_AHEAD   # its time is further ahead than it may be


cdef enum Passing:   # rows outside of [share_first, share_last] that are seen, and no more
    REFUSES_ALL
    PASSES_EARLIER
    PASSES_LATER


cdef struct Left:
    int64_t row          # in the batch
    int64_t pane         # of a late row
    int64_t watermark    # when it came
    int32_t reason


cdef struct LeftRows:
    Left* rows
    Py_ssize_t n
    Py_ssize_t capacity


cdef struct Part:
    int32_t number       # of n
    int32_t n            # below 2: all keys
    int32_t shift        # 2**shift codes that follow each other are in one part
    int32_t* rows        # those of a block that are taken, counted from its first


cdef inline bint is_in_part(const Part* part, int32_t code) noexcept nogil:
    """Whether a key code is in a part; groups of codes that follow each other lie apart."""
    cdef uint32_t group = <uint32_t>code >> part.shift
    return (<uint64_t>(group * <uint32_t>2654435769) * <uint64_t>part.n) >> 32 == (
        <uint64_t>part.number)


cdef struct Router:
    Grid grid
    Clock clock
    Pane pane            # where the last row was
    bint has_pane
    int32_t place        # of that pane in the store, -1: not open
    int64_t closed_to    # all windows that end up to here have been closed
    int64_t share_first  # rows outside [share_first, share_last] are somebody else's
    int64_t share_last
    int passes           # which of these are only seen: some `Passing`
    Part part            # the keys that are taken; the others' rows are only seen
    int64_t used
    int64_t falls        # runs that began before the largest time: rows of a window apart
    bint takes_wholes    # windows that are whole within a block go to `wholes`
    int64_t whole_to     # end of the last of them
    bint near            # of the runs of this batch
    bint has_nat         # among its times INT64_MIN may stand for none; see `take_nat`
    bint allows          # closed windows are held, for rows that correct them
    int64_t allowed      # how much longer, for int times
    double allowed_f     # and for float times
    Origins origins
    Lives lives
    Stamps stamps        # the revisions of results; where it allows only


cdef inline int64_t held_to(const Router* router, int64_t end) noexcept nogil:
    """How far the watermark comes before a window is forgotten."""
    cdef int64_t out
    if not router.allows:
        return end
    if router.grid.is_float:
        return order_of_float(float_of_order(end) + router.allowed_f)
    return INT64_MAX if add_overflows(end, router.allowed, &out) else out


cdef inline bint corrects_after(const Router* router, int64_t watermark) noexcept nogil:
    """Whether a row of the pane where the router is belongs to a window that came out already."""
    return (router.allows and router.pane.opens_at <= watermark and watermark != INT64_MIN
            and router.pane.covered)


cdef inline bint corrects(const Router* router) noexcept nogil:
    """The same, for the watermark of the stream."""
    return corrects_after(router, router.clock.watermark)


cdef inline int32_t reason_of(uint8_t flag) noexcept nogil:
    """Why a row without a time of use is left out."""
    if flag == 3:
        return FAR_AHEAD
    return NULL_TIME if flag == 0 else NAN_TIME


cdef inline void take_nat(Router* router, bint has_nat) noexcept nogil:
    """Say whether the lowest time is none; no pane has it then, so that no run goes on over it."""
    router.has_nat = has_nat
    if router.has_pane and router.pane.first <= INT64_MIN + 1:
        router.has_pane = False
        router.place = -1


cdef struct Offer:     # to deal long runs
    Dealer* dealer
    const Plan* plan
    const Column* columns
    int n_columns
    bint takes_wholes    # a window that is whole within a block may go without records
    Py_ssize_t n_whole   # the rows of such a one that the block begins with; none is taken
    int64_t largest      # of their times


cdef int leave(
    LeftRows* left, int64_t row, int32_t reason, int64_t pane, int64_t watermark
) noexcept nogil

cdef int enter_dry(
    Router* router, LeftRows* left, const int64_t* times, const uint8_t* valid, Py_ssize_t row
) noexcept nogil

cdef int route_runs(
    Router* router, Store* store, LeftRows* left, const int64_t* times, const uint8_t* valid,
    Py_ssize_t base, Py_ssize_t n_rows, Run* runs, Py_ssize_t* n_runs, Run* wholes,
    int64_t* windows, Py_ssize_t* n_wholes, Py_ssize_t* n_taken, bint goes_on,
) noexcept nogil

cdef int route_rows(
    Router* router, Store* store, LeftRows* left, const int64_t* times, const uint8_t* valid,
    const int32_t* codes, Py_ssize_t base, Py_ssize_t n_rows, int32_t* slots,
    Py_ssize_t* n_taken, Py_ssize_t* n_seated, Offer* offer,
) noexcept nogil
