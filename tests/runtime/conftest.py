"""The runtime over a CUDA driver and an NVRTC that need no GPU: fake_cuda.c says what they do."""
import os
import shutil

import pytest

ADD = """extern "C" __global__ void add(int *sum, int n)
{
    *sum += n;
}
"""


class Result:
    """What runtime_driver printed, a text for each line by its word, and the fake's log."""

    def __init__(self, done, log):
        self.text, self.errors, self.code = done.stdout, done.stderr, done.returncode
        self.log = log.read_text().splitlines() if log.exists() else []
        self.lines = [line.split(": ", 1) for line in self.text.splitlines() if ": " in line]

    def of(self, word):
        return [text for name, text in self.lines if name == word]

    def one(self, word):
        texts = self.of(word)
        assert len(texts) == 1, self.text
        return texts[0]

    def calls(self, name):
        return [line for line in self.log if line.split()[0] == name]


@pytest.fixture
def fake(repository, tmp_path):
    """The fake library, a copy that a test may touch."""
    built = repository / os.environ.get("TILE_BUILD", "build") / "tests" / "libfake_cuda.so"
    return shutil.copy(built, tmp_path / "libfake_cuda.so")


@pytest.fixture
def source(tmp_path):
    """source("add.cu", text): its path."""
    def write(name="add.cu", text=ADD):
        path = tmp_path / name
        path.write_text(text)
        return path
    return write


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def environment(fake, cache):
    """That of every run; leaks are the runtime's business in the sanitizer build too."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TILE_", "FAKE_"))}
    return kept | {"TILE_CUDA_DRIVER": str(fake), "TILE_NVRTC": str(fake),
                   "TILE_CACHE_DIR": str(cache), "ASAN_OPTIONS": "detect_leaks=1"}


@pytest.fixture
def runtime(unit, environment, tmp_path):
    """runtime("context", 0, ..., FAKE_FAIL="cuInit=100"): a Result. None unsets a variable."""
    log = tmp_path / "log"

    def run(*words, before=None, **variables):
        log.unlink(missing_ok=True)
        now = environment | {"FAKE_LOG": str(log)} | variables
        now = {k: str(v) for k, v in now.items() if v is not None}
        done = unit("runtime_driver", *words, env=now, preexec_fn=before)
        assert done.returncode == 0, done.stdout + done.stderr
        return Result(done, log)
    return run
