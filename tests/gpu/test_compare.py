"""compare.py itself: its cases are sound, and it sees what differs. Its GPU here is a fake that runs
nothing, or the machine model where there is one."""
import os
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import kernel_cases  # noqa: E402


@pytest.fixture
def compare(repository, tmp_path):
    def run(*words, **environment):
        command = [sys.executable, "tests/gpu/compare.py", "--tilec", os.environ["TILEC"], "--jobs", "2"]
        done = subprocess.run([*command, *words], cwd=repository, capture_output=True, text=True,
                              env=os.environ | {"TILE_CACHE_DIR": str(tmp_path / "cache")} | environment,
                              timeout=1200)
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout
    return run


@pytest.fixture
def fake(repository):
    library = repository / os.environ.get("TILE_BUILD", "build") / "tests" / "libfake_cuda.so"
    return {"TILE_CUDA_DRIVER": str(library), "TILE_NVRTC": str(library)}


def test_names_are_different():
    names = [case.name for case in kernel_cases.all_cases()]
    assert len(set(names)) == len(names) > 500


def test_every_kernel_with_cuda_has_cases(repository, tilec, tmp_path):
    covered = {(case.file, case.kernel) for case in kernel_cases.all_cases(few=True)}
    for file in sorted((repository / "kernels.tile").rglob("*.tile")):
        done = tilec("emit", file, "--arch", "sm90", "-o", tmp_path / file.stem)
        for path in (tmp_path / file.stem).glob("*.cu"):
            kernel = path.name.split(".")[0]
            assert done.returncode or (str(file.relative_to(repository)), kernel) in covered, kernel


def test_cases_run_in_the_interpreter(compare, level):
    code, out = compare("--cpu", *(["--few"] if level == 1 else []))
    assert code == 0 and out.endswith("all equal\n"), out


def test_a_gpu_that_computes_nothing_is_seen(compare, fake):
    code, out = compare("--few", "transpose", "sinkhorn", **fake)
    assert code == 1
    assert "FAILED transpose bf16 2x65x130 +0 @0: y: " in out and "in the interpreter, " in out
    assert "transpose             3 cases, 3 differ" in out and out.endswith("\n7 differ\n"), out


def test_a_gpu_that_fails_is_told(compare, fake):
    code, out = compare("--few", "transpose", **fake, FAKE_FAIL="cuLaunchKernelEx=719")
    assert code == 1 and out.count("FAILED") == 3
    assert "gpu0: tilec: launching kernel tk_transpose" in out, out


SANITIZER = """\
#!/bin/sh
tool=$2; shift 4
"$@" || exit
[ $tool != memcheck ] || { echo "========= Invalid __global__ read of size 4"; n=1; }
[ $tool != racecheck ] || { echo "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"; exit; }
echo "========= ERROR SUMMARY: ${n-0} errors"
"""


def test_what_a_sanitizer_finds_is_told(compare, fake, tmp_path):
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(SANITIZER)
    tool.chmod(0o755)
    code, out = compare("--sanitize", "transpose", **fake, PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert code == 1 and "NOT CLEAN" in out
    assert "memcheck: " in out and "Invalid __global__ read of size 4" in out, out
    for other in "racecheck", "synccheck", "initcheck":
        assert f"{other}: " not in out and f"{other:10} 3 cases" in out, out


@pytest.mark.parametrize("arch, seeds", [("sm90", 9), ("sm100", 3)])
def test_on_the_machine_model(compare, arch, seeds):
    """Some cases in several orders of threads and completions; `make machine-test` has all in more."""
    code, out = compare("--machine", arch, "--seeds", str(seeds), "--few")
    assert code == 0 and out.endswith("all equal\n"), out
