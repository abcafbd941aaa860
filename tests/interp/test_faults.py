"""Every fault the interpreter finds, planted: its text, its place and its seed."""
import numpy as np
import pytest

from ir import Builder, Fault, Out, run, some
from test_programs import ONE, Val, barrier, start


def first_line(builder, tensors, dims=None, seed=0, threads=1, **more):
    with pytest.raises(Fault) as e:
        run(builder, tensors, dims, seed, threads, **more)
    return str(e.value).splitlines()[0]


@pytest.mark.parametrize("direction", ["out", "scratch"])
def test_undefined_read(direction):
    b = start()
    x = b.tensor("x", "f32", (b.int(5), b.int(8)), direction)
    with b.par(("%0", b.int(5), "%1")) as (p,):
        b.store(x, [p, f"{b.int(0)} +: 6"], b.const(0, "f32[6]"))
        b.load(x, [p, f"{b.int(3)} +: 4"], "f32[4]", at=9)
    line = first_line(b, {"x": Out("f32", 5, 8)}, seed=4)
    assert line.startswith("k.tile:9:1: error: read of x[")
    assert f", 6] ({direction}) before anything was stored there; program (p = " in line
    assert line.endswith("); seed 4 replays")


def test_undefined_local_and_atomic():
    b = start()
    with b.par(ONE):
        t = b.op('local "t"', "tensor i32[4]")
        b.store(t, ["%0"], b.const(1, "i32"))
        b.load(t, [":4"], "i32[4]", at=3)
    assert first_line(b, {}) == ("k.tile:3:1: error: read of t[1] (local) before anything was "
                                 "stored there; program (p = 0); seed 0 replays")
    b = start()
    n = b.tensor("n", "i32", (4,), "scratch")
    with b.par(ONE):
        b.add(n, ["%1"], b.const(1, "i32"), at=3)
    assert "atomic_add to n[1] (scratch) before anything was stored" in first_line(
        b, {"n": Out("i32", 4)})


def test_local_is_new_in_every_iteration():
    b = start()
    with b.par(ONE):
        with b.loop(Val("%0"), b.int(3), Val("%1")) as (i,):
            t = b.op('local "t"', "tensor i32[4]")
            first = b.op("eq", "bool", i, "%0")
            b.emit(f"if {first} then {{")
            b.store(t, [":4"], b.const(1, "i32[4]"))
            b.emit("yield } else { yield }")
            b.load(t, ["%1"], "i32", at=3)
            b.emit("yield")
    assert "read of t[1] (local)" in first_line(b, {})


@pytest.mark.parametrize("index,element", [([1, 3, 1, 0], "y[1, 4]"), ([9, 9, -1, -1], None)])
def test_duplicate_scatter(index, element):
    b = start()
    i = b.tensor("i", "i32", (4,))
    y = b.tensor("y", "f32", (b.int(5), b.int(8)), "out")
    with b.par(ONE):
        t = b.load(i, [":4"], "i32[4]")
        b.store(y, [f"tile {t}", str(b.int(4))], b.const(1, "f32[4]"), at=7)
    tensors = {"i": np.array(index, np.int32), "y": Out("f32", 5, 8)}
    if element is None:
        run(b, tensors)
    else:
        assert first_line(b, tensors) == (
            f"k.tile:7:1: error: scatter: two elements of one store go to {element}; "
            "program (p = 0); seed 0 replays")


def test_asserts():
    b = start()
    n = b.dim("N")
    b.op(f"require {b.op('gt', 'bool', n, b.int(2))} \"N > 2\"", at=2)
    with b.par(("%0", n, "%1"), ("%1", b.int(2), "%1"), names="tu") as (t, u):
        b.op(f"assert {b.op('lt', 'bool', t, b.int(5))} \"t is small\"", at=4)
    assert first_line(b, {}, {"N": 6}) == ("k.tile:4:1: error: assert failed: t is small; program "
                                           "(t = 5, u = 1); seed 0 replays")
    assert "require failed: N > 2; seed 0 replays" in first_line(b, {}, {"N": 2})
    run(b, {}, {"N": 4})
    b = start()
    with b.par(ONE):
        b.op(f"assume {b.op('lt', 'bool', '%1', '%0')}", at=4)
    assert "assume failed" in first_line(b, {})


def test_bad_step():
    b = start()
    n = b.dim("S")
    with b.par(ONE, at=3):
        with b.loop(Val("%0"), b.int(4), n) as (i,):
            b.emit("yield")
    assert "step of the range is 0, must be positive" in first_line(b, {}, {"S": 0})
    b = start()
    n = b.dim("S")
    with b.par(("%0", "%1", n), at=3):
        pass
    assert first_line(b, {}, {"S": -2}).startswith(
        "k.tile:3:1: error: step of range 0 is -2, must be positive")


def write_all(b, value="%p", at=17):
    """Every program writes y[3 +: 4] (at: the line), and its own element."""
    n = b.dim("N")
    y = b.tensor("y", "i64", (64,), "out")
    with b.par(("%0", n, "%1")) as (p,):
        b.store(y, [b.op("add", "i64", p, b.int(10))], p, at=5)
        b.store(y, [f"{b.int(3)} +: 4"], b.const(1, "i64[4]"), at=at)
    return b


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_race_write_write(threads):
    """The same report however the threads ran."""
    seen = set()
    for _ in range(4):
        seen.add(first_line(write_all(start()), {"y": Out("i64", 64)}, {"N": 40}, 3, threads))
    (line,) = seen
    assert line.startswith("k.tile:17:1: error: race: program ")
    assert " writes y[3], program " in line
    assert line.endswith(" writes it at k.tile:17:1, no grid_sync between; seed 3 replays")
    assert line == first_line(write_all(start()), {"y": Out("i64", 64)}, {"N": 40}, 3, 1)
    run(write_all(start()), {"y": Out("i64", 64)}, {"N": 1}, 3, threads)


def reads_and_writes(kinds, elements=64, inout=True):
    """Program p does kinds[p]: a list of (kind, first element, count), at line 10 + p."""
    b = start()
    x = b.tensor("x", "i32", (elements,), "inout" if inout else "out")
    with b.par(("%0", b.int(len(kinds)), "%1")) as (p,):
        for k, accesses in enumerate(kinds):
            here = b.op("eq", "bool", p, b.int(k))
            b.emit(f"if {here} then {{")
            for kind, first, count in accesses:
                index = [f"{b.int(first)} +: {count}"]
                if kind == "r":
                    b.load(x, index, f"i32[{count}]", at=10 + k)
                elif kind == "w":
                    b.store(x, index, b.const(k, f"i32[{count}]"), at=10 + k)
                else:
                    b.add(x, index, b.const(1, f"i32[{count}]"), at=10 + k)
            b.emit("yield } else { yield }")
    return b


def races(kinds):
    """From the definition: programs with a common element, not both reads or both atomics."""
    for p, mine in enumerate(kinds):
        for theirs in kinds[p + 1:]:
            for a, i, n in mine:
                for b, j, m in theirs:
                    if max(i, j) < min(i + n, j + m) and (a != b or a == "w"):
                        return True
    return False


HAND = [
    [[("r", 0, 8)], [("r", 0, 8)], [("w", 7, 1)]], [[("r", 0, 8)], [("r", 4, 8)], [("w", 12, 4)]],
    [[("r", 0, 8), ("w", 0, 8)], [("r", 8, 8), ("w", 8, 8)]],
    [[("r", 0, 8), ("w", 0, 4)], [("r", 4, 4)]],
    [[("r", 0, 8), ("w", 0, 4)], [("r", 3, 4)]], [[("a", 0, 8)], [("a", 0, 8)], [("a", 4, 2)]],
    [[("a", 0, 8)], [("a", 0, 8)], [("r", 7, 2)]], [[("a", 0, 8)], [("a", 0, 8)], [("w", 8, 2)]],
    [[("w", 0, 64)], [("r", 63, 1)]], [[("r", 0, 64)], [("r", 0, 64)], [("r", 5, 3)]],
    [[("r", 0, 64)], [("r", 0, 64)], [("r", 5, 3), ("w", 5, 1)]],
]


@pytest.mark.parametrize("seed", range(30))
def test_races_by_definition(seed):
    """Random accesses in one tensor: a fault if and only if two programs conflict."""
    rng = np.random.default_rng(seed)
    kinds = HAND[seed] if seed < len(HAND) else [
        [(rng.choice(["r", "r", "w", "a"]), int(rng.integers(0, 120)), int(rng.integers(1, 9)))
         for _ in range(rng.integers(1, 4))] for _ in range(rng.integers(2, 7))]
    b = reads_and_writes(kinds, 136)
    data = np.zeros(136, np.int32)
    for order in range(3):
        for threads in (1, 3):
            try:
                run(b, {"x": (data, Out("i32", 136))}, seed=order, threads=threads)
                assert not races(kinds)
            except Fault as fault:
                assert races(kinds), str(fault)
                assert "race: program" in str(fault) and f"seed {order} replays" in str(fault)


def test_race_strided():
    """Columns of a row-major tensor, and rows of col_pad16: no false and no missed conflict."""
    for overlap in (0, 1):
        for words in ("", "format col_pad16"):
            b = start()
            x = b.tensor("x", "f32", (b.int(70), b.int(5)), "out", words)
            with b.par(("%0", b.int(4), "%1")) as (p,):
                b.store(x, [f"{b.int(0)} +: 70", f"{p} +: {1 + overlap}"],
                        b.const(0, f"f32[70, {1 + overlap}]"), at=4)
            tensors = {"x": Out("f32", 70, 5)}
            if overlap:
                assert "writes x[0, " in first_line(b, tensors)
            else:
                run(b, tensors, seed=1)


def test_race_over_barrier():
    none = lambda *_: None
    b = start()
    barrier(b, none, sync="")
    line = first_line(b, {"part": Out("i64", 4), "y": Out("i64", 4)}, {"P": 4})
    assert "(scratch) before anything was stored" in line or "race" in line
    b = start()
    barrier(b, lambda b, n, p, part, y: b.store(part, [p], p, at=21))
    line = first_line(b, {"part": Out("i64", 4), "y": Out("i64", 4)}, {"P": 4}, 2)
    assert "race: program" in line and "part[" in line and "k.tile:2" in line


def test_uneven_sync():
    b = start()
    with b.par(("%0", b.int(3), "%1")) as (p,):
        here = b.op("lt", "bool", p, b.int(2))
        b.emit(f"if {here} then {{ grid_sync @6:1 yield }} else {{ yield }}")
    assert first_line(b, {}).startswith(
        "k.tile:6:1: error: grid_sync is not reached by every program: program (p = 2) ended "
        "without it")
    b = start()
    with b.par(("%0", b.int(2), "%1")) as (p,):
        here = b.op("lt", "bool", p, "%1")
        b.emit(f"if {here} then {{ grid_sync @6:1 yield }} else {{ grid_sync @7:1 yield }}")
    assert "waits at another one (k.tile:" in first_line(b, {})


def two_phases(unordered, at=(2, 5)):
    b = start()
    y = b.tensor("y", "i64", (8,), "out")
    for k in range(2):
        with b.par(("%0", b.int(4), "%1"), unordered=unordered and k == 1, names="pq"[k]) as (p,):
            b.store(y, [b.op("add", "i64", p, b.int(at[k]))], p, at=11 + k)
    return b


def test_unordered_phases():
    tensors = {"y": Out("i64", 8)}
    run(two_phases(False), tensors)
    run(two_phases(True, (0, 4)), tensors)
    for threads in (1, 2):
        line = first_line(two_phases(True), tensors, threads=threads)
        assert "(p = 3) writes y[5]" in line and "(q = 0) writes" in line


def test_alias():
    """x and y are one memory: what is written through y is read through x, and races with it."""
    b = start()
    n = b.dim("N")
    x = b.tensor("x", "i64", (n,))
    y = b.tensor("y", "i64", (n,), "out", 'alias "x"')
    with b.par(("%0", n, "%1")) as (p,):
        b.store(y, [p], b.op("neg", "i64", b.load(x, [p], "i64")))
    data = np.arange(6)
    got = run(b, {"x": (data, Out("i64", 6)), "y": (data, Out("i64", 6))}, {"N": 6},
              alias=["y=x"])["y"]
    assert list(got) == list(-data)
    b = start()
    n = b.dim("N")
    x = b.tensor("x", "i64", (n,))
    y = b.tensor("y", "i64", (n,), "out", 'alias "x"')
    with b.par(("%0", b.op("sub", "i64", n, "%1"), "%1")) as (p,):
        b.store(y, [p], b.load(x, [b.op("add", "i64", p, "%1")], "i64"))
    tensors = {"x": data, "y": (data, Out("i64", 6))}
    assert list(run(b, tensors, {"N": 6})["y"])[:5] == [1, 2, 3, 4, 5]
    assert "race" in first_line(b, tensors, {"N": 6}, alias=["y=x"])


def test_replay_of_inout():
    """A run on threads that fails is repeated from the contents at entry."""
    b = start()
    n = b.dim("N")
    x = b.tensor("x", "i64", (n,), "inout")
    with b.par(("%0", n, "%1")) as (p,):
        v = b.load(x, [p], "i64")
        b.store(x, [p], b.op("add", "i64", v, "%1"))
        b.op(f"assert {b.op('ne', 'bool', v, b.int(500))} \"not 500\"", at=4)
    line = first_line(b, {"x": (np.arange(1000), Out("i64", 1000))}, {"N": 1000}, threads=3)
    assert "assert failed: not 500; program (p = 500)" in line


def test_ranks_are_refused():
    b = start()
    x = b.tensor("x", "i64", (4,), "inout", "symm")
    with b.par(ONE):
        b.emit(f'signal {x}[%0], %1 "set"')
    assert "symmetric memory runs later: not supported by the interpreter yet" in first_line(
        b, {"x": (np.zeros(4, np.int64), Out("i64", 4))})
