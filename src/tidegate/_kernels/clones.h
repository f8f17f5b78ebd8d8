/* Versions of a kernel for newer CPUs, of which the best one is picked at load. */
#ifndef TIDEGATE_CLONES_H
#define TIDEGATE_CLONES_H

#if defined(__linux__)
#include <features.h> /* tells whether this is glibc */
#endif

/* GCC 11 does not know the levels of x86-64 by their names. */
#if !defined(__x86_64__) || !defined(__GLIBC__) || defined(TIDEGATE_DEBUG)
#define TG_CLONES
#elif defined(__clang__) || __GNUC__ >= 12
#define TG_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define TG_CLONES __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#endif

#endif
