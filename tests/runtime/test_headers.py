"""The runtime's headers: against NVIDIA's, and as others include them."""
import os
import pathlib
import shutil
import subprocess

import pytest

CUDA = pathlib.Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"), "include")


def compiler():
    found = shutil.which("g++") or shutil.which("clang++")
    return found or pytest.skip("no C++ compiler")


def test_declarations_are_nvidia_s(repository):
    if not (CUDA / "cuda.h").exists() or not (CUDA / "nvrtc.h").exists():
        pytest.skip("no CUDA headers")
    done = subprocess.run([compiler(), "-std=c++17", "-fsyntax-only", f"-I{repository}",
                           f"-isystem{CUDA}", repository / "tests" / "runtime" / "cuda_headers.cc"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_public_header_stands_alone(repository, language):
    program = compiler() if language == "c++" else os.environ.get("TILE_CC", "gcc")
    text = '#include "runtime/tile.h"\nint use(tile_context *c) { return tile_synchronize(c, 0); }\n'
    done = subprocess.run([program, "-x", language, "-Wall", "-Wextra", "-Wpedantic", "-Werror",
                           "-fsyntax-only", f"-I{repository}", "-"], input=text,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_linked_names_are_prefixed(repository, tmp_path):
    """Generated libraries carry the runtime into other programs."""
    nm = shutil.which("nm") or pytest.skip("no nm")
    build = repository / os.environ.get("TILE_BUILD", "build")
    for path in (repository / "runtime").glob("*.c"):
        out = subprocess.run([nm, "-g", "--defined-only", "--format=posix",
                              build / "obj" / "runtime" / (path.stem + ".o")],
                             capture_output=True, text=True, check=True).stdout
        names = {line.split()[0] for line in out.splitlines()}
        ours = {n for n in names if not n.startswith(("__asan", "__odr_asan", "__ubsan"))}
        assert all(n.startswith("tile_") for n in ours), ours
