"""What a call asks of the machine: memory, locks, instructions. allocations.c counts, and refuses."""
import re
import shutil
import subprocess

import pytest

from built import BUILD, CASES, ROOT, build_library, clean_environment, sanitized

CAST = ["cast", "bfloat16:4x256", "float8_e4m3fn:4x256", "float32:4x2", "i=128", "i=0", "f=1", "end"]
SUMS = ["sums", "float32:9x32", "float32:32", "float32:32", "end"]


@pytest.fixture(scope="module")
def counting(tmp_path_factory):
    """The library that counts."""
    if sanitized():
        pytest.skip("the sanitizer has allocation functions of its own")
    compiler = shutil.which("gcc") or shutil.which("clang")
    path = tmp_path_factory.mktemp("counting") / "liballocations.so"
    subprocess.run([compiler, "-std=c11", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
                    ROOT / "tests" / "host" / "allocations.c", "-ldl", "-o", path], check=True)
    return path


@pytest.fixture
def counted(driver, cases, counting):
    """counted("bench", 10, ..): a Result, allocations and locks of the library."""
    def run(*words, library=cases / "libcases.so", **variables):
        done = driver("library", library, *words, COUNT_IN=library.name, LD_PRELOAD=counting, **variables)
        return done, *map(int, re.search(r"counted: allocations (\d+), locks (\d+)", done.errors).groups())
    return run


@pytest.mark.parametrize("call", [CAST, SUMS], ids=["cast", "scratch and two phases"])
def test_a_warm_call_takes_no_memory_and_no_lock(counted, call):
    """As many for 100 rounds of 2 as of 50 calls, all by the first call."""
    few, many = (counted("context", 0, "scratch", 1 << 20, "bench", n, *call, "free", FAKE_LOG=None)
                 for n in (2, 50))
    assert few[1:] == many[1:] and 0 < few[1] < 20 and 0 < few[2] < 20


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A library that compiles at the first call."""
    folder = tmp_path_factory.mktemp("text")
    build_library(folder, "text", CASES, arch="sm90", TILE_NVRTC="/nowhere/x", TILE_NVCC="")
    return folder / "libtext.so"


@pytest.mark.parametrize("embedded", [True, False], ids=["machine code", "text"])
def test_no_memory(counted, cases, text, tmp_path, embedded):
    """One allocation fails, each in turn (of the many that leave out parts of headers, some): the context or the
    call says so or does without, the next call works, nothing is left."""
    library = cases / "libcases.so" if embedded else text

    def run(n):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        return counted("context", 0, "call", *CAST, "call", *CAST, "free", library=library, FAIL_AT=n)
    last, said = run(0)[1], []
    for n in sorted({*range(1, min(last, 15)), *range(15, last, 211), *range(last - 6, last + 1)}):
        done = run(n)[0]
        first, second = done.of("call")
        if done.one("context") != "TILE_OK":
            assert done.one("context") == "TILE_ERR_MEMORY no memory for a context"
            assert first == second == "TILE_ERR_NULL cast: the context is null"
            continue
        assert "0 contexts, 0 modules, 0 allocations" in done.log[-1]
        assert second == "TILE_OK" and (first == "TILE_OK" or first.startswith("TILE_ERR_MEMORY ")), n
        said += [first] * (first != "TILE_OK")
    assert len(said) >= 4 and len(set(said)) >= 3


def test_instructions_of_a_warm_call(cases, tmp_path):
    """By callgrind, inside of tile_call; the fake driver's launch is in it. Printed, and bounded."""
    valgrind = shutil.which("valgrind")
    if not valgrind or sanitized():
        pytest.skip("no valgrind, or a sanitizer build")

    def collected(n):
        """Of 100 rounds and one call more."""
        done = subprocess.run(
            [valgrind, "--tool=callgrind", "--toggle-collect=tile_call", f"--callgrind-out-file={tmp_path / 'out'}",
             BUILD / "tests" / "call_driver", "library", cases / "libcases.so", "context", "0", "bench", str(n),
             *CAST, "free"], capture_output=True, text=True, check=True,
            env=clean_environment(TILE_CACHE_DIR=tmp_path / "cache"))
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])
    each = (collected(20) - collected(10)) / 1000
    print(f"{each:.0f} instructions a call")
    assert 1000 < each < 15000
