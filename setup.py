"""The extension table of tidegate; everything else about the build is in pyproject.toml."""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = Path("src/tidegate/_kernels")
SHARED = "tidegate._kernels._shared"  # one copy of Cython's utility code for all kernels
DEBUG = os.environ.get("TIDEGATE_DEBUG") == "1"
SANITIZE = os.environ.get("TIDEGATE_SANITIZE") == "1"  # tests/sanitize.sh

# Where processes are begun anew rather than forked, they would run this file again.
N_WORKERS = os.cpu_count() if sys.platform == "linux" else 0

# No contraction: a fused multiply-add on one CPU and not on another would break the one answer.
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-Wno-psabi"]
CHECKED = ["-O1", "-g", "-ffp-contract=off", "-DTIDEGATE_DEBUG=1"]
# Python's own flags hold -fwrapv, under which no signed overflow is an error.
SANITIZED = ["-fno-wrapv", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]

DIRECTIVES = {
    "language_level": 3,
    "binding": False,
    "embedsignature": True,
    "cdivision": True,
    "freethreading_compatible": False,
    "boundscheck": DEBUG,
    "wraparound": DEBUG,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "overflowcheck": False,  # it cuts 128-bit integers to 64; the sanitizers see what it would
}


def kernel(name: str, source: str) -> Extension:
    """Describe one extension module."""
    flags = CHECKED if DEBUG or SANITIZE else FLAGS
    return Extension(
        name,
        [source],
        depends=[str(path) for path in KERNELS.glob("*.h")],
        include_dirs=[str(KERNELS)],
        extra_compile_args=flags + (SANITIZED if SANITIZE else []),
        extra_link_args=["-fsanitize=address,undefined"] if SANITIZE else [],
    )


sources = sorted(KERNELS.glob("*.pyx"))
setup(
    ext_modules=cythonize(
        [kernel(f"tidegate._kernels.{path.stem}", str(path)) for path in sources]
        + [kernel(SHARED, str(KERNELS / "_shared.c"))],
        build_dir="build/cython-debug" if DEBUG else "build/cython",
        nthreads=N_WORKERS,
        cache="CYTHON_CACHE_DIR" in os.environ,  # builds of the same files share what is made
        compiler_directives=DIRECTIVES,
        shared_utility_qualified_name=SHARED,
        include_path=["src"],
    ),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
