"""Eight lanes of float64, and the few operations that C spells better; see lanes.h."""

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "lanes.h" nogil:
    ctypedef long long wide_t "tg_i128"  # 128 bits
    ctypedef double v8 "tg_v8"           # eight of them

    v8 splat "tg_splat"(double)
    v8 load "tg_load"(const double*)
    v8 load_part "tg_load_part"(const double*, int64_t, int64_t, double)
    void store8 "tg_store"(double*, v8)
    void add_halves "tg_add_halves"(
        const int64_t*, int64_t, int64_t, bint, int64_t*, int64_t*)
    void prefetch "tg_prefetch"(const void*)
    void prefetch_of "tg_prefetch_of"(const void*, bint)
    void prefetch_here "tg_prefetch_here"(const void*)
    v8 see_wild "tg_see_wild"(v8, v8)
    v8 see_odd "tg_see_odd"(v8, v8)
    bint seen "tg_seen"(v8)
    v8 least "tg_min"(v8, v8)
    v8 greatest "tg_max"(v8, v8)
    double least_of "tg_least_of"(v8)
    double greatest_of "tg_greatest_of"(v8)
    v8 fma8 "tg_fma8"(v8, v8, v8)
    void add8 "tg_add8"(v8*, v8*, v8)
    void add_both "tg_add_both"(double*, double*, double)
    void add_product8 "tg_add_product8"(v8*, v8*, v8, v8)
    void add_square8 "tg_add_square8"(v8*, v8*, v8, v8)
    v8 where_above "tg_where_above"(const int64_t*, int64_t, v8, v8)
    v8 collect8 "tg_collect8"(double**, int64_t)
    void spread8 "tg_spread8"(double**, int64_t, v8)
    void fold_lanes "tg_fold"(const double*, const double*, double*, double*)
    void load_pair "tg_load_pair"(const double*, int64_t, double, v8*, v8*)
    int64_t count_16 "tg_count_16"(const int64_t*, int64_t)
    bint all_tame "tg_all_tame"(const double*, int64_t)
    bint all_small "tg_all_small"(const uint64_t*, int64_t)
    bint all_rise "tg_all_rise"(const int64_t*, int64_t)

    void windows_of8 "tg_windows_of8"(const int64_t*, int64_t, double, int64_t, int64_t*)
    int64_t run_within "tg_run_within"(
        const int64_t*, int64_t, int64_t, int64_t, bint, int*)
    bint sub_overflows "tg_sub_overflows"(int64_t a, int64_t b, int64_t* out)
    bint add_overflows "tg_add_overflows"(int64_t a, int64_t b, int64_t* out)
    uint64_t slot_hash "tg_slot_hash"(int64_t pane, int32_t code)
    wide_t wide_of "tg_i128_of"(uint64_t, int64_t)
    uint64_t wide_lo "tg_i128_lo"(wide_t)
    int64_t wide_hi "tg_i128_hi"(wide_t)
