"""BF16 and FP8 matrix products, within the bounds of ref_gemm.py; exact on small integers."""
import numpy as np
import pytest

from data import normal, small_integers
from harness import LEVEL, run, same_bits, within
from ref_gemm import gemm_fp8_nt, gemm_nt
from ref_math import F32, ceil_div, convert

BF16 = {"plain": ("gemm/gemm_bf16.tile", "gemm_nt"),
        "roles": ("examples/gemm_bf16_roles.tile", "gemm_nt_roles")}
SIZES = [(0, 8, 8), (1, 8, 8), (5, 16, 0), (63, 120, 56), (64, 128, 64), (65, 136, 72),
         (129, 24, 200)]


def bf16_gemm(kind, a, b, C="bf16", **statics):
    file, kernel = BF16[kind]
    if kind == "plain":
        statics["C"] = C
    return run(file, kernel, statics, {"a": a, "b": b}, {"c": C})["c"]


def fp8_gemm(a, sa, b, sb, **statics):
    inputs = {"a": a, "sa": sa, "b": b, "sb": sb}
    return run("gemm/gemm_fp8.tile", "gemm_fp8_nt", statics, inputs, {"c": "bf16"})["c"]


def fp8_inputs(M, N, K, seed):
    r = np.random.default_rng(seed)
    sa, sb = (np.ldexp(r.random(s) + 0.5, r.integers(-6, 7, s)).astype(F32)
              for s in ((M, ceil_div(K, 128)), (ceil_div(N, 128), ceil_div(K, 128))))
    return normal((M, K), seed, 30.0, "e4m3"), sa, normal((N, K), seed + 1, 30.0, "e4m3"), sb


@pytest.mark.parametrize("M,N,K", SIZES)
@pytest.mark.parametrize("kind,C", [("plain", "bf16"), ("plain", "f32"), ("roles", "bf16")])
def test_bf16_sizes(kind, C, M, N, K):
    a, b = normal((M, K), M, T="bf16"), normal((N, K), N + 1, T="bf16")
    got = bf16_gemm(kind, a, b, C)
    value, bound = gemm_nt(a, b, C)
    within(got, value, bound, "c")


@pytest.mark.parametrize("BM,BN", [(64, 16), (64, 256), (128, 96), (256, 128)])
def test_bf16_tiles(BM, BN):
    a, b = normal((150, 136), 1, T="bf16"), normal((104, 136), 2, T="bf16")
    value, bound = gemm_nt(a, b, "f32")
    within(bf16_gemm("plain", a, b, "f32", BM=BM, BN=BN), value, bound, "c")


@pytest.mark.parametrize("STAGES", [1, 2, 4])
@pytest.mark.parametrize("seed", range(2))
def test_roles_stages(STAGES, seed):
    a, b = normal((70, 328), seed, T="bf16"), normal((136, 328), seed + 9, T="bf16")
    value, bound = gemm_nt(a, b)
    within(bf16_gemm("roles", a, b, STAGES=STAGES), value, bound, "c")


@pytest.mark.parametrize("kind", list(BF16))
def test_bf16_exact(kind):
    a, b = small_integers((77, 264), 1), small_integers((88, 264), 2)
    exact = a.astype(F32) @ b.astype(F32).T
    same_bits(bf16_gemm(kind, a, b), convert(exact, "bf16"), "c")


@pytest.mark.parametrize("kind", list(BF16))
def test_bf16_middle_size(kind):
    a, b = normal((256, 512), 3, T="bf16"), normal((384, 512), 4, T="bf16")
    value, bound = gemm_nt(a, b)
    within(bf16_gemm(kind, a, b), value, bound, "c")


@pytest.mark.parametrize("M,N,K", [(0, 8, 16), (1, 8, 16), (5, 16, 0), (63, 120, 112),
                                   (64, 128, 128), (65, 136, 144), (7, 264, 400)])
def test_fp8_sizes(M, N, K):
    a, sa, b, sb = fp8_inputs(M, N, K, M + N)
    value, bound = gemm_fp8_nt(a, sa, b, sb)
    within(fp8_gemm(a, sa, b, sb), value, bound, "c")


@pytest.mark.parametrize("BM,BN", [(64, 16), (64, 192), (128, 112)])
def test_fp8_tiles(BM, BN):
    """BN need not divide 128: a tile may see two scales of b."""
    a, sa, b, sb = fp8_inputs(70, 272, 272, BN)
    value, bound = gemm_fp8_nt(a, sa, b, sb)
    within(fp8_gemm(a, sa, b, sb, BM=BM, BN=BN), value, bound, "c")


def test_fp8_exact():
    """Integers and powers of two: every step is exact, a wrong scale cannot hide in the bound."""
    a, b = small_integers((67, 400), 1, "e4m3"), small_integers((280, 400), 2, "e4m3")
    r = np.random.default_rng(3)
    sa, sb = (2.0 ** r.integers(-1, 2, s).astype(F32) for s in ((67, 4), (3, 4)))
    wide = np.repeat(sa, 128, 1)[:, :400] * a.astype(F32)
    other = np.repeat(np.repeat(sb, 128, 1)[:, :400], 128, 0)[:280] * b.astype(F32)
    same_bits(fp8_gemm(a, sa.astype(F32), b, sb.astype(F32)), convert(wide @ other.T, "bf16"), "c")


def test_fp8_middle_size():
    a, sa, b, sb = fp8_inputs(256, 384, 512, 5)
    value, bound = gemm_fp8_nt(a, sa, b, sb)
    within(fp8_gemm(a, sa, b, sb), value, bound, "c")


@pytest.mark.skipif(LEVEL < 2, reason="TILE_TEST_LEVEL=2")
def test_large():
    a, b = normal((1024, 2048), 6, T="bf16"), normal((1536, 2048), 7, T="bf16")
    value, bound = gemm_nt(a, b)
    within(bf16_gemm("plain", a, b), value, bound, "c")
    a, sa, b, sb = fp8_inputs(1024, 1536, 2048, 8)
    value, bound = gemm_fp8_nt(a, sa, b, sb)
    within(fp8_gemm(a, sa, b, sb), value, bound, "c")
