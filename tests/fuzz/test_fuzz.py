"""A short run of every fuzz harness without libFuzzer: the kept inputs, the files of the tree that
are of their kind, and damaged copies of both. `make fuzz` is the long run."""
import os
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLOW = os.environ.get("TILE_BUILD", "build").endswith("san")

# Damaged copies at level 1; the sanitizer build takes a tenth, level 2 ten times as many.
COPIES = {"parse": 6000, "ir": 6000, "npy": 6000, "program": 1400,
          "call": 20000}
FILES = {
    "parse": ["kernels.tile/*/*.tile", "examples/*.tile", "tests/errors/*.tile",
              "tests/frontend/*.tile"],
    "ir": ["tests/ir/*.ir"],
    "npy": [],
    "program": [],
    "call": [],
}


def inputs(name):
    kept = sorted((ROOT / "tests/fuzz/corpus" / name).iterdir())
    assert kept, f"tests/fuzz/corpus/{name} is empty"
    return kept + [path for pattern in FILES[name] for path in sorted(ROOT.glob(pattern))]


def run(unit, folder, monkeypatch, name, copies, seed):
    last = folder / "last"
    monkeypatch.setenv("TILE_FUZZ_LAST", str(last))
    done = unit(f"fuzz_{name}", "-n", copies, "-s", seed, *inputs(name))
    assert done.returncode == 0, f"the input is in {last}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", COPIES)
def test_harness(unit, tmp_path, monkeypatch, level, name, seed):
    copies = COPIES[name] // 2
    copies = copies // 10 if SLOW else copies
    run(unit, tmp_path, monkeypatch, name, copies * (10 if level > 1 else 1), seed)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/fuzz/programs").iterdir()),
                         ids=lambda path: path.stem)
def test_program(tilec, path):
    """What the fuzzer found once, as small programs. They check; `# run` has the arguments of a
    run, `# says` the message it ends with."""
    done = tilec("check", path)
    assert done.returncode == 0, done.stderr
    said = re.findall(r"^# says (.*)$", path.read_text(), re.M)
    for line in re.findall(r"^# run (.*)$", path.read_text(), re.M):
        done = tilec("run", path, *line.split())
        assert done.returncode == bool(said), done.stderr
        assert all(text in done.stderr for text in said), done.stderr


def test_every_harness_is_run():
    names = {path.stem for path in (ROOT / "tests/fuzz").glob("*.c")}
    assert names == set(COPIES) and names == set(FILES)
