"""Tiles of e2m1 that are spread so thinly that a thread has one element: it is turned, since two share a
byte."""
import numpy as np
import pytest

from runs import Program

TEXT = """
kernel cast[M: dim, K: dim](x: in f32[M, K], y: out e2m1[M, K])
{
  par (m in 0..M, k in 0..K by 128) { y[m, k +: 128] = e2m1(x[m, k +: 128]); }
}
schedule cast for sm90, sm100 { unit block warps(%d); }
"""
VALUES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)


@pytest.mark.parametrize("warps", [1, 4, 8])
@pytest.mark.parametrize("arch", ["sm90", "sm100"])
def test_one_element_a_thread(tilec, tmp_path, warps, arch):
    codes = np.random.default_rng(1).integers(0, 16, (3, 288)).astype(np.uint8)
    x = np.where(codes < 8, 1, -1) * VALUES[codes % 8]
    program = Program(tilec, tmp_path, TEXT % warps, {"x": x.astype(np.float32)}, ["y"], arch=arch)
    program.check_values({"y": codes[:, 0::2] | codes[:, 1::2] << 4}, seeds=4)
