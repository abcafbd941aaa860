"""The CUDA that `tilec emit` writes: which kernels it covers, how it reads, that nvcc takes it.

Where nvcc is present a variant of every covered kernel is compiled for sm_90a and sm_100a; spills
and local memory fail the test, but for the kernels that are known to need work.
"""
import os
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TILEC = pathlib.Path(os.environ.get("TILEC", ROOT / "build" / "tilec"))
NVCC = shutil.which("nvcc")

# File, and whether its registers hold everything: rows of 7168 need `chunk`, which comes later.
COVERED = {
    "kernels.tile/quant/per_token_cast.tile": True,
    "kernels.tile/quant/cast_e5m6.tile": True,
    "kernels.tile/quant/swiglu_psum.tile": True,
    "kernels.tile/quant/swiglu_bwd.tile": True,
    "kernels.tile/transpose/transpose.tile": True,
    "kernels.tile/mhc/sinkhorn.tile": True,
    "kernels.tile/mhc/sinkhorn_bwd.tile": True,
    "kernels.tile/mhc/multilayer.tile": False,
    "kernels.tile/gating/top2_sum_gate.tile": True,
    "kernels.tile/routing/fused_mapping.tile": True,
    "kernels.tile/engram/engram_gate.tile": False,
    "kernels.tile/engram/engram_gate_bwd.tile": False,
    "examples/rms_norm.tile": True,
}
NOT_YET = {
    "kernels.tile/gemm/gemm_bf16.tile": "mma",
    "kernels.tile/mhc/pre_big_fuse.tile": "roles",
    "examples/gemm_bf16_roles.tile": "pipe",
}


def emit(file, folder, arch="sm90", code=0):
    done = subprocess.run([TILEC, "emit", ROOT / file, "--arch", arch, "-o", folder],
                          capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr, sorted(folder.glob("*.cu"))


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("file", COVERED)
def test_every_variant_is_written(file, arch, tmp_path):
    _, files = emit(file, tmp_path, arch)
    assert files
    for path in files:
        text = re.sub("//.*", "", path.read_text())
        assert "__global__" in text and text.count("{") == text.count("}")


@pytest.mark.parametrize("file", NOT_YET)
def test_what_is_missing_is_said_at_its_line(file, tmp_path):
    errors, files = emit(file, tmp_path, code=1)
    assert re.search(rf"{re.escape(pathlib.Path(file).name)}:\d+:\d+: error: {NOT_YET[file]}: "
                     "not lowered to CUDA yet", errors)
    assert not files


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
@pytest.mark.parametrize("file", COVERED)
def test_nvcc_takes_it(file, arch, tmp_path):
    if not NVCC:
        pytest.skip("nvcc is not installed")
    if arch == "sm100" and os.environ.get("TILE_TEST_LEVEL", "1") == "1" and "quant" not in file:
        pytest.skip("both targets of every kernel: TILE_TEST_LEVEL=2")
    path = emit(file, tmp_path, arch)[1][-1]
    done = subprocess.run([NVCC, "-std=c++17", "-fmad=false", f"-arch=sm_{arch[2:]}a", "-cubin",
                           "-Xptxas", "-v", "-diag-suppress", "177", f"-I{ROOT}",
                           "-o", tmp_path / "x.cubin", path],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", done.stderr)
    assert frames
    if COVERED[file]:
        assert set(frames) == {("0", "0")}, done.stderr


def test_the_cast_reads_well(tmp_path):
    """The statements of (a) in order, each behind its source line."""
    emit("kernels.tile/quant/per_token_cast.tile", tmp_path)
    path = tmp_path / "per_token_cast.bf16_e4m3_f32_128_false.sm90.cu"
    text = path.read_text()
    wanted = ["// 15: let v = reshape(f32(x[m +: BM, k +: BK])", "tile_load_8_u16(",
              "tile_bf16_to_f32(", "// 16: let a = max(amax(abs(v), 2), lo);", "tile_max_f32(",
              "tile_shuffle_xor_f32(", "/ 448.0f", "// 18: y[m +: BM, k +: BK] = O(",
              "tile_f32_to_e4m3_pair(", "tile_store_16_u8(y", "// 19: sf["]
    at = [text.index(part) for part in wanted]
    assert at == sorted(at)
    assert len(text.splitlines()) < 80


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
