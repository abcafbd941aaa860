"""tilec build and tilec emit: what they write, and what they say when they cannot."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from built import CASES, ROOT, TILEC, build_library, clean_environment, sanitized

SMALL = """kernel first[N: dim](x: in f32[N], y: out f32[N]) { par (n in 0..N by 256) { y[n +: 256] = x[n +: 256]; } }
"""
OTHER = SMALL.replace("first", "second")


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.tile"
    path.write_text(SMALL)
    return path


def test_what_is_written(tmp_path, small):
    build_library(tmp_path / "out", "small", small, arch="sm90")
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.is_file()) == [
        "libsmall.a", "libsmall.so", "small.h", "tile.h"]


def test_verbose(tmp_path, small):
    done = build_library(tmp_path, "small", small, arch="sm90,sm100,cpu", options=["-v"])
    assert done.stdout == "libsmall: 1 kernel, 1 variant, 4 codes by NVRTC\n"


def test_without_a_compiler_of_cuda(tmp_path, small):
    done = build_library(tmp_path, "small", small, arch="sm90", TILE_NVRTC="/nowhere", TILE_NVCC="")
    assert "neither NVRTC nor nvcc is here: libsmall has CUDA text" in done.stderr
    assert b"TILE_KERNEL(tk_first" in (tmp_path / "libsmall.so").read_bytes()


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
def test_nvcc(tmp_path, small, arch):
    """The real one, where it is."""
    nvcc = shutil.which("nvcc") or "/usr/local/cuda/bin/nvcc"
    if not pathlib.Path(nvcc).exists():
        pytest.skip("no nvcc")
    done = build_library(tmp_path, "small", small, arch=arch, options=["-v"], TILE_NVRTC="/nowhere",
                         TILE_NVCC=nvcc)
    assert done.stdout.endswith("by nvcc\n")
    assert (tmp_path / "libsmall.so").read_bytes().count(b"\x7fELF") == 3   # itself and two cubins
    assert len(list((tmp_path / "cache").glob("*.cubin"))) == 2
    again = tmp_path / "nvcc"
    again.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {nvcc} --version\nexit 1\n')
    again.chmod(0o755)
    build_library(tmp_path, "small", small, arch=arch, TILE_NVRTC="/nowhere", TILE_NVCC=again)


def test_nvcc_refuses(tmp_path, small):
    liar = tmp_path / "nvcc"
    liar.write_text("#!/bin/sh\necho 'line 3: no' >&2\nexit 1\n")
    liar.chmod(0o755)
    done = build_library(tmp_path, "small", small, arch="sm90", code=1, TILE_NVRTC="/nowhere",
                         TILE_NVCC=liar)
    assert f"{liar} refused first.sm90:\nline 3: no" in done.stderr
    assert "2 of 2 codes were not compiled" in done.stderr


def test_nvrtc_refuses(tmp_path, small):
    done = build_library(tmp_path, "small", small, arch="sm90", code=1,
                         FAKE_FAIL="nvrtcCompileProgram=6")
    assert done.stderr.count("compiling first.sm90.cu: NVRTC_ERROR_COMPILATION") == 2
    assert "2 of 2 codes were not compiled" in done.stderr
    assert not (tmp_path / "libsmall.so").exists()


def test_a_second_build_compiles_nothing(tmp_path, small):
    log = tmp_path / "log"
    for expected in (2, 2):
        build_library(tmp_path, "small", small, arch="sm90", FAKE_LOG=log)
        assert log.read_text().count("\ncompile ") + log.read_text().startswith("compile ") == expected


@pytest.mark.parametrize("words, text", [
    (["--arch", "sm90"], "-o DIR/NAME is missing"),
    (["-o", "out/x"], "--arch is missing: sm90, sm100, cpu, or several: sm90,cpu"),
    (["-o", "out/x", "--arch", "sm90,sm80"], "--arch sm90,sm80: sm80 is none of sm90, sm100, cpu"),
    (["-o", "out/", "--arch", "sm90"], "-o out/: the library's name is missing")])
def test_usage(small, words, text, tmp_path):
    done = subprocess.run([TILEC, "build", small, *words], capture_output=True, text=True, check=False,
                          cwd=tmp_path)
    assert done.returncode in (1, 2) and text in done.stderr


def test_a_wrong_program(tmp_path):
    bad = tmp_path / "bad.tile"
    bad.write_text(SMALL.replace("x[n +: 256];", "z[n +: 256];"))
    done = build_library(tmp_path, "bad", bad, code=1)
    assert "bad.tile:1:" in done.stderr and "unknown name `z`" in done.stderr
    assert not (tmp_path / "bad.h").exists()


def test_a_static_without_a_value(tmp_path):
    file = tmp_path / "f.tile"
    file.write_text(SMALL + OTHER.replace("[N: dim]", "[N: dim, W: int]").replace("256", "W"))
    done = build_library(tmp_path, "f", file, arch="sm90")
    assert done.stderr == ("tilec: nothing is built for kernel second: a static of it has neither a "
                           "default nor values in `instances`\n")
    header = (tmp_path / "f.h").read_text()
    assert "tk_first(" in header and "tk_second" not in header


def test_one_kernel(tmp_path, small):
    small.write_text(SMALL + OTHER)
    build_library(tmp_path, "f", small, arch="sm90", options=["--kernel", "second"])
    header = (tmp_path / "f.h").read_text()
    assert "tk_second(" in header and "tk_first" not in header
    done = build_library(tmp_path, "f", small, arch="sm90", options=["--kernel", "third"], code=1)
    assert "no kernel has a variant for sm90" in done.stderr


def test_two_kernels_of_one_name(tmp_path, small):
    other = tmp_path / "other.tile"
    other.write_text(SMALL)
    done = build_library(tmp_path, "f", small, other, arch="sm90", code=1)
    assert f"two kernels are called first: in {small} and {other}" in done.stderr


def test_names_that_c_cannot_include(tmp_path, small):
    done = build_library(tmp_path, 'f"', small, arch="sm90", code=1)
    assert 'f": C files are named after it' in done.stderr and not list(tmp_path.glob('f"*'))
    quoted = tmp_path / 'a"b.tile'
    quoted.write_text(SMALL)
    done = build_library(tmp_path, "f", quoted, arch="sm90", code=1)
    assert 'a"b.tile: C files are named after it' in done.stderr and not list(tmp_path.glob("f.*"))


def test_a_folder_that_cannot_be_made(tmp_path, small):
    (tmp_path / "file").write_text("")
    done = build_library(tmp_path / "file", "f", small, arch="sm90", code=1)
    assert "Not a directory" in done.stderr or "File exists" in done.stderr


def test_no_c_compiler(tmp_path, small):
    done = build_library(tmp_path, "f", small, arch="cpu", code=1, CC=None, PATH="/nowhere")
    assert done.stderr == "tilec: no C compiler: no cc, gcc or clang in PATH, and CC names none\n"


def test_the_runtime_is_not_there(tmp_path, small):
    done = build_library(tmp_path, "f", small, arch="cpu", code=1, TILE_LIBRARIES=tmp_path)
    assert f"{tmp_path}: libtile_runtime.a or libtilec.a is not there: run make" in done.stderr


# ---- the library ----

def test_exported_names(cases):
    nm = shutil.which("nm") or pytest.skip("no nm")
    if sanitized():
        pytest.skip("sanitizers have symbols of their own")
    out = subprocess.run([nm, "-D", "--defined-only", "--format=posix", cases / "libcases.so"],
                         capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in out.splitlines()}
    public = set(re.findall(r"\b(tile_\w+)\(", (ROOT / "runtime" / "tile.h").read_text()))
    public |= {"tile_ffi_call", "tile_ffi_scratch"}
    mine = {n for n in names if n.startswith(("tk_", "__tvm_ffi_"))}
    assert names - mine <= public and {"tk_cast", "tk_cast_kernel", "__tvm_ffi_sums_scratch"} <= mine
    declared = set(re.findall(r"TILE_API .*?\b(tile_\w+)\(", (ROOT / "runtime" / "tile.h").read_text()))
    assert declared <= names


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_header_stands_alone(cases, compiler, language):
    program = (shutil.which("g++") or shutil.which("clang++")) if language == "c++" else compiler
    if not program:
        pytest.skip("no C++ compiler")
    for name in ("cases.h", "tile.h"):
        subprocess.run([program, "-x", language, "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                        "-fsyntax-only", f"-I{cases}", "-"], input=f'#include "{name}"\n', text=True,
                       check=True)


@pytest.mark.parametrize("program", ["gcc", "clang"])
def test_emitted_c_is_clean(tmp_path, program):
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    subprocess.run([TILEC, "emit", CASES, "--arch", "sm90", "-o", tmp_path], check=True,
                   env=clean_environment(ASAN_OPTIONS="detect_leaks=0"))
    subprocess.run([program, "-std=c11", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror",
                    "-fsyntax-only", tmp_path / "cases.c", tmp_path / "cases_code.c"], check=True)
    names = {p.name for p in tmp_path.iterdir() if p.suffix != ".cu"}
    assert names == {"cases.c", "cases.h", "cases_code.c", "tile.h", "stub.h", "plan.h", "tvm_ffi.h"}
    header = (tmp_path / "cases.h").read_text()
    assert max(map(len, header.splitlines())) <= 100


def test_an_emitted_stub_is_a_library(tmp_path, driver, compiler):
    """By hand what tilec build does: the text is compiled at the first call."""
    subprocess.run([TILEC, "emit", CASES, "--arch", "sm90", "-o", tmp_path], check=True,
                   env=clean_environment(ASAN_OPTIONS="detect_leaks=0"))
    extra = ["-fsanitize=address,undefined"] if sanitized() else []
    subprocess.run([compiler, "-shared", "-fPIC", *extra, tmp_path / "cases.c",
                    tmp_path / "cases_code.c", "-Wl,--whole-archive",
                    TILEC.parent / "libtile_runtime.a", "-Wl,--no-whole-archive", "-lm", "-ldl",
                    "-pthread", "-o", tmp_path / "libcases.so"], check=True)
    done = driver("library", tmp_path / "libcases.so", "context", 0, "call", "scale", "float32:9",
                  "float32:9", "f=1", "end", "free")
    assert done.one("call") == "TILE_OK" and len(done.calls("compile")) == 1


PROGRAM = """
#include <stdio.h>
#include "first.h"
#include "second.h"
int main(void)
{
    float x[3] = {1, 2, 3}, y[3] = {0}, z[3] = {0};
    int64_t shape[1] = {3};
    DLTensor a = {x, {kDLCPU, 0}, 1, {kDLFloat, 32, 1}, shape, NULL, 0}, b = a, c = a;
    tile_context *context;
    b.data = y;
    c.data = z;
    int failed = tile_context_create(TILE_CPU, &context) || tk_first(context, &a, &b, NULL) ||
                 tk_second(context, &b, &c, NULL);
    printf("%d %g\\n", failed, z[2]);
    tile_context_free(context);
    return failed;
}
"""


@pytest.mark.parametrize("kind", ["a", "so"])
def test_two_libraries_in_one_program(tmp_path, compiler, kind):
    for name, text in (("first", SMALL), ("second", OTHER)):
        (tmp_path / f"{name}.tile").write_text(text)
        build_library(tmp_path, name, tmp_path / f"{name}.tile", arch="cpu")
    (tmp_path / "main.c").write_text(PROGRAM)
    extra = ["-fsanitize=address,undefined"] if sanitized() else []
    subprocess.run([compiler, *extra, tmp_path / "main.c", f"-I{tmp_path}",
                    tmp_path / f"libfirst.{kind}", tmp_path / f"libsecond.{kind}", "-lm", "-ldl",
                    "-pthread", f"-Wl,-rpath,{tmp_path}", "-o", tmp_path / "main"], check=True)
    done = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True)
    assert done.stdout == "0 3\n"


# ---- the examples ----

@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    build_library(folder, "cast", ROOT / "kernels.tile" / "quant" / "per_token_cast.tile",
                  arch="sm90,cpu")
    return folder


@pytest.mark.parametrize("kind", ["a", "so"])
def test_the_example_in_c(example, compiler, kind):
    program = example / f"cast_{kind}"
    extra = ["-fsanitize=address,undefined"] if sanitized() else []
    assert len((ROOT / "examples" / "c" / "cast.c").read_text().splitlines()) <= 30
    subprocess.run([compiler, "-Wall", "-Wextra", *extra, ROOT / "examples" / "c" / "cast.c",
                    f"-I{example}", example / f"libcast.{kind}", "-lm", "-ldl", "-pthread",
                    f"-Wl,-rpath,{example}", "-o", program], check=True)
    for cuda, text in (("/nowhere", "CPU: scale of the first block 1.1160"),
                       (clean_environment()["TILE_CUDA_DRIVER"], "Fake 0: scale of the first block ")):
        done = subprocess.run([program], capture_output=True, text=True, check=True,
                              env=clean_environment(TILE_CUDA_DRIVER=cuda,
                                                    TILE_CACHE_DIR=example / "cache"))
        assert done.stdout.startswith(text)


def test_the_example_in_python(example):
    pytest.importorskip("tvm_ffi")
    if sanitized():
        pytest.skip("a sanitized library needs a sanitized Python")
    import sys
    done = subprocess.run([sys.executable, ROOT / "examples" / "python" / "cast.py",
                           example / "libcast.so"], capture_output=True, text=True, check=False,
                          env=os.environ | {"TILE_CUDA_DRIVER": "/nowhere"})
    assert done.returncode == 0 and "160 scales, all right" in done.stdout, done.stderr
