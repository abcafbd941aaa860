"""Libraries that `tilec build` makes, called through tests/unit/call_driver.c.

The GPU is tests/runtime/fake_cuda.c: its "machine code" is the CUDA text, its log says what was
launched. The CPU is the interpreter inside the library.
"""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TILE_BUILD", "build")
TILEC = pathlib.Path(os.environ.get("TILEC", BUILD / "tilec"))
FAKE = BUILD / "tests" / "libfake_cuda.so"
CASES = ROOT / "tests" / "host" / "cases.tile"


def clean_environment(**variables):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TILE_", "FAKE_"))}
    kept |= {"TILE_CUDA_DRIVER": str(FAKE), "TILE_NVRTC": str(FAKE)} | variables
    return {k: str(v) for k, v in kept.items() if v is not None}


def build_library(folder, name, *files, arch="sm90,sm100,cpu", options=(), code=0, **variables):
    """DIR/NAME with libNAME.so; gives the finished process."""
    env = clean_environment(TILE_CACHE_DIR=folder / "cache", ASAN_OPTIONS="detect_leaks=0",
                            **variables)
    done = subprocess.run([TILEC, "build", *files, "--arch", arch, "-o", folder / name, *options],
                          capture_output=True, text=True, env=env, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


class Result:
    """What call_driver printed, a text for each line by its word, and the fake's log."""

    def __init__(self, done, log):
        self.text, self.errors, self.code = done.stdout, done.stderr, done.returncode
        self.lines = [line.split(": ", 1) for line in self.text.splitlines() if ": " in line]
        self.log = log.read_text().splitlines() if log.exists() else []

    def of(self, word):
        return [text for name, text in self.lines if name == word]

    def one(self, word):
        texts = self.of(word)
        assert len(texts) == 1, self.text + self.errors
        return texts[0]

    def calls(self, name):
        return [line for line in self.log if line.split()[0] == name]

    def addresses(self):
        found = re.findall(r"^tensor (\d+): (\S+)$", self.text, re.M)
        return {int(i): int(a, 16) for i, a in found}


def sanitized():
    return os.environ.get("TILE_BUILD", "build") != "build"
