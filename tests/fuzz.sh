#!/usr/bin/env bash
# Fuzz the decoders by coverage, under AddressSanitizer: tests/fuzz.sh [SECONDS [TARGET ...]]
#
# It needs Python 3.11 or later, gcc, and clang (14 or later; the package of that name). Everything
# is made in a folder of its own, $TIDEGATE_FUZZ or build/fuzz: an environment with atheris, a copy
# of the sources, its build, and the corpus, which grows there from tests/fuzz/corpus. What is found
# is left there as crash-TARGET-*; put it into tests/fuzz/reproducers/TARGET, where the suite reads
# it. Each target runs for SECONDS, 60 without.
set -euo pipefail

cd "$(dirname "$0")/.."
root=$PWD
home=${TIDEGATE_FUZZ:-$root/build/fuzz}
seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(avro_rows avro_file protobuf protobuf_blocks json snapshot)
python=$home/env/bin/python

mkdir -p "$home/main"
if [ ! -x "$python" ]; then
    "$(command -v python3.11 || command -v python3)" -m venv "$home/env"
    "$python" -m pip install -qq atheris 'Cython>=3.3,<4' 'setuptools>=80' 'numpy>=2.0' \
        'pyarrow>=23.0.1' msgspec
fi
git ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
    tar --null --files-from=- -cf - | tar -C "$home/main" --warning=none --keep-newer-files -xf -

cd "$home/main"
compiler=$PWD/tests/fuzz/compiler.sh
export CC=$compiler LDSHARED="$compiler -shared"
"$python" setup.py build_ext --inplace -j "$(nproc)" >"$home/build.log" 2>&1 ||
    { tail -n 30 "$home/build.log"; exit 1; }

cd tests/fuzz
export PYTHONPATH=$home/main/src
export PYTHONMALLOC=malloc  # so that the sanitizer sees the ends of small inputs
export ARROW_DEFAULT_MEMORY_POOL=system  # so that the sanitizer sees the columns
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:detect_odr_violation=0
preload=$("$python" -c 'import atheris; print(atheris.path())')/asan_with_fuzzer.so
for target in "${targets[@]}"; do
    mkdir -p "$home/corpus/$target"
    cp -n corpus/"$target"/* "$home/corpus/$target/"
    printf '=== %s\n' "$target"
    LD_PRELOAD=$preload "$python" fuzz.py "$target" "$home/corpus/$target" \
        -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=2048 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix="$home/crash-$target-"
done
