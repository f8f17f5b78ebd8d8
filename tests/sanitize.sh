#!/usr/bin/env bash
# The kernels' tests under AddressSanitizer and UBSan, without Python's -fwrapv, so that a signed
# overflow is an error too. Needs GCC and the `test` extra; builds on a copy in a temporary folder.
#
#     tests/sanitize.sh [TEST…]          # PYTHON=… names the interpreter; by default python3
#
# Arrow and Python take their memory from malloc here, where the sanitizer watches every byte.
set -euo pipefail

cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if [ $# -eq 0 ]; then
    set -- tests/unit/kernels tests/integration/test_blocks.py tests/unit/core/test_engine.py \
        tests/unit/core/test_aggregations.py tests/unit/core/test_agg_*.py \
        tests/unit/core/lookbacks/test_rolling*.py tests/unit/core/joins/test_asof*.py tests/unit/core/test_snapshot.py \
        tests/unit/core/test_{rowwindows,row_clocks}.py tests/integration/test_row_windows.py \
        tests/unit/core/test_{texts,decimals,ranges,rowranges,rowspans,tracing,records,many_records}.py \
        tests/unit/core/test_{allkeys,ends_of_time,lookup,rowparts,windowparts}.py \
        tests/integration/test_whole_keys.py \
        tests/unit/core/formats/test_{avro_hostile,protobuf_safety}.py
fi
work=$(mktemp -d)
other=''  # the group of processes of the second half
trap '[ -z "$other" ] || kill -- -"$other" 2>/dev/null || true; rm -rf "$work"' EXIT

preload=''
for library in libasan.so libubsan.so libstdc++.so; do
    preload+=" $(${CC:-gcc} -print-file-name=$library)"
done
watched() {
    env LD_PRELOAD="$preload" ASAN_OPTIONS=detect_leaks=0:abort_on_error=0 \
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 PYTHONMALLOC=malloc \
        ARROW_DEFAULT_MEMORY_POOL=system "$@"
}

# A watch that sees nothing is none: one overflow and one read too far have to be seen.
cat >"$work/wrong.c" <<'C'
#include <stdlib.h>
int overflow(int x) { return x + 2147483647; }
int read_far(int n) { int *p = calloc(n, 4); int x = p[n]; free(p); return x; }
C
flags='-fno-wrapv -fno-omit-frame-pointer -fsanitize=address,undefined'
# shellcheck disable=SC2086  # one word a flag
${CC:-gcc} -shared -fPIC -g -O1 $flags "$work/wrong.c" -o "$work/wrong.so"
for wrong in overflow read_far; do
    call="import ctypes; print(ctypes.CDLL('$work/wrong.so').$wrong(5))"
    if watched "$python" -c "$call" >"$work/said" 2>&1; then
        echo "the sanitizers do not see $wrong"
        exit 1
    fi
    grep -qE 'signed integer overflow|heap-buffer-overflow' "$work/said"
done

mkdir "$work/main"
git ls-files -z --cached --others --exclude-standard 2>/dev/null >"$work/files" ||
    find . -type f -not -path './.*' -not -path './build/*' -not -name '*.so' -print0 >"$work/files"
tar --null --files-from="$work/files" -cf - | tar -C "$work/main" -xf -
[ ! -d ../shared ] || ln -s "$(cd ../shared && pwd)" "$work/shared"
cd "$work/main"
TIDEGATE_SANITIZE=1 "$python" setup.py -q build_ext --inplace >"$work/build.log" 2>&1 ||
    { tail -n 50 "$work/build.log"; exit 1; }
run() {
    PYTHONPATH="$work/main/src" watched "$python" -m pytest -q -x -p no:cacheprovider \
        --capture=sys --hypothesis-profile=brief -m 'not memory' "$@"
}
first=() second=()  # every other one, each half on a core of its own
while [ $# -gt 0 ]; do
    first+=("$1")
    [ $# -eq 1 ] || second+=("$2")
    shift $(($# > 1 ? 2 : 1))
done
if [ ${#second[@]} -gt 0 ]; then
    set -m  # the group has a number of its own
    run "${second[@]}" >"$work/second.log" 2>&1 &
    other=$!
    set +m
fi
run "${first[@]}"
if [ -n "$other" ]; then
    wait "$other" || { cat "$work/second.log"; exit 1; }
    other=''
    cat "$work/second.log"
fi
