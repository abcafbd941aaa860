"""The test kernels are CUDA: nvcc takes them, puts nothing into local memory, serializes no wgmma."""
import re
import shutil
import subprocess

import pytest
from faults import CONFIGS
from machine import KERNELS, ROOT

NVCC = shutil.which("nvcc")
OPTIONS = {kernel: config()[4] for kernel, config in CONFIGS.items()} | {"bank": []}


def test_every_kernel_is_here():
    assert {path.stem for path in KERNELS.glob("*.cu")} == set(OPTIONS)


@pytest.mark.parametrize("kernel", OPTIONS)
def test_nvcc_takes_it(kernel, tmp_path):
    if not NVCC:
        pytest.skip("nvcc is not installed")
    done = subprocess.run([NVCC, "-std=c++17", "-fmad=false", "-arch=sm_90a", "-cubin", "-Xptxas", "-v",
                           "-diag-suppress", "177", f"-I{ROOT}", *OPTIONS[kernel],
                           "-o", tmp_path / "x.cubin", KERNELS / f"{kernel}.cu"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", done.stderr)
    assert frames and set(frames) == {("0", "0")}, done.stderr
    assert "serialized" not in done.stderr, done.stderr  # what ptxas says where it waits for each wgmma
