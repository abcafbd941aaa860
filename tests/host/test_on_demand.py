"""Kernels on demand: from a .tile file to a call in one process (compiler/tile_jit.h)."""
import shutil
import subprocess

import pytest

from built import CASES, ROOT, TILEC, clean_environment, sanitized

CAST = ["bfloat16:4x256", "float8_e4m3fn:4x256", "float32:4x2", "i=128", "i=0", "f=1"]
QUANT = ROOT / "kernels.tile" / "quant" / "per_token_cast.tile"


@pytest.fixture
def demand(driver):
    """demand("cast", ..): the call of a kernel of cases.tile, or of another file."""
    def run(kernel, *arguments, file=CASES, context=0, more=(), **variables):
        return driver("program", file, "context", context, "call", kernel, *arguments, "end", *more,
                      "free", **variables)
    return run


def again(kernel, *arguments):
    return "call", kernel, *arguments, "end"


def test_a_variant_that_is_listed(demand):
    done = demand("cast", *CAST, more=again("cast", *CAST))
    assert done.of("call") == ["TILE_OK", "TILE_OK"]
    assert len(done.calls("compile")) == 1 and len(done.calls("launch")) == 2
    assert done.calls("compile")[0].startswith("compile cast.bf16_e4m3_128_false.sm90.cu --fmad=false")
    assert "0 modules, 0 allocations" in done.log[-1]


def test_variants_that_are_not_listed(demand):
    half = ["float16:4x256", "float8_e4m3fn:4x256", "float32:4x8", "i=32", "i=1", "f=1"]
    down = ["float32:8x5", "float32:3", "int32:8", "bool:8", "float32:8x6", "i=2", "i=2", "i=1"]
    done = demand("cast", *half, more=again("pick", *down))
    assert done.of("call") == ["TILE_OK", "TILE_OK"]


@pytest.mark.parametrize("dtype, meant", [("uint8", "e4m3"), ("int8", "e4m3"), ("float8_e4m3fn", "e4m3"),
                                          ("float8_e5m2", "e5m2"), ("int16", "i16"), ("bool", "bool")])
def test_what_bytes_are(demand, dtype, meant):
    """transpose lists e4m3, bf16 and f32."""
    done = demand("transpose", f"{dtype}:1x4x4", f"{dtype}:1x4x4", file=ROOT / "kernels.tile/transpose/transpose.tile")
    assert done.one("call") == "TILE_OK"
    assert done.calls("compile")[0].startswith(f"compile transpose.{meant}.sm90.cu ")


def test_the_code_for_any_alignment_is_compiled_when_it_is_needed(demand):
    odd = ["bfloat16:4x256:plus=2", *CAST[1:]]
    done = demand("cast", *CAST, more=again("cast", *odd))
    assert [" -DTILE_ALIGNED=0" in c for c in done.calls("compile")] == [False, True]


def test_the_other_target(demand):
    done = demand("cast", *CAST, FAKE_CAPABILITY=100)
    assert "--gpu-architecture=sm_100a" in done.calls("compile")[0]


def test_a_second_process_compiles_nothing(demand):
    demand("cast", *CAST)
    done = demand("cast", *CAST)
    assert done.one("call") == "TILE_OK" and done.calls("compile") == []


def test_checks_come_before_compiling(demand):
    done = demand("cast", "bfloat16:4x256", "float8_e4m3fn:4x255", *CAST[2:])
    assert done.one("call") == "TILE_ERR_SHAPE cast: y: axis 1 is 255, K is 256 (from x)"
    assert done.calls("compile") == []


def test_on_the_cpu(demand, tmp_path):
    done = demand("scale", "float32:4", "float32:4:at=0+0", "f=1", context="cpu")
    assert done.one("call") == "TILE_OK" and done.log == []


def test_no_such_kernel(demand):
    done = demand("throw")
    assert done.one("kernel") == "the program has no kernel throw"


def test_no_such_file(demand, tmp_path):
    done = demand("cast", file=tmp_path / "none.tile")
    assert done.one("program").startswith("TILE_ERR_COMPILE error: ")
    assert "none.tile: No such file or directory" in done.text


def test_a_wrong_program(demand, tmp_path):
    bad = tmp_path / "bad.tile"
    bad.write_text("kernel f[N: dim](y: out f32[N]) { par (n in 0..N) { y[n] = z; } }\n")
    done = demand("f", "float32:4", file=bad)
    text = done.text.split("program: ", 1)[1]
    assert text.startswith(f"TILE_ERR_COMPILE {bad}:1:60: error: unknown name `z`") and "^" in text


def test_a_variant_that_is_wrong(demand, tmp_path):
    """`where` is not true: the message is the compiler's, with its place."""
    file = tmp_path / "f.tile"
    file.write_text("kernel f[N: dim, G: int](x: in f32[N], y: out f32[N]) where G % 4 == 0\n"
                    "{ par (n in 0..N by G) { y[n +: G] = x[n +: G]; } }\n")
    done = demand("f", "float32:64", "float32:64", "i=6", file=file)
    assert done.one("call").startswith(f"TILE_ERR_COMPILE {file}:1:") and "G % 4 == 0" in done.text
    assert demand("f", "float32:64", "float32:64", "i=8", file=file).one("call") == "TILE_OK"


def test_imports(demand, tmp_path):
    (tmp_path / "lib.tile").write_text("fn twice(x) = x * 2.0;\n")
    (tmp_path / "f.tile").write_text(
        'import "lib.tile";\n'
        "kernel f[N: dim](x: in f32[N], y: out f32[N]) { par (n in 0..N) { y[n] = twice(x[n]); } }\n")
    assert demand("f", "float32:4", "float32:4", file=tmp_path / "f.tile").one("call") == "TILE_OK"


def test_nvrtc_refuses(demand):
    done = demand("cast", *CAST, FAKE_FAIL="nvrtcCompileProgram=6",
                  more=again("cast", "float32:4", *CAST[1:]))
    first, second = done.of("call")
    assert first.startswith("TILE_ERR_COMPILE compiling cast.bf16_e4m3_128_false.sm90.cu: ")
    assert second.startswith("TILE_ERR_RANK cast: x: ")


def test_threads(driver):
    done = driver("program", CASES, "context", 0, "threads", 16, "scale", "float32:4",
                  "float32:4:at=0+0", "f=1", "end", "free")
    assert done.one("threads") == "0 failed" and len(done.calls("launch")) == 16
    assert "0 modules" in done.log[-1] and len(done.calls("compile")) == 1


def times(driver, folder, **variables):
    """Milliseconds from text to a launch, at best: compiled, and from the disk cache."""
    cast = ["call", "per_token_cast", *CAST[:5], "end"]
    best = [1e9, 1e9]
    for _ in range(5):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for i in range(2):
            done = driver("clock", "program", QUANT, "context", 0, *cast, "clock", "free", FAKE_LOG=None, **variables)
            if "no NVRTC" in done.text:
                pytest.skip("no NVRTC")
            assert done.one("call") == "TILE_OK"
            best[i] = min(best[i], float(done.of("clock")[1]))
    return best


def test_times(driver, tmp_path):
    """With the real NVRTC; the GPU is a fake that takes its code. Printed, and loosely bounded."""
    cold, warm = times(driver, tmp_path, TILE_NVRTC=None)
    print(f"from text to a launch: {cold:.0f} ms, from a warm disk cache {warm:.1f} ms")
    assert sanitized() or (cold < 1000 and warm < 50)


def test_times_without_nvrtc(driver, tmp_path):
    """With an NVRTC that takes no time: what is ours of it."""
    cold, warm = times(driver, tmp_path)
    print(f"from text to a launch: {cold:.1f} ms and NVRTC's, from a warm disk cache {warm:.1f} ms")
    assert sanitized() or (cold < 200 and warm < 50)


PROGRAM = """
#include <stdio.h>
#include "compiler/tile_jit.h"
int main(int count, char **words)
{
    (void)count;
    float x[3] = {1, 2, 3}, y[3] = {0};
    int64_t shape[1] = {3};
    DLTensor a = {x, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, shape, NULL, 0}, b = a;
    tile_context *context;
    tile_program *program;
    const tile_kernel *scale;
    b.data = y;
    if (tile_context_create(TILE_CPU, &context) || tile_program_load(words[1], &program) ||
        tile_program_kernel(program, "scale", &scale))
        return puts(tile_error(NULL)), 1;
    tile_argument arguments[] = {{.tensor = &a}, {.tensor = &b}, {.number = 0.5f}};
    tile_status status = tile_call(scale, context, arguments, 3, NULL, 0, NULL);
    printf("%s %g\\n", tile_status_name(status), y[2]);
    tile_context_free(context);
    tile_program_free(program);
    return 0;
}
"""


@pytest.mark.parametrize("language", ["c", "c++"])
def test_a_program_that_links_the_compiler(tmp_path, compiler, language):
    """As docs/host.md has it; the headers are C++ as well."""
    program = compiler if language == "c" else shutil.which("g++") or shutil.which("clang++")
    if not program:
        pytest.skip("no C++ compiler")
    options = ["-std=c++20"] if language == "c++" else []
    if sanitized():
        options.append("-fsanitize=address,undefined")
    source = tmp_path / ("main.c" if language == "c" else "main.cc")
    source.write_text(PROGRAM)
    subprocess.run([program, *options, source, f"-I{ROOT}", TILEC.parent / "libtilec.a", "-lm", "-ldl",
                    "-pthread", "-o", tmp_path / "main"], check=True)
    done = subprocess.run([tmp_path / "main", CASES], capture_output=True, text=True, check=True,
                          env=clean_environment())
    assert done.stdout == "TILE_OK 1.5\n"
