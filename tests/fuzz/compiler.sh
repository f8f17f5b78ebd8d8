#!/bin/sh
# The compiler of the fuzzed build: AddressSanitizer everywhere; clang and coverage for the kernels
# that read bytes, gcc for those that clang doesn't know (vectors, clones for other processors).
for word; do
    case $word in
        -shared) exec gcc "$@" ;;  # the sanitizer's run time comes with the fuzzer
        */avro_*.c | */proto_*.c | */builders.c | */sink.c | */pool.c | */objects.c | */buffer.c)
            exec clang -fsanitize=address,fuzzer-no-link -fno-omit-frame-pointer -g "$@" ;;
    esac
done
exec gcc -fsanitize=address -fno-omit-frame-pointer -g "$@"
