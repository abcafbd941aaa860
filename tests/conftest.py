"""What every test may use: the programs under test and the folders.

`make test` says where it built by TILE_BUILD (build, or build/san for the sanitizer build); by
hand, build is assumed. TILE_TEST_LEVEL=2 asks for the sizes that take longer.
"""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / os.environ.get("TILE_BUILD", "build")
os.environ.setdefault("TILEC", str(BUILD / "tilec"))
# The compiler's arenas live as long as the process: nothing for a leak checker to say.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")


def call(program, *arguments, **options):
    """Runs a program and gives its exit code and texts; a signal is always a failure."""
    if not program.exists():
        pytest.fail(f"{program.relative_to(ROOT)} is not built: run make first", pytrace=False)
    options = {"capture_output": True, "text": True, "timeout": 300} | options
    done = subprocess.run([program, *map(str, arguments)], **options)
    assert done.returncode >= 0, f"{program.name} died of signal {-done.returncode}: {done.stderr}"
    return done


@pytest.fixture
def repository():
    return ROOT


@pytest.fixture
def level():
    return int(os.environ.get("TILE_TEST_LEVEL", "1"))


@pytest.fixture
def tilec():
    """tilec("check", file): the finished process."""
    return lambda *arguments, **options: call(
        pathlib.Path(os.environ["TILEC"]), *arguments, **options)


@pytest.fixture
def unit():
    """unit("npy_driver", ...): the program built from tests/unit/npy_driver.c."""
    return lambda name, *arguments, **options: call(BUILD / "tests" / name, *arguments, **options)
