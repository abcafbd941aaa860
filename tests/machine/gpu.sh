#!/bin/sh
# The test kernels of the machine model on a real GPU (compute capability 9.0), with one command:
#
#   sh tests/machine/gpu.sh            build into build/machine-gpu and run
#   sh tests/machine/gpu.sh -b         only build
#   sh tests/machine/gpu.sh -r         only run what is built
#
# Run from the repository's root; building needs nvcc and a C compiler. Each group of tests is a process
# of its own with 20 seconds to run in: a kernel that hangs or crashes fails its group alone. Exit code 1
# if anything failed.
set -eu
out=build/machine-gpu
mkdir -p $out

build() {
    # type n k form registers majors bytes A's B's (1: M- or N-major)
    table='bf16 8 16 ss 0 0 2 0 0
bf16 200 16 ss 0 0 2 0 0
bf16 256 16 ss 0 0 2 0 0
bf16 64 16 rs 1 0 2 0 0
bf16 64 16 ss_mk 0 1 2 1 0
bf16 64 16 ss_kn 0 1 2 0 1
f16 64 16 ss_mn 0 1 2 1 1
bf16 64 16 rs_kn 1 1 2 0 1
f16 96 16 ss 0 0 2 0 0
f16 96 16 rs 1 0 2 0 0
tf32 64 8 ss 0 0 4 0 0
tf32 64 8 rs 1 0 4 0 0
e4m3 64 32 ss 0 0 1 0 0
e4m3 64 32 rs 1 0 1 0 0
e5m2 64 32 ss 0 0 1 0 0
e5m2 64 32 rs 1 0 1 0 0
e4m3_e5m2 64 32 ss 0 0 1 0 0
e5m2_e4m3 64 32 rs 1 0 1 0 0'

    echo "$table" | {
        all=
        while read -r type n k form rs majors bytes a b; do
            name=${type}_${n}_$form
            all="$all X($type, $n, $k, $form, $bytes, $a, $b)"
            echo "namespace wgmma_$name {"
            echo "#define TYPE $type"
            echo "#define N $n"
            echo "#define DEPTH $k"
            echo "#define FORM $form"
            echo "#define RS $rs"
            echo "#define MAJORS $majors"
            echo "#define ENTRY kernel_$name"
            echo '#include "kernels/wgmma.cu"'
            for macro in TYPE N DEPTH FORM RS MAJORS ENTRY; do
                echo "#undef $macro"
            done
            echo '}'
        done
        echo "#define WGMMA_TABLE(X) $all"
    } >$out/gpu_wgmma.inc

    ${CC:-cc} -std=c11 -O1 -I. -c runtime/tensor_map.c -o $out/tensor_map.o
    nvcc -std=c++17 -O2 -fmad=false -diag-suppress 177 -gencode=arch=compute_90a,code=sm_90a \
        -Xptxas=--warn-on-spills -I. -I$out -Itests/machine -o $out/kernels tests/machine/gpu_main.cu $out/tensor_map.o
}

run() {
    groups=$($out/kernels)
    failed=0
    for group in $groups; do
        code=0
        timeout -s KILL 20 $out/kernels "$group" || code=$?
        case $code in
        0 | 1) ;; # a line says so
        137) echo "FAIL $group: no end after 20 seconds" ;;
        *) echo "FAIL $group: exit code $code" ;;
        esac
        [ $code = 0 ] || failed=1
    done
    [ $failed = 0 ] && echo 'all passed'
    return $failed
}

if [ "${1-}" != -r ]; then
    build
fi
if [ "${1-}" != -b ]; then
    run
fi
