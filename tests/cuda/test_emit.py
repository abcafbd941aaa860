"""The CUDA that `tilec emit` writes: which kernels it covers, how it reads, that nvcc takes it.

Where nvcc is present, some variants of every kernel are compiled for sm_90a and sm_100a; spills and
local memory fail the test, but for the kernels that are known to need work. Three variants are kept
whole in golden/, to be read: after a change of the emitter

    build/venv/bin/python tests/cuda/test_emit.py

writes them anew. Look at the difference before it is kept.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TILEC = pathlib.Path(os.environ.get("TILEC", ROOT / "build" / "tilec"))
NVCC = shutil.which("nvcc")
EVERYTHING = os.environ.get("TILE_TEST_LEVEL", "1") != "1"

# What is not lowered yet, and what is said.
NOT_YET = {
    "kernels.tile/gemm/gemm_bf16.tile": "mma", "kernels.tile/gemm/gemm_fp8.tile": "mma",
    "kernels.tile/gemm/gemm_k_grouped.tile": "mma", "kernels.tile/gemm/grouped_gemm.tile": "mma",
    "kernels.tile/gemm/gemm_fp8_fp4.tile": None, "kernels.tile/mhc/norm_fn.tile": "mma",
    "examples/gemm_bf16_roles.tile": "regs of role producer", "examples/ep_dispatch.tile": "wait",
}
COVERED = [str(p.relative_to(ROOT)) for top in ("kernels.tile", "examples")
           for p in sorted((ROOT / top).rglob("*.tile")) if str(p.relative_to(ROOT)) not in NOT_YET]
GOLDEN = {
    "kernels.tile/quant/per_token_cast.tile": "per_token_cast.bf16_e4m3_f32_128_false.else.sm90.cu",
    "kernels.tile/transpose/transpose.tile": "transpose.bf16.sm90.cu",
    "examples/rms_norm.tile": "rms_norm.4096.sm90.cu",
}


def emit(file, folder, arch="sm90", code=0):
    done = subprocess.run([TILEC, "emit", file, "--arch", arch, "-o", folder], cwd=ROOT,
                          capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr, sorted(pathlib.Path(folder).glob("*.cu"))


def kernels_of(file):
    return re.findall(r"^kernel (\w+)", (ROOT / file).read_text(), re.M)


def some(files):
    """The first and the last variant of every kernel; all, if that is asked for and they are few."""
    by_kernel = {}
    for path in files:
        by_kernel.setdefault(path.name.split(".")[0], []).append(path)
    for kernel, paths in by_kernel.items():
        picked = paths if EVERYTHING and len(paths) < 20 else {paths[0], paths[-1]}
        yield kernel, sorted(picked)


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("file", COVERED)
def test_every_variant_is_written(file, arch, tmp_path):
    _, files = emit(file, tmp_path, arch)
    assert {path.name.split(".")[0] for path in files} == set(kernels_of(file))
    for path in files:
        text = re.sub("//.*", "", path.read_text())
        assert "TILE_KERNEL(" in text and text.count("{") == text.count("}")


def test_time(tmp_path):
    """Every variant of every kernel for both targets. Printed (docs/performance.md), and loosely bounded."""
    times = []
    for round in range(5):
        begin = time.perf_counter()
        for arch in ("sm90", "sm100"):
            subprocess.run([TILEC, "emit", *COVERED, "--arch", arch, "-o", tmp_path / f"{arch}{round}"], cwd=ROOT,
                           check=True)
        times.append(time.perf_counter() - begin)
    files = sum(len(list(tmp_path.glob(f"{arch}0/*.cu"))) for arch in ("sm90", "sm100"))
    print(f"{files} variants in {1000 * min(times):.0f} ms")
    assert files > 1000 and (min(times) < 2 or "san" in str(TILEC))


def compiles(path):
    """As C against the machine model's header."""
    return subprocess.run(["cc", "-x", "c", "-std=gnu11", "-DTILE_MACHINE", "-fsyntax-only",
                           "-Werror=implicit-function-declaration", f"-I{ROOT}", path],
                          capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("file", COVERED)
def test_text_is_c(file, arch, tmp_path):
    for _, paths in some(emit(file, tmp_path, arch)[1]):
        for path in paths:
            done = compiles(path)
            assert done.returncode == 0, done.stderr


def test_what_is_no_c_is_seen(tmp_path):
    _, files = emit("examples/rms_norm.tile", tmp_path)
    files[0].write_text(files[0].read_text().replace("tile_rsqrt(", "tile_no_such(", 1))
    assert "tile_no_such" in compiles(files[0]).stderr


@pytest.mark.parametrize("file", [f for f in NOT_YET if NOT_YET[f]])
def test_what_is_missing_is_said_at_its_line(file, tmp_path):
    errors, files = emit(file, tmp_path, code=1)
    assert re.search(rf"{re.escape(pathlib.Path(file).name)}:\d+:\d+: error: {NOT_YET[file]}: "
                     "not lowered to CUDA yet", errors)
    assert not files


@pytest.mark.skipif(not NVCC, reason="nvcc is not installed")
@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("file", COVERED)
def test_registers_hold_everything(file, arch, tmp_path):
    """No spills, no stack: nothing of a kernel is in local memory."""
    if arch == "sm100" and not EVERYTHING and file not in GOLDEN:
        pytest.skip("the second target of every kernel: TILE_TEST_LEVEL=2")
    for kernel, paths in some(emit(file, tmp_path, arch)[1]):
        frames = set()
        for path in paths:
            frames |= compile_with_nvcc(path, arch)
        assert frames == {("0", "0", "0")}, f"{kernel}: stack, stores, loads {frames}"


def compile_with_nvcc(path, arch):
    done = subprocess.run([NVCC, "-std=c++17", "-fmad=false", f"-arch=sm_{arch[2:]}a", "-cubin", "-Xptxas", "-v",
                           "-diag-suppress", "177", f"-I{ROOT}", "-o", path.with_suffix(".cubin"), path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    assert frames, done.stderr
    return set(frames)


# ---- to be read ----

def emitted(file, name):
    with tempfile.TemporaryDirectory(prefix="tilec-") as folder:
        emit(file, folder)
        return (pathlib.Path(folder) / name).read_text()


@pytest.mark.parametrize("file", GOLDEN)
def test_golden(file):
    path = ROOT / "tests" / "cuda" / "golden" / GOLDEN[file]
    assert emitted(file, GOLDEN[file]) == path.read_text(), \
        "the emitter writes another text: see the head of this file"


def test_goldens_are_short():
    for path in (ROOT / "tests" / "cuda" / "golden").glob("*.cu"):
        assert path.name in GOLDEN.values() and len(path.read_text().splitlines()) < 100


def test_the_cast_reads_well():
    """The statements of (a) in order, each behind its source line."""
    file = "kernels.tile/quant/per_token_cast.tile"
    text = emitted(file, GOLDEN[file])
    wanted = ["TILE_LINE(15) // let v = reshape(f32(x[m +: BM, k +: BK])", "tile_load_8_u16", "tile_bf16_to_f32(",
              "TILE_LINE(16) // let a = max(amax(abs(v), 2), lo);", "tile_shuffle_xor_f32(", "/ 448.0f",
              "TILE_LINE(18) // y[m +: BM, k +: BK] = O(", "tile_store_16_e4m3", "TILE_LINE(19) // sf["]
    at = [text.index(part) for part in wanted]
    assert at == sorted(at)


# ---- the command line ----

@pytest.mark.parametrize("words, message", [
    (["--arch", "sm80", "-o", "x"], "--arch sm80"),
    (["-o", "x"], "--arch sm90 or --arch sm100 is missing"),
    (["--arch", "sm90"], "-o DIR is missing"),
])
def test_usage(words, message, tmp_path):
    done = subprocess.run([TILEC, "emit", ROOT / "examples/rms_norm.tile", *words],
                          capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr


def test_unknown_kernel(tmp_path):
    done = subprocess.run([TILEC, "emit", ROOT / "examples/rms_norm.tile", "--arch", "sm90", "-o",
                           tmp_path / "x", "--kernel", "norm"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no kernel norm" in done.stderr


def test_a_folder_that_cannot_be_made():
    done = subprocess.run([TILEC, "emit", ROOT / "examples/rms_norm.tile", "--arch", "sm90", "-o",
                           "/dev/null/x"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "/dev/null/x" in done.stderr


def test_no_driver_is_said(tmp_path):
    """A clear message; no output is written."""
    x = tmp_path / "x.npy"
    np.save(x, np.zeros((3, 4, 4), np.float32))
    y = tmp_path / "y.npy"
    environment = dict(os.environ, TILE_CUDA_DRIVER="/nowhere/libcuda.so.1")
    done = subprocess.run([TILEC, "run", ROOT / "kernels.tile/mhc/sinkhorn.tile", "-s", "eps=0",
                           "--device", "cuda", "-i", f"x={x}", "-o", f"y={y}"],
                          capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1 and "/nowhere/libcuda.so.1" in done.stderr
    assert not y.exists()


def main():
    for file, name in GOLDEN.items():
        path = ROOT / "tests" / "cuda" / "golden" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(emitted(file, name))
    return 0


def test_a_guess_that_fails_before_one_that_passes(tilec, tmp_path):
    """Statics without values are guessed: what is too long for shared memory is no error, if another fits."""
    path = tmp_path / "t.tile"
    path.write_text("""
kernel k[N: dim, E: int, K: int](x: in f32[N, E], y: out i64[N, K])
{
  par (t in 0..N) { y[t, :] = i64(topk(x[t, :], K, 0).1); }
}
schedule k for sm90 { unit warp pack(8); }
""")
    done = tilec("emit", path, "--arch", "sm90", "-o", tmp_path / "out")
    assert done.returncode == 0 and not done.stderr
    assert [p.name for p in (tmp_path / "out").glob("*.cu")] == ["k.8_8.sm90.cu"]


if __name__ == "__main__":
    sys.exit(main())
