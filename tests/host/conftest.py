"""Fixtures: a library, and calls of its kernels."""
import os
import shutil
import subprocess

import pytest

from built import BUILD, CASES, Result, build_library, clean_environment


@pytest.fixture(scope="session")
def cases(tmp_path_factory):
    """The folder with libcases.so."""
    folder = tmp_path_factory.mktemp("cases")
    build_library(folder, "cases", CASES)
    return folder


@pytest.fixture
def driver(tmp_path):
    """driver("library", path, "context", 0, ..): a Result."""
    log = tmp_path / "log"

    def run(*words, code=0, before=None, **variables):
        log.unlink(missing_ok=True)
        settings = {"TILE_CACHE_DIR": tmp_path / "cache", "FAKE_LOG": log,
                    "ASAN_OPTIONS": "detect_leaks=1"} | variables
        done = subprocess.run([BUILD / "tests" / "call_driver", *map(str, words)],
                              capture_output=True, text=True, timeout=300, preexec_fn=before,
                              env=clean_environment(**settings), check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return Result(done, log)
    return run


@pytest.fixture
def call(driver, cases):
    """call("cast", tensors and numbers.., context=0): the library's answer, a Result."""
    def run(kernel, *arguments, context=0, first=(), then=("free",), **variables):
        return driver("library", cases / "libcases.so", "context", context, *first, "call", kernel,
                      *arguments, "end", *then, **variables)
    return run


@pytest.fixture
def compiler():
    return os.environ.get("TILE_CC") or shutil.which("cc") or "gcc"
