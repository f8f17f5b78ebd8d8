"""Memory of Arrow's pool."""

from cpython.object cimport PyObject
from libc.stdint cimport uintptr_t
from libc.stdlib cimport malloc

from tidegate._kernels.memory cimport grow

cdef extern from *:
    """
    #include <stddef.h>
    #include <stdint.h>
    #if defined(__linux__)
    #include <sys/mman.h>
    #endif

    #ifndef TG_LARGE_PAGE
    #define TG_LARGE_PAGE ((uintptr_t)2 << 20)
    #define TG_SMALL_PAGE ((uintptr_t)4 << 10)

    /* Get the small pages that lie whole in memory all at once, not at a fault each. */
    static inline void tg_get_small_pages(uintptr_t begin, uintptr_t end)
    {
    #if defined(__linux__) && defined(MADV_POPULATE_WRITE)
        begin = (begin + TG_SMALL_PAGE - 1) / TG_SMALL_PAGE * TG_SMALL_PAGE;
        end = end / TG_SMALL_PAGE * TG_SMALL_PAGE;
        if (begin < end)
            madvise((void *)begin, end - begin, MADV_POPULATE_WRITE); /* old ones do not know it */
    #else
        (void)begin, (void)end;
    #endif
    }

    /* Ask for large pages for what lies whole in memory that nobody has written to yet. */
    static inline void tg_ask_for_large_pages(void *at, size_t size)
    {
    #if defined(__linux__) && defined(MADV_HUGEPAGE)
        uintptr_t begin = ((uintptr_t)at + TG_LARGE_PAGE - 1) / TG_LARGE_PAGE * TG_LARGE_PAGE;
        uintptr_t end = ((uintptr_t)at + size) / TG_LARGE_PAGE * TG_LARGE_PAGE;
        if (begin < end) {
            madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* a wish: it may be refused */
            tg_get_small_pages((uintptr_t)at, begin);
            tg_get_small_pages(end, (uintptr_t)at + size);
        }
    #else
        (void)at, (void)size;
    #endif
    }

    /* Ask for them for all of it, used or not: a mapping that is of one kind can be moved. */
    static inline void tg_have_large_pages(void *at, size_t size)
    {
    #if defined(__linux__) && defined(MADV_HUGEPAGE)
        uintptr_t begin = (uintptr_t)at / TG_SMALL_PAGE * TG_SMALL_PAGE;
        uintptr_t end = ((uintptr_t)at + size + TG_SMALL_PAGE - 1) / TG_SMALL_PAGE * TG_SMALL_PAGE;
        madvise((void *)begin, end - begin, MADV_HUGEPAGE); /* a wish: it may be refused */
    #else
        (void)at, (void)size;
    #endif
    }
    #endif
    """
    void have_large_pages "tg_have_large_pages"(void*, size_t) nogil
    void ask_for_large_pages "tg_ask_for_large_pages"(void*, size_t) nogil

cdef enum:
    MUCH = 4 << 20  # bytes: large pages are worth it


cdef inline void* large_malloc(size_t size) noexcept nogil:
    """Get memory for a while, of large pages where it is much; NULL where there is none."""
    cdef void* at = malloc(size)
    if at != NULL and size >= MUCH:
        ask_for_large_pages(at, size)
    return at


cdef inline bint large_grow(void** at, size_t size) noexcept nogil:
    """Give memory another size, and large pages where it is much; False where there is none."""
    if not grow(at, size):
        return False
    if size >= MUCH:
        have_large_pages(at[0], size)
    return True


cdef struct Block:
    void* at
    PyObject* owner    # the pyarrow.Buffer; NULL: no memory
    Py_ssize_t size


cdef bint block_grow(Block* block, Py_ssize_t used, Py_ssize_t size) noexcept nogil
cdef void block_free(Block* block) noexcept
cdef object block_take(Block* block, Py_ssize_t size)
