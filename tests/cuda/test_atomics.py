"""The old value of an atomic addition, which one thread of a program asks for and all of them get."""
import io

import numpy as np
import pytest

from runs import Program

UNITS = ["unit block warps(4);", "unit block warps(1);", "unit warp pack(2);", "unit lanes(4) pack(16);",
         "unit thread pack(64);", "unit warp;  grid persistent;"]
NUMPY = {"i32": np.int32, "u32": np.uint32, "i64": np.int64, "u64": np.uint64, "f32": np.float32}


@pytest.mark.parametrize("unit", UNITS)
def test_tickets(tilec, tmp_path, unit):
    """Each program gets another number, and appends to a list."""
    x = np.random.default_rng(1).standard_normal(201).astype(np.float32)
    p = Program(tilec, tmp_path, """
kernel append[N: dim](x: in f32[N], y: inout f32[N] @ nondet, used: inout i32[1] @ nondet)
{
  par (n in 0..N) {
    if x[n] > 0.0 { y[atomic_add(used[0], 1)] = x[n]; }
  }
}
schedule append for sm90, sm100 { %s }
""" % unit, {"x": x, "y": np.zeros(201, np.float32), "used": np.zeros(1, np.int32)}, ["y", "used"])
    for seed in range(4):
        done, bits = p.machine(seed)
        assert done.returncode == 0, done.stderr
        y, used = (np.load(io.BytesIO(bits[name])) for name in ("y", "used"))
        assert used == (x > 0).sum()
        assert np.array_equal(np.sort(y[:used[0]]), np.sort(x[x > 0])) and not y[used[0]:].any()


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("type", NUMPY)
def test_old_values(tilec, tmp_path, unit, type):
    """Each program has an element of its own, so that the old values are known; outside it is 0."""
    count = np.random.default_rng(2).integers(0, 50, 35).astype(NUMPY[type])
    p = Program(tilec, tmp_path, """
kernel old[N: dim, T: type](count: inout T[N] @ nondet, y: out T[N, 32] @ nondet, z: out T[N] @ nondet)
{
  par (n in 0..N) {
    let a = atomic_add(count[n], T(3));
    let b = atomic_add(count[n], T(4));
    z[n] = T(atomic_add(count[n + N], T(5)));
    y[n, :] = T(fill(a + b, 32));
  }
}
schedule old for sm90, sm100 { %s }
""" % unit, {"count": count}, ["count", "y", "z"], {"T": type}, "sm100" if "warp" in unit else "sm90")
    both = (2 * count + NUMPY[type](3)).astype(NUMPY[type])
    p.check_values({"count": count + NUMPY[type](7), "y": np.repeat(both[:, None], 32, 1),
                    "z": np.zeros(35, NUMPY[type])}, seeds=3)


def test_all_threads_get_it(tilec, tmp_path):
    """Without the barrier some threads read what is not there yet."""
    p = Program(tilec, tmp_path, """
kernel first[N: dim](x: in f32[N], y: out i32[N, 64] @ nondet, used: inout i32[1] @ nondet)
{
  par (n in 0..N) { y[n, :] = i32(fill(atomic_add(used[0], 1), 64)); }
}
schedule first for sm90 { unit block warps(2); }
""", {"used": np.zeros(1, np.int32), "x": np.zeros(5, np.float32)}, ["y"])
    done, bits = p.machine()
    y = np.load(io.BytesIO(bits["y"]))
    assert done.returncode == 0 and np.array_equal(np.sort(y[:, 0]), np.arange(5)) and (y == y[:, :1]).all()
    said = p.fault((r"tile_sync\(\);", "(void)0;"))
    assert "race: " in said or "uninitialised: " in said, said
