"""A block of a GEMM takes less than a second of a core's time."""
import os
import resource

import ml_dtypes
import numpy as np
import pytest
from machine import READ_ONLY, UNDEFINED, Kernel, Launch, Map

THREADS = {"gemm": (384, 163904, 64), "tcgen05_gemm": (192, 163944, 128)}    # threads, shared memory, rows stored


@pytest.mark.skipif("san" in os.environ.get("TILE_BUILD", ""), reason="sanitizers take their time")
@pytest.mark.parametrize("kernel", THREADS)
def test_a_block_of_128_x_128_x_512(kernel):
    threads, shared, rows = THREADS[kernel]
    m, n, k = 128, 128, 512
    a, b, c = (np.zeros(shape, ml_dtypes.bfloat16) for shape in ((m, k), (n, k), (m, n)))
    args = [Map("a", "bf16", [k, m], [2 * k], [64, 128], 128), Map("b", "bf16", [k, n], [2 * k], [64, 128], 128),
            Map("c", "bf16", [n, m], [2 * n], [64, rows], 128), 1, 1, k // 64]
    seconds = []
    for _ in range(2):      # the first compiles
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        Kernel(kernel).run(Launch("gemm", 1, threads, shared=shared), {"a": a, "b": b, "c": c}, args,
                           flags={"a": READ_ONLY, "b": READ_ONLY, "c": UNDEFINED})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert seconds[1] < 1, seconds
