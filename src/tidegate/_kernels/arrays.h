/* NumPy's array interface on the C side. */
#ifndef TIDEGATE_ARRAYS_H
#define TIDEGATE_ARRAYS_H

#include <stdint.h>

/* https://numpy.org/doc/stable/reference/arrays.interface.html */
typedef struct {
    int two; /* a check: it is 2 */
    int nd;
    char typekind;
    int itemsize; /* bytes */
    int flags;
    intptr_t *shape;
    intptr_t *strides;
    void *data;
    void *descr;
} tg_array_struct;

#endif
