"""bench.py without a GPU: schedules that it writes, arguments that every kernel takes."""
import os
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import plain  # noqa: E402
from schedules import with_parameters  # noqa: E402

PROGRAM = """\
kernel copy[N: dim](x: in f32[N], y: out f32[N])
{
  par (n in 0..N by B) { y[n +: B] = x[n +: B]; }
}
"""
SCHEDULE = "schedule copy for sm90 { let B = tune { 32, 64 };  unit block warps(4); }\n"


@pytest.mark.parametrize("text, parameters, wanted", [
    (SCHEDULE, {"B": 128}, "{ let B = 128;  unit block warps(4); }"),
    (SCHEDULE, {"unit": "unit warp pack(2)"}, "{ let B = tune { 32, 64 };  unit warp pack(2); }"),
    (SCHEDULE, {"B": "64", "load": "load x vector(4)"},
     "{ load x vector(4); let B = 64;  unit block warps(4); }"),
    ("", {"B": 16}, "schedule copy for sm90, sm100 { let B = 16; }"),
])
def test_schedules(text, parameters, wanted, tilec, tmp_path):
    changed = with_parameters(PROGRAM + text, "copy", parameters)
    assert wanted in changed
    (tmp_path / "copy.tile").write_text(changed)
    assert tilec("check", tmp_path / "copy.tile").returncode == 0


def test_all_schedules_of_a_kernel():
    text = PROGRAM + SCHEDULE.replace("sm90 {", "sm90 when N < 9 {") + SCHEDULE
    changed = with_parameters(text, "copy", {"B": 128, "unit": "unit warp"})
    assert changed.count("let B = 128;  unit warp;") == 2 and "tune" not in changed


def test_every_benchmark_takes_its_arguments(repository, tmp_path):
    """On a fake GPU, whose memory is the host's: all is checked and launched."""
    pytest.importorskip("torch")
    built = repository / os.environ.get("TILE_BUILD", "build") / "tests"
    fake = str(built / "libfake_cuda.so")
    done = subprocess.run([sys.executable, "tests/gpu/bench.py", "--check", "128x", "8192", "N=", "mapping"],
                          cwd=repository, capture_output=True, text=True,
                          env=os.environ | {"TILE_BENCH_DEVICE": "cpu", "TILE_CUDA_DRIVER": fake, "TILE_NVRTC": fake,
                                            "TILE_BENCH_LIBRARY": str(built / "libbench.so"),
                                            "TILE_CACHE_DIR": str(tmp_path)})
    assert done.returncode == 0 and "ours:" not in done.stdout, done.stdout + done.stderr


def test_topk_gate(tilec, repository, tmp_path):
    import numpy as np
    logits = np.random.default_rng(0).integers(0, 9, (5, 72)).astype(np.float32)
    np.save(tmp_path / "z.npy", logits)
    done = tilec("run", repository / "tests/gpu/topk_gate.tile", "-s", "K=6", "-i", f"logits={tmp_path}/z.npy",
                 "-o", f"idx={tmp_path}/i.npy")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "i.npy"), np.argsort(-logits, axis=1, kind="stable")[:, :6])


@pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc is not installed")
def test_plain_kernels_compile(tmp_path):
    text = tmp_path / "plain.cu"
    text.write_text("\n".join(f"namespace n{i} {{\n{t.replace('extern ', '').replace(chr(34) + 'C' + chr(34), '')}}}"
                              for i, t in enumerate(plain.texts())))
    done = subprocess.run(["nvcc", "-cubin", "-arch=sm_90a", "-o", tmp_path / "plain.cubin", text],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
