"""The test kernels are CUDA: nvcc takes them, puts nothing into local memory, serializes no wgmma."""
import re
import shutil
import subprocess

import faults
import faults_tcgen05
import pytest
import test_tmem
from machine import KERNELS, ROOT

NVCC = shutil.which("nvcc")
OPTIONS = {kernel: config()[4] for kernel, config in (faults.CONFIGS | faults_tcgen05.CONFIGS).items()}
OPTIONS |= {"bank": [], "tmem": test_tmem.options("16x256b", 4, 0, "128x256b")}
# More forms of one text.
FORMS = [("tcgen05", faults_tcgen05.tcgen05(kind=kind)[4]) for kind in ("mxf8f6f4", "mxf4nvf4_4x")]
FORMS += [("tmem", test_tmem.options(shape, n, pack, copy)) for shape, n, pack, copy in
          (("32x32b", 128, 1, "128x128b"), ("16x64b", 16, 0, "64x128b_01_23"), ("16x128b", 64, 1, "32x128b"))]


def test_every_kernel_is_here():
    assert {path.stem for path in KERNELS.glob("*.cu")} == set(OPTIONS)


@pytest.mark.parametrize("kernel, options", [*OPTIONS.items(), *FORMS], ids=str)
def test_nvcc_takes_it(kernel, options, tmp_path):
    if not NVCC:
        pytest.skip("nvcc is not installed")
    text = (KERNELS / f"{kernel}.cu").read_text()
    arch = "sm_100a" if "tcgen05.h" in text else "sm_90a"
    done = subprocess.run([NVCC, "-std=c++17", "-fmad=false", f"-arch={arch}", "-cubin", "-Xptxas", "-v",
                           "-diag-suppress", "177", f"-I{ROOT}", *options, "-o", tmp_path / "x.cubin",
                           KERNELS / f"{kernel}.cu"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    frames = re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", done.stderr)
    assert frames and set(frames) == {("0", "0")}, done.stderr
    assert "serialized" not in done.stderr, done.stderr  # what ptxas says where it waits for each wgmma
