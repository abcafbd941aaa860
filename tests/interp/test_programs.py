"""Control flow, phases, grid_sync, exchange, roles and pipes: each against plain Python."""
import numpy as np
import pytest

from ir import Builder, Fault, Out, Value, run

ONE = ("%0", "%1", "%1")


def Val(text):
    v = Value(text)
    v.type = "i64"
    return v


def start():
    b = Builder()
    b.int(0), b.int(1)
    return b


def test_loops_and_continue():
    """s over i of: odd i are skipped, each inner loop adds j * i; a swap in the carried values."""
    b = start()
    y = b.tensor("y", "i64", (3,), "out")
    with b.par(ONE):
        ten, two = b.int(10), b.int(2)
        carried = Val("%0"), Val("%1"), Val("%0")
        with b.loop(Val("%0"), ten, Val("%1"), *carried) as (i, s, u, v, rs, ru, rv):
            odd = b.op("mod", "i64", i, two)
            is_odd = b.op("eq", "bool", odd, "%1")
            b.emit(f"if {is_odd} then {{ continue {s}, {v}, {u} }} else {{ yield }}")
            with b.loop(Val("%0"), i, Val("%1"), s) as (j, t, rt):
                b.emit(f"yield {b.op('add', 'i64', t, b.op('mul', 'i64', i, j))}")
            b.emit(f"yield {rt}, {b.op('add', 'i64', u, i)}, {v}")
        for k, r in enumerate((rs, ru, rv)):
            b.store(y, [str(b.int(k))], r)
    s, u, v = 0, 1, 0
    for i in range(10):
        if i % 2:
            u, v = v, u
            continue
        s += sum(i * j for j in range(i))
        u += i
    assert list(run(b, {"y": Out("i64", 3)})["y"]) == [s, u, v]


def test_if_results():
    b = start()
    y = b.tensor("y", "i64", (6,), "out")
    n = b.int(6)
    with b.par(("%0", n, "%1")) as (p,):
        small = b.op("lt", "bool", p, b.int(3))
        r = b.new("i64")
        b.emit(f"{r} = if {small} : i64 then {{ yield {p} }} else {{")
        b.emit(f"yield {b.op('neg', 'i64', p)} }}")
        b.store(y, [p], r)
    assert list(run(b, {"y": Out("i64", 6)}, seed=5)["y"]) == [0, 1, 2, -3, -4, -5]


def test_par_order_is_seeded():
    """A print in every program shows the order: a permutation, another one for another seed."""
    b = start()
    n = b.dim("N")
    with b.par(("%0", n, "%1")) as (p,):
        b.emit(f'print {p} "at"')
    orders = []
    for seed in (0, 0, 1, 2):
        out = run(b, {}, {"N": 37}, seed=seed)["stdout"]
        orders.append([int(line.split("i64")[1]) for line in out.splitlines() if "i64" in line])
    assert orders[0] == orders[1] and len({tuple(o) for o in orders}) == 3
    assert all(sorted(o) == list(range(37)) for o in orders)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("counts", [[3, 0, 5, 1], [0, 0], [], [1]])
def test_ragged_par(counts, threads):
    """(e, m in 0..counts[e] by 2, n in e..3): how often each point runs, by atomics."""
    b = start()
    e = b.dim("E")
    c = b.tensor("c", "i32", (e,))
    y = b.tensor("y", "i32", (e, b.int(8), b.int(3)), "inout")
    two, three = b.int(2), b.int(3)
    with b.par(("%0", e, "%1"),
               lambda b, i: ("%0", b.op("cast", "i64", b.load(c, [i], "i32")), two),
               lambda b, i, m: (i, three, "%1")) as (i, m, n):
        b.add(y, [i, m, n], b.const(1, "i32"))
    want = np.zeros((len(counts), 8, 3), np.int32)
    for i, k in enumerate(counts):
        for m in range(0, k, 2):
            want[i, m, i:3] = 1
    tensors = {"c": np.array(counts, np.int32),
               "y": (np.zeros_like(want), Out("i32", *want.shape))}
    got = run(b, tensors, {"E": len(counts)}, threads=threads)
    assert np.array_equal(got["y"], want)


def test_ragged_par_of_one_index():
    """(e, m in 0..c[e], n in 0..c[e]): the bounds of n are found anew for each m, and only they name e then."""
    counts = [0, 3, 1, 2]
    b = start()
    c = b.tensor("c", "i32", (b.int(4),))
    y = b.tensor("y", "i32", (b.int(3), b.int(3)), "inout")
    with b.par(("%0", b.int(4), "%1"),
               lambda b, i: ("%0", b.op("cast", "i64", b.load(c, [i], "i32")), "%1"),
               lambda b, i, m: ("%0", b.op("cast", "i64", b.load(c, [i], "i32")), "%1")) as (i, m, n):
        b.add(y, [m, n], b.const(1, "i32"))
    want = sum(np.pad(np.ones((k, k), np.int32), (0, 3 - k)) for k in counts)
    got = run(b, {"c": np.array(counts, np.int32), "y": (np.zeros_like(want), Out("i32", 3, 3))}, {})
    assert np.array_equal(got["y"], want)


@pytest.mark.parametrize("P", [1, 2, 3, 7, 50])
def test_shared_loop(P):
    """for (e, m in 0..c[e], n in 0..2) of (p, P): who runs which point, in which order."""
    counts = [3, 0, 4, 1, 0, 2]
    b = start()
    n = b.dim("P")
    c = b.tensor("c", "i32", (6,))
    who = b.tensor("who", "i64", (6, 5, 2), "out")
    count = b.tensor("count", "i64", (n,), "out")
    two, six = b.int(2), b.int(6)
    with b.par(("%0", n, "%1")) as (p,):
        r, e0, m0 = b.new("i64"), b.new("i64"), b.new("i64")
        b.emit(f"{r} = share {p}, {n}, %0 : i64")
        b.emit(f"  range {{ yield %0, {six}, %1 }}")
        with b.block(f"  range ({e0} : i64)"):
            k = b.op("cast", "i64", b.load(c, [e0], "i32"))
            b.emit(f"yield %0, {k}, %1")
        e1 = b.new("i64")
        b.emit(f"  range ({e1} : i64, {m0} : i64) {{ yield %0, {two}, %1 }}")
        e, m, q, s = [b.new("i64") for _ in range(4)]
        with b.block(f"  body ({e} : i64, {m} : i64, {q} : i64, {s} : i64)"):
            b.store(who, [e, m, q], p)
            first = b.op("eq", "bool", e, two)
            b.emit(f"if {first} then {{ continue {s} }} else {{ yield }}")
            b.emit(f"yield {b.op('add', 'i64', s, '%1')}")
        b.store(count, [p], r)
    points = [(e, m, q) for e, k in enumerate(counts) for m in range(k) for q in range(2)]
    want = np.full((6, 5, 2), -1, np.int64)
    total = np.zeros(P, np.int64)
    for number, at in enumerate(points):
        want[at] = number % P
        total[number % P] += at[0] != 2
    got = run(b, {"c": np.array(counts, np.int32),
                  "who": (np.full((6, 5, 2), -1, np.int64), Out("i64", 6, 5, 2)),
                  "count": Out("i64", P)}, {"P": P}, seed=3)
    assert np.array_equal(got["who"], want) and np.array_equal(got["count"], total)


def test_phases():
    """The second phase reads what the first wrote, and ranges over it."""
    b = start()
    n = b.dim("N")
    c = b.tensor("c", "i64", (n,), "scratch")
    y = b.tensor("y", "i64", (n, b.int(9)), "inout")
    with b.par(("%0", n, "%1")) as (p,):
        b.store(c, [p], b.op("mod", "i64", b.op("mul", "i64", p, p), b.int(7)))
    counted = lambda b, i: ("%0", b.load(c, [i], "i64"), "%1")
    with b.par(("%0", n, "%1"), counted, names="st") as (i, j):
        b.store(y, [i, j], i)
    want = np.zeros((10, 9), np.int64)
    for i in range(10):
        want[i, :i * i % 7] = i
    got = run(b, {"c": Out("i64", 10), "y": (np.zeros_like(want), Out("i64", 10, 9))}, {"N": 10},
              threads=2)
    assert np.array_equal(got["y"], want)


def barrier(b, second, sync="grid_sync @3:1"):
    """part[p] = p * p; sync; y[p] = sum of part."""
    n = b.dim("P")
    part = b.tensor("part", "i64", (n,), "scratch")
    y = b.tensor("y", "i64", (n,), "out")
    with b.par(("%0", n, "%1")) as (p,):
        b.store(part, [p], b.op("mul", "i64", p, p))
        if sync:
            b.emit(sync)
        with b.loop(Val("%0"), n, Val("%1"), Val("%0")) as (q, s, r):
            b.emit(f"yield {b.op('add', 'i64', s, b.load(part, [q], 'i64', at=20))}")
        b.store(y, [p], r)
        second(b, n, p, part, y)


@pytest.mark.parametrize("P", [1, 2, 9])
def test_grid_sync(P):
    b = start()

    def again(b, n, p, part, y):
        b.emit("grid_sync @4:1")
        other = b.op("mod", "i64", b.op("add", "i64", p, "%1"), n)
        b.store(part, [p], b.load(y, [other], "i64"))

    barrier(b, again)
    for seed in range(3):
        got = run(b, {"part": Out("i64", P), "y": Out("i64", P)}, {"P": P}, seed=seed, threads=2)
        assert np.all(got["y"] == sum(k * k for k in range(P)))


def test_many_epochs():
    """More barriers than an epoch number holds."""
    b = start()
    n = b.dim("P")
    x = b.tensor("x", "i64", (n,), "inout")
    with b.par(("%0", n, "%1")) as (p,):
        with b.loop(Val("%0"), b.int(600), Val("%1")) as (i,):
            other = b.op("mod", "i64", b.op("add", "i64", p, "%1"), n)
            v = b.load(x, [other], "i64")
            b.emit("grid_sync @4:1")
            b.store(x, [p], b.op("add", "i64", v, "%1"))
            b.emit("grid_sync @4:1")
            b.emit("yield")
    got = run(b, {"x": (np.arange(3), Out("i64", 3))}, {"P": 3})["x"]
    assert list(got) == [(k + 600) % 3 + 600 for k in range(3)]


def test_exchange():
    b = start()
    y = b.tensor("y", "i64", (4, 4), "out")
    four = b.int(4)
    with b.par(("%0", four, "%1")) as (p,):
        mine = b.op("broadcast", "i64[2]", b.op("mul", "i64", p, p))
        everyone = b.op("exchange", "i64[4, 2]", mine)
        b.store(y, [p, ":4"], b.load(everyone, [":4", "%1"], "i64[4]", name="extract"))
    got = run(b, {"y": Out("i64", 4, 4)}, seed=2)["y"]
    assert np.array_equal(got, np.tile(np.arange(4) ** 2, (4, 1)))


def pipeline(stages, items, taken):
    """A producer of i * i and a consumer that adds up, to y; x is read by the producer."""
    b = start()
    y = b.tensor("y", "i64", (2,), "out")
    n, m = b.int(items), b.int(taken)
    with b.par(ONE, at=5):
        pipe = b.op(f'pipe "ab" stages {stages} {{ v : i64, t : i64[3] }}', "pipe", at=6)
        b.emit("roles @7:1")
        with b.block('  role "producer"'):
            with b.loop(Val("%0"), n, Val("%1")) as (i,):
                v = b.op("mul", "i64", i, i)
                b.op("put", "", pipe, v, b.op("broadcast", "i64[3]", i), at=8)
                b.emit("yield")
            b.emit("yield")
        for k, name in enumerate(("math", "other")):
            with b.block(f'  role "{name}"'):
                with b.loop(Val("%0"), m, Val("%1"), Val("%0")) as (i, s, r):
                    g, v, t, c = b.new("i64"), b.new("i64"), b.new("i64[3]"), b.new("i64")
                    with b.block(f"{g} = get {pipe}, {s} : i64 @9:1 body ({v} : i64, {t} : i64[3], "
                                 f"{c} : i64)"):
                        first = b.load(t, ["%1"], "i64", name="extract")
                        both = b.op("add", "i64", v, first)
                        b.emit(f"yield {b.op('add', 'i64', c, both)}")
                    b.emit(f"yield {g}")
                b.store(y, [str(b.int(k))], r)
                b.emit("yield")
    return b


@pytest.mark.parametrize("stages", [1, 2, 5])
def test_pipes(stages):
    for seed in range(4):
        got = run(pipeline(stages, 9, 9), {"y": Out("i64", 2)}, seed=seed)["y"]
        assert list(got) == [sum(i * i + i for i in range(9))] * 2


def test_deadlock():
    with pytest.raises(Fault) as e:
        run(pipeline(2, 4, 5), {"y": Out("i64", 2)}, seed=7)
    text = str(e.value)
    assert "k.tile:7:1: error: deadlock: role producer has ended" in text
    assert "role math waits for an item of pipe ab at k.tile:9:1" in text
    assert "role other waits for an item of pipe ab at k.tile:9:1" in text
    assert text.splitlines()[0].endswith("program (p = 0); seed 7 replays")
    with pytest.raises(Fault, match="role math takes 3 of 4 items of pipe ab|deadlock: role "
                                    "producer waits for a free slot of pipe ab at k.tile:8:1"):
        run(pipeline(1, 4, 3), {"y": Out("i64", 2)})


def test_left_items():
    with pytest.raises(Fault, match="k.tile:6:1: error: role math takes 2 of 4 items of pipe ab"):
        run(pipeline(4, 4, 2), {"y": Out("i64", 2)})


def role_pair(through_pipe, writer_after_put=False):
    b = start()
    s = b.tensor("s", "i64", (4,), "scratch")
    y = b.tensor("y", "i64", (1,), "out")
    two = b.int(2)
    with b.par(ONE):
        pipe = b.op('pipe "go" stages 2 { v : i64 }', "pipe")
        b.emit("roles")
        with b.block('  role "a"'):
            if writer_after_put:
                b.op("put", "", pipe, "%0")
            b.store(s, [two], two, at=11)
            if through_pipe and not writer_after_put:
                b.op("put", "", pipe, "%0")
            b.emit("yield")
        with b.block('  role "b"'):
            if through_pipe:
                v = b.new("i64")
                with b.block(f"get {pipe} body ({v} : i64)"):
                    b.store(y, ["%0"], b.load(s, [two], "i64", at=12))
                    b.emit("yield")
            else:
                b.store(s, [two], "%0", at=12)
            b.emit("yield")
        if not through_pipe:
            b.store(y, ["%0"], b.load(s, [two], "i64"))
    return b


def test_role_races():
    tensors = {"s": Out("i64", 4), "y": Out("i64", 1)}
    for seed in range(8):
        assert run(role_pair(True), tensors, seed=seed)["y"][0] == 2
        with pytest.raises(Fault, match=r"race: role . writes s\[2\], role . writes it at "
                                        r"k.tile:1.:1, no pipe item between"):
            run(role_pair(False), tensors, seed=seed)
        with pytest.raises(Fault, match=r"no pipe item between|before anything was stored"):
            run(role_pair(True, True), tensors, seed=seed)


@pytest.mark.parametrize("stages", [1, 3])
def test_continue_in_get(stages):
    """A continue inside a get frees its slot: odd items are skipped, all are taken."""
    b = start()
    y = b.tensor("y", "i64", (1,), "out")
    n, two = b.int(7), b.int(2)
    with b.par(ONE):
        pipe = b.op(f'pipe "ab" stages {stages} {{ v : i64 }}', "pipe")
        b.emit("roles")
        with b.block('  role "a"'):
            with b.loop(Val("%0"), n, Val("%1")) as (i,):
                b.op("put", "", pipe, i)
                b.emit("yield")
            b.emit("yield")
        with b.block('  role "b"'):
            with b.loop(Val("%0"), n, Val("%1"), Val("%0")) as (i, s, r):
                g, v, c = b.new("i64"), b.new("i64"), b.new("i64")
                with b.block(f"{g} = get {pipe}, {s} : i64 body ({v} : i64, {c} : i64)"):
                    odd = b.op("eq", "bool", b.op("mod", "i64", v, two), "%1")
                    b.emit(f"if {odd} then {{ continue {c} }} else {{ yield }}")
                    b.emit(f"yield {b.op('add', 'i64', c, v)}")
                b.emit(f"yield {g}")
            b.store(y, ["%0"], r)
            b.emit("yield")
    for seed in range(4):
        assert run(b, {"y": Out("i64", 1)}, seed=seed)["y"][0] == 0 + 2 + 4 + 6


def test_print():
    """A small tile as an aligned table, a large one with a summary, scalars on a line."""
    b = start()
    x, z = b.tensor("x", "f32", (2, 3)), b.tensor("z", "i32", (50, 40))
    with b.par(ONE):
        v = b.load(x, [":2", ":3"], "f32[2, 3]")
        w = b.load(z, [":50", ":40"], "i32[50, 40]")
        b.emit(f'print {v}, {w}, %1 "seen"')
    out = run(b, {"x": np.array([[1, -0.5, 0.1], [np.nan, 1e10, np.inf]], np.float32),
                  "z": np.arange(2000, dtype=np.int32).reshape(50, 40)})["stdout"].splitlines()
    assert out[0] == "(p = 0) seen"
    assert out[1] == "f32[2, 3]"
    assert out[2].split() == ["[", "0]", "1", "-0.5", "0.1"]
    assert out[3].split() == ["[", "1]", "nan", "1e+10", "inf"] and len(out[2]) == len(out[3])
    assert out[4] == "i32[50, 40]  min 0  max 1999  mean 999.5"
    assert out[-1] == "i64 1"
