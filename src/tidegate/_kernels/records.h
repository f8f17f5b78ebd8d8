/* The structures that the kernels share; records.pxd tells what they mean. */
#ifndef TIDEGATE_RECORDS_H
#define TIDEGATE_RECORDS_H

#include <Python.h>
#include <stdint.h>

#define TG_LANES 8
#define TG_MOST_ROWS ((int64_t)1 << 62)  /* in one record: a forged count must not overflow */
#define TG_TAME 0x1p480   /* below it squares and sums of any number of rows stay finite */
#define TG_DOWN 0x1p-544  /* the scale that wild values are kept at */

typedef union { double f; int64_t i; uint64_t u; void *p; } tg_word;

typedef struct {
    int failed;
    int64_t n;
    tg_word *scratch;
    Py_ssize_t room;
    tg_word *lists;
    Py_ssize_t n_lists;
    Py_ssize_t cap_lists;
} tg_kept;

typedef struct {
    const int64_t *offsets;
    const uint8_t *content;
    int is_number;
} tg_texts;

typedef struct {
    int kind;
    int column;
    int weight;
    int wide;
    int rare;
    int narrow;
    int nulls;
    int sum;
    int numeric;
    int numeric_x;
    tg_kept *kept;
    const tg_texts *texts;
    const int64_t *first_row;
} tg_acc;

typedef struct {
    const void *values;
    const uint8_t *valid;
    int numeric;
    int skip_nan;
    double *floats;
    tg_texts texts;
} tg_column;

typedef struct {
    int32_t begin;
    int32_t end;
    int32_t slot;
    int32_t lane;
    int32_t ordered;
    int32_t near;
} tg_run;

typedef struct {
    int n_accs;
    int lanes;
    int wide;
    int cold;
    int narrow;
    int keeps;
    tg_acc *accs;
    tg_word *blank;
    tg_word *blank_cold;
    int *targets;
    int numbered;
    int64_t first_row;
    const int32_t *rows;
} tg_plan;

typedef struct {
    tg_word *records;
    tg_word *colds;
    int64_t wide;
    int64_t cold;
} tg_arena;

typedef struct {
    int op;
    int acc;
    int numeric;
    int ddof;
    int other;
    int how;
    double by;
} tg_output;

/* Where a record has what is kept of one float column. */
typedef struct {
    int counts;
    Py_ssize_t sum;
    Py_ssize_t squares;
    Py_ssize_t least;
    Py_ssize_t greatest;
    Py_ssize_t span;
    int64_t first_row;
    const int32_t *rows;
} tg_places;

/* Windows as slices of the rows of one block. */
typedef struct {
    const tg_word *x;
    const tg_word *y;
    int64_t bias;
    const int64_t *times;
    const tg_run *runs;
    Py_ssize_t n;
    Py_ssize_t room;
} tg_slices;

#endif
