"""Modules, kernels and launches; what the driver is given."""
import os
import shutil
import subprocess

import pytest

LOADED = ("context", 0, "module")


def launch(runtime, source, *, grid="1,1,1", block="32,1,1", cluster="0,0,0", shared=0, flags="-",
           stream=0, reserve=0, **variables):
    return runtime(*LOADED, source(), "function", "add", reserve, "launch", grid, block, cluster,
                   shared, flags, stream, "free", **variables)


def test_plain(runtime, source):
    done = launch(runtime, source, grid="3,2,1", block="64,2,1", shared=100)
    assert done.one("launch") == "TILE_OK sum=1"
    assert done.calls("launch") == [
        "launch add on 0 grid=3,2,1 block=64,2,1 shared=100 stream=(nil)"]
    assert done.log[-1] == "left: 0 contexts, 0 modules, 0 allocations, 0 events, 0 programs"


@pytest.mark.parametrize("options, attributes", [
    ({"cluster": "2,1,4"}, "cluster=2,1,4"), ({"flags": "c"}, "cooperative=1"),
    ({"flags": "p"}, "pdl=1"), ({"flags": "cp", "cluster": "8,1,1"},
                                "cluster=8,1,1 cooperative=1 pdl=1")])
def test_attributes(runtime, source, options, attributes):
    call, = launch(runtime, source, **options).calls("launch")
    assert call.split("stream=(nil) ")[1] == attributes


def test_stream(runtime, source):
    call, = launch(runtime, source, stream=0x1234).calls("launch")
    assert call.endswith("stream=0x1234")


@pytest.mark.parametrize("grid", ["0,1,1", "5,0,1", "1,1,0"])
def test_an_empty_grid_launches_nothing(runtime, source, grid):
    done = launch(runtime, source, grid=grid)
    assert done.one("launch") == "TILE_OK sum=0" and done.calls("launch") == []


def test_shared_memory_is_reserved(runtime, source):
    done = launch(runtime, source, reserve=200000, shared=200000)
    assert done.one("launch") == "TILE_OK sum=1"
    assert done.calls("cuFuncSetAttribute") == ["cuFuncSetAttribute add 14 1",
                                                "cuFuncSetAttribute add 8 200000"]


def test_shared_memory_that_was_not_reserved(runtime, source):
    text = launch(runtime, source, shared=100000).one("launch")
    assert text == ("TILE_ERR_LAUNCH launching kernel add (grid 1 x 1 x 1, block 32 x 1 x 1, "
                    "cluster 0 x 0 x 0, 100000 bytes of shared memory) on GPU 0: "
                    "CUDA_ERROR_INVALID_VALUE (1: as the test asked)")


def test_more_shared_memory_than_there_is(runtime, source):
    done = runtime(*LOADED, source(), "function", "add", 231425, "function", "add", 231424, "free")
    first, second = done.of("function")
    assert first == ("TILE_ERR_OCCUPANCY kernel add needs 231425 bytes of dynamic shared memory; "
                     "GPU 0 has 231424 for a block")
    assert second.startswith("TILE_OK")


def test_a_kernel_is_taken_once(runtime, source):
    done = runtime(*LOADED, source(), "function", "add", 100, "function", "add", 50, "function",
                   "add", 200, "free")
    assert len(done.calls("cuModuleGetFunction")) == 1
    assert [c for c in done.calls("cuFuncSetAttribute") if " 8 " in c] == [
        "cuFuncSetAttribute add 8 100", "cuFuncSetAttribute add 8 200"]


def test_what_the_compiler_made(runtime, source):
    text = runtime(*LOADED, source(), "function", "add", 0, "occupancy", 256, 0, "free")
    assert text.one("function") == "TILE_OK registers=40 local=16 shared=1024 threads=1024"
    assert text.one("occupancy") == "TILE_OK 8"


def test_no_such_kernel(runtime, source):
    text = runtime(*LOADED, source(), "function", "sub", 0, "free").one("function")
    assert text == "TILE_ERR_TABLE taking kernel sub: CUDA_ERROR_NOT_FOUND (500: as the test asked)"


@pytest.mark.parametrize("code, status", [
    (700, "TILE_ERR_LAUNCH"), (701, "TILE_ERR_OCCUPANCY"), (720, "TILE_ERR_OCCUPANCY"),
    (2, "TILE_ERR_MEMORY"), (209, "TILE_ERR_ARCH"), (12345, "TILE_ERR_LAUNCH")])
def test_a_launch_may_fail(runtime, source, code, status):
    done = launch(runtime, source, FAKE_FAIL=f"cuLaunchKernelEx={code}")
    assert done.one("launch").startswith(f"{status} launching kernel add (grid 1 x 1 x 1, ")
    assert f"({code}: " in done.one("launch") and "0 allocations" in done.log[-1]


def test_too_large_a_block(runtime, source):
    assert "block 1025 x 1 x 1" in launch(runtime, source, block="1025,1,1").one("launch")


def test_a_kernel_that_fails_is_told_when_waited_for(runtime, source):
    text = launch(runtime, source, FAKE_FAIL="cuStreamSynchronize=700").one("launch")
    assert text == ("TILE_ERR_LAUNCH waiting for GPU 0: CUDA_ERROR_ILLEGAL_ADDRESS "
                    "(700: as the test asked)")


@pytest.mark.parametrize("call", ["cuModuleGetFunction", "cuFuncGetAttribute",
                                  "cuFuncSetAttribute"])
def test_taking_a_kernel_may_fail(runtime, source, call):
    done = runtime(*LOADED, source(), "function", "add", 0, "free", FAKE_FAIL=f"{call}=999")
    assert done.one("function").startswith("TILE_ERR_TABLE taking kernel add: CUDA error (999")


def test_the_same_text_is_loaded_once(runtime, source):
    path = source()
    done = runtime(*LOADED, path, "module", source("other.cu"), "module", path, "module", path,
                   "free")
    assert done.of("module")[3] == "TILE_OK as before"
    assert len(done.calls("cuModuleLoadData")) == 2 and len(done.calls("compile")) == 2


def test_the_same_code_is_loaded_once(runtime, source):
    done = runtime("context", 0, "cubin", source(), "cubin", source(), "function", "add", 0, "free")
    assert done.of("cubin") == ["TILE_OK", "TILE_OK as before"]
    assert len(done.calls("cuModuleLoadData")) == 1


def test_each_gpu_loads_its_own(runtime, source):
    path = source()
    done = runtime("context", 0, "module", path, "free", "context", 1, "module", path, "function",
                   "add", 0, "launch", "1,1,1", "1,1,1", "0,0,0", 0, "-", 0, "free", FAKE_GPUS=2)
    assert len(done.calls("cuModuleLoadData")) == 2 and len(done.calls("compile")) == 1
    assert done.calls("launch")[0].startswith("launch add on 1 ")


def test_code_that_the_gpu_refuses(runtime):
    text = runtime("context", 0, "cubin", "-", "free").one("cubin")
    assert text == ("TILE_ERR_MODULE loading 8 bytes of code on GPU 0 (Fake 0, driver for CUDA "
                    "13.0): CUDA_ERROR_INVALID_IMAGE (200: as the test asked)")


def test_code_for_another_gpu(runtime, source):
    done = runtime(*LOADED, source(), "free", FAKE_FAIL="cuModuleLoadData=209")
    assert done.one("module").startswith("TILE_ERR_ARCH loading ")


def test_the_warm_path_asks_the_system_nothing(runtime, source):
    """No lock and no system call, or the process dies; the fake must not write its log."""
    done = runtime(*LOADED, source(), "function", "add", 0, "sealed", 1000, "free", FAKE_LOG=None)
    if done.one("sealed") == "exit 77":
        pytest.skip("no seccomp here")
    assert done.one("sealed") == "exit 0"


def test_nothing_leaks(environment, source, repository):
    """Failing paths too; the sanitizer build looks at every other test."""
    valgrind = shutil.which("valgrind")
    if not valgrind or os.environ.get("TILE_BUILD", "build") != "build":
        pytest.skip("no valgrind, or the sanitizers look")
    bad = source("bad.cu", "#error x\n")
    words = ["context", 0, "module", source(), "module", bad, "function", "add", 5, "function",
             "no", 0, "threads", 3, source("b.cu"), "add", "cubin", "-", "memory", 8, "timer",
             "others", 9, "free", "compile", bad, "sm90"]
    done = subprocess.run([valgrind, "-q", "--leak-check=full", "--error-exitcode=9",
                           repository / "build" / "tests" / "runtime_driver", *map(str, words)],
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
def test_the_real_compiler(runtime, source, repository, cache, arch):
    """With the headers out of the binary, from a directory that has none."""
    from_name = 'extern "C" __global__ void f(float *x) { *x = tile_exp(*x); }\n'
    text = '#include "runtime/numerics/math.h"\n#include "runtime/numerics/convert.h"\n' + from_name
    for header in sorted((repository / "runtime" / "device").glob("*.h")):
        text = f'#include "runtime/device/{header.name}"\n' + text
    text = '#include "runtime/device/tile.h"\n' + text                 # others stand on it
    done = runtime("compile", source("f.cu", text), arch, "compile",
                   source("bad.cu", '#line 7 "f.tile"\n    nonsense;\n'), arch, TILE_NVRTC=None)
    first, second = done.of("compile")
    if first.startswith("TILE_ERR_NVRTC no NVRTC"):
        pytest.skip("no NVRTC")
    assert first.startswith("TILE_OK") and second.startswith("TILE_ERR_COMPILE compiling bad.cu")
    assert "f.tile(7): error: " in done.text
    entry, = cache.glob("*.cubin")
    assert entry.read_bytes()[:4] == b"\x7fELF"
