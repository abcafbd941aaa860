"""`assert` of a schedule: bank conflicts and shared memory of what was emitted, registers and spills
of what was compiled."""
import os
import pathlib
import random
import re
import shutil
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TILE_BUILD", "build")
NVCC = shutil.which("nvcc")

TURN = """kernel turn[M: dim, N: dim](x: in %(type)s[M, N], y: out %(type)s[N, M])
{
  par (m in 0..M by %(m)d, n in 0..N by %(n)d) {
    let v = x[m +: %(m)d, n +: %(n)d];
    y[n +: %(n)d, m +: %(m)d] = max(trans(v), trans(v));
  }
}
schedule turn for sm90 {
  unit block warps(%(warps)d);
  %(assert)s
}
"""


@pytest.fixture
def file(tmp_path):
    def write(words="", type="f32", m=64, n=48, warps=4):
        path = tmp_path / "t.tile"
        path.write_text(TURN % {"type": type, "m": m, "n": n, "warps": warps, "assert": words})
        return path
    return write


def emit(tilec, path, *words):
    return tilec("emit", path, "--arch", "sm90", "-o", path.parent / "out", *words)


# ---- shared memory ----

@pytest.mark.parametrize("verb", ["emit", "check"])
def test_shared_memory(tilec, file, verb):
    run = (lambda path: emit(tilec, path)) if verb == "emit" else lambda path: tilec("check", path)
    assert run(file("assert smem(12288);")).returncode == 0
    done = run(file("assert smem(12287);"))
    assert done.returncode == 1
    assert "t.tile:10:10: error: assert smem(12287): kernel turn takes 12288 bytes of shared memory a block\n" \
        in done.stderr
    assert "the largest: turn 12288" in done.stderr


def test_shared_memory_of_a_phase(tilec, tmp_path):
    """Asserts outside hold for every phase, those of a phase add up; each tells of its own."""
    path = tmp_path / "t.tile"
    path.write_text("""
kernel k[N: dim](x: in f32[N, 64], y: out f32[64, N], z: out f32[N]) {
  @turn par (n in 0..N by 64) { let v = x[n +: 64, :]; y[:, n +: 64] = max(trans(v), 0.0); }
  @copy par (n in 0..N by 64) { z[n +: 64] = x[n +: 64, 0]; }
}
schedule k for sm90 { assert smem(16384);  phase turn { assert smem(999); }  phase copy { assert smem(0); } }
""")
    done = tilec("check", path)
    assert re.findall(r":(\d+:\d+): error: (.*)", done.stderr) == [
        ("6:64", "assert smem(999): phase turn takes 16384 bytes of shared memory a block")]


def test_what_cannot_be_lowered_yet_is_no_matter_of_check(tilec):
    done = tilec("check", ROOT / "kernels.tile/gemm/gemm_bf16.tile")
    assert (done.returncode, done.stderr) == (0, "")


# ---- bank conflicts ----

def found(done):
    if done.returncode == 0:
        return 0
    assert "t.tile:10:10: error: assert bank_conflicts(0): the accesses of kernel turn have" in done.stderr
    assert re.search(r"t.tile:5:5: note: \d+ of them are here, where t is in shared memory", done.stderr)
    return int(re.search(r"have (\d+) bank conflicts", done.stderr)[1])


# Tiles of which a lane has 8 vectors or fewer: the machine tells as many accesses of a line apart.
CASES = [("u8", 32, 32, 4), ("u8", 16, 8, 1), ("bf16", 16, 32, 4), ("bf16", 8, 16, 1), ("bf16", 40, 16, 4),
         ("f32", 16, 16, 2), ("f32", 24, 16, 4), ("f32", 16, 8, 1), ("f32", 40, 32, 8), ("i64", 8, 24, 2),
         ("i64", 64, 4, 2), ("i64", 32, 32, 4), ("i64", 16, 8, 2)]


@pytest.mark.parametrize("type, m, n, warps", CASES)
def test_bank_conflicts_are_those_of_the_machine(tilec, file, tmp_path, type, m, n, warps):
    """The machine model counts what warps really do, at addresses that they compute."""
    counted = found(emit(tilec, file("assert bank_conflicts(0);", type, m, n, warps)))
    if counted:
        assert emit(tilec, file(f"assert bank_conflicts({counted});", type, m, n, warps)).returncode == 0
        assert emit(tilec, file(f"assert bank_conflicts({counted - 1});", type, m, n, warps)).returncode == 1
    kind = {"bf16": "u2", "u8": "u1", "i64": "i8", "f32": "f4"}[type]
    np.save(tmp_path / "x.npy", np.zeros((m, n), kind))
    done = tilec("run", file("", type, m, n, warps), "--machine", "sm90", "-v", "-i", f"x={tmp_path / 'x.npy'}")
    seen = int(re.search(r"(\d+) more by bank conflicts", done.stdout)[1])
    # The assert tells of the warp that has most; in a block warps differ.
    assert counted <= seen <= warps * counted


def test_some_have_conflicts_and_some_have_none(tilec, file):
    all_of_them = [found(emit(tilec, file("assert bank_conflicts(0);", *case))) for case in CASES]
    assert 0 in all_of_them and max(all_of_them) > 0


LOCAL = """kernel k[N: dim](x: in f32[N, 4], y: out f32[N, 4]) {
  par (t in 0..N) {
    local a: %s[%d, 4];
    for i in 0..%d { a[i, :] = %s; }
    for i in 0..%d { y[t, :] = f32(a[i, :]) + y[t, :]; }
  }
}
schedule k for sm90 { unit %s;  place a smem;  assert bank_conflicts(0); }
"""


@pytest.mark.parametrize("unit", ["thread pack(64)", "lanes(4) pack(8)", "warp"])
@pytest.mark.parametrize("type, value", [("f32", "x[t, :]"), ("i64", "i64(x[t, :])"), ("u8", "u8(x[t, :])")])
def test_local_tensors(tilec, tmp_path, unit, type, value):
    """A thread's own are a block's width apart; the parts of a warp have them one behind the other."""
    path = tmp_path / "t.tile"
    path.write_text((LOCAL % (type, 32, 32, value, 32, unit)).replace("y: out", "y: inout"))
    done = emit(tilec, path)
    packed = unit.startswith("lanes")
    assert (done.returncode == 1) == packed, done.stderr
    if packed:
        assert "note: " in done.stderr and "where a is in shared memory" in done.stderr


@pytest.mark.parametrize("rows, fits", [(56, True), (57, False)])
def test_more_shared_memory_than_there_is(tilec, tmp_path, rows, fits):
    path = tmp_path / "t.tile"
    path.write_text(f"""kernel k[N: dim](x: in f32[N, 1024], y: out f32[N, 1024]) {{
  @fill par (t in 0..N) {{
    local big: f32[{rows}, 1024];
    for i in 0..{rows} {{ big[i, :] = x[t + i, :]; }}
    y[t, :] = big[0, :] + big[{rows - 1}, :];
  }}
}}
schedule k for sm90 {{ place big smem; }}
""")
    done = emit(tilec, path)
    assert (done.returncode == 0) == fits, done.stderr
    if not fits:
        assert f"t.tile:2:3: error: phase fill takes {rows * 4096} bytes of shared memory a block, which has 232448" \
            in done.stderr and f"the largest: big {rows * 4096}" in done.stderr


# ---- registers and spills ----

def build(tilec, path, *words, **environment):
    return tilec("build", path, "--arch", "sm90", "-o", path.parent / "lib", *words,
                 env=os.environ | environment)


@pytest.mark.skipif(not NVCC, reason="nvcc is not installed")
def test_registers(tilec, file):
    assert build(tilec, file("assert regs(255) spills(0);")).returncode == 0
    done = build(tilec, file("assert regs(20) spills(0);"))
    assert done.returncode == 1
    assert re.search(r"t.tile:10:10: error: assert regs\(20\): a thread of tk_turn takes \d\d registers\n", done.stderr)
    assert "registers, in the code for tensors that are not aligned" in done.stderr


SPILLS = """kernel k[N: dim](x: in f32[N, 512], y: out f32[N, 512]) {
  par (t in 0..N) { let v = x[t, :];  let s = sum(v, 0, order = seq);  y[t, :] = v / s; }
}
schedule k for sm90 { unit thread pack(32); assert spills(%d); }
"""


@pytest.mark.skipif(not NVCC, reason="nvcc is not installed")
def test_spills(tilec, tmp_path):
    path = tmp_path / "t.tile"
    path.write_text(SPILLS % 0)
    done = build(tilec, path)
    found = re.search(r"t.tile:4:52: error: assert spills\(0\): a thread of tk_k has (\d+) bytes in local memory\n",
                      done.stderr)
    assert done.returncode == 1 and found and int(found[1]) > 512, done.stderr
    path.write_text(SPILLS % 65536)
    assert build(tilec, path).returncode == 0


def test_what_is_not_checked_is_said(tilec, file):
    path = file("assert regs(20) spills(0);")
    nothing = {"TILE_NVCC": "", "TILE_NVRTC": "/nowhere/libnvrtc.so"}
    assert "not checked" not in build(tilec, path, **nothing).stdout
    assert "2 asserts of registers and spills not checked: nothing here compiles CUDA" in \
        build(tilec, path, "-v", **nothing).stdout
    assert "2 asserts of registers and spills not checked: emit compiles nothing" in emit(tilec, path, "-v").stdout


def test_on_the_gpu_the_driver_knows(tilec, file, tmp_path):
    """The fake GPU's functions take 40 registers and 16 bytes of stack."""
    fake = str(BUILD / "tests" / "libfake_cuda.so")
    np.save(tmp_path / "x.npy", np.zeros((64, 48), np.float32))

    def run(words):
        return tilec("run", file(words), "--device", "cuda", "-i", f"x={tmp_path / 'x.npy'}",
                     env=os.environ | {"TILE_CUDA_DRIVER": fake, "TILE_NVRTC": fake,
                                       "TILE_CACHE_DIR": str(tmp_path / "cache")})
    assert run("assert regs(40) spills(16);").returncode == 0
    done = run("assert regs(39) spills(15);")
    assert done.returncode == 1
    assert "t.tile:10:10: error: assert regs(39): a thread of tk_turn takes 40 registers\n" in done.stderr
    assert "t.tile:10:19: error: assert spills(15): a thread of tk_turn has 16 bytes in local memory\n" in done.stderr


@pytest.mark.skipif(not NVCC, reason="nvcc is not installed")
@pytest.mark.parametrize("arch", ["sm90", "sm100"])
def test_cubins_are_read_as_ptxas_says(tilec, unit, tmp_path, arch):
    path = tmp_path / "t.tile"
    path.write_text((SPILLS % 0).replace("for sm90 ", ""). replace("assert spills(0);", ""))
    tilec("emit", path, "--arch", arch, "-o", tmp_path)
    cubin = tmp_path / "k.cubin"
    done = subprocess.run([NVCC, "-std=c++17", "-fmad=false", f"-arch=sm_{arch[2:]}a", "-cubin", "-Xptxas", "-v",
                           f"-I{ROOT}", "-o", cubin, tmp_path / f"k.{arch}.cu"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    registers, stack = (re.search(form, done.stderr)[1] for form in (r"Used (\d+) registers", r"(\d+) bytes stack"))
    assert unit("cubin_driver", cubin, "tk_k", "tk_l").stdout == f"tk_k {registers} {stack}\ntk_l unknown\n"
    bytes_ = cubin.read_bytes()
    r = random.Random(1)
    for _ in range(200):                          # whatever a file has, nothing outside of it is read
        damaged = bytearray(bytes_[:r.choice([len(bytes_), r.randrange(len(bytes_))])])
        for _ in range(r.randrange(20)):
            if damaged:
                damaged[r.choice([r.randrange(len(damaged)), r.randrange(min(64, len(damaged)))])] = r.randrange(256)
        (tmp_path / "damaged").write_bytes(damaged)
        assert unit("cubin_driver", tmp_path / "damaged", "tk_k").returncode == 0
