"""bind_solve: from the shapes of tensors to dims, extents and messages (R2)."""
import struct

import pytest

CAST = """kernel per_token_cast at "cast.tile":1:8 {
  %M.0 = dim "M" : i64 @1:20
  %K.1 = dim "K" : i64 @1:28
  %P.2 = dim "P" : i64 @1:30
  %eps.3 = scalar "eps" : f32 @2:30
  %4 = const 128 : i64
  %5 = const 127 : i64
  %6 = add %K.1, %5 : i64
  %7 = fdiv %6, %4 : i64
  %x.8 = tensor "x"[%M.0, %K.1] in : tensor bf16[?, ?] @2:4
  %y.9 = tensor "y"[%M.0, %K.1] out : tensor e4m3[?, ?] @2:20
  %sf.10 = tensor "sf"[%M.0, %7] out : tensor f32[?, ?] @2:40
  %part.11 = tensor "part"[%P.2, %4] scratch : tensor i32[?, 128]
  %12 = const 8 : i64
  %13 = mod %K.1, %12 : i64
  %14 = const 0 : i64
  %15 = eq %13, %14 : bool
  require %15 "K % 8 == 0" @1:30
}
"""
# A kernel with one tensor a line: the extents are expressions in dims A, B, C.
FRAME = """kernel k {
  %A.0 = dim "A" : i64
  %B.1 = dim "B" : i64
  %C.2 = dim "C" : i64
  %3 = const 0 : i64
  %4 = const 1 : i64
  %5 = const 2 : i64
  %6 = const 3 : i64
  %7 = const 9223372036854775807 : i64
OPS
}
"""
EPS = "eps=0x358637bd"


@pytest.fixture
def bind(unit, tmp_path):
    """bind(text, "x=3,8", s=["P=2"]): the lines that the solution prints, or the first message."""
    def bind(text, *shapes, s=()):
        path = tmp_path / "k.ir"
        path.write_text(text)
        words = [word for setting in s for word in ("-s", setting)]
        done = unit("ir_driver", "bind", path, *shapes, *words)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.stdout.splitlines() if done.returncode == 0 else done.stderr
    return bind


@pytest.fixture
def frame(bind):
    return lambda ops, *shapes, s=(): bind(FRAME.replace("OPS", ops), *shapes, s=s)


def tensor(number, name, *extents, kind="tensor"):
    dims = ", ".join("?" * (len(extents) - (kind == "table")))
    return f'%{number} = tensor "{name}"[{", ".join(extents)}] in : {kind} f32[{dims}]\n'


def test_dims_come_from_shapes(bind):
    assert bind(CAST, "x=3,4096", s=["P=2", EPS]) == [
        "M 3", "K 4096", "P 2", f"eps {0x358637bd}",
        "x 1x[3, 4096]", "y 1x[3, 4096]", "sf 1x[3, 32]", "part 1x[2, 128]"]
    assert "sf 1x[0, 1]" in bind(CAST, "x=0,8", s=["P=0", EPS])


@pytest.mark.parametrize("shapes, settings, message", [
    (["x=3,4096", "y=3,4097"], ["P=2"], "cast.tile:2:20: error: per_token_cast: "
     "y: axis 1 is 4097, K is 4096 (from x)"),
    (["y=3,4096", "x=2,4096"], ["P=2"], "x: axis 0 is 2, M is 3 (from y)"),
    (["x=3,4096"], ["P=2", "K=8"], "x: axis 1 is 4096, K is 8 (-s)"),
    (["x=3,4096"], [], "cast.tile:1:30: error: per_token_cast: "
     "dim P is shown by no given tensor: give -s P=VALUE"),
    (["x=3,4096", "sf=3,33"], ["P=2"],
     "sf: axis 1 is 33, cdiv(K, 128) is 32; K is 4096 (from x)"),
    (["sf=3,33"], ["P=2"], "sf: axis 1 is 33, which does not tell dim K in cdiv(K, 128): "
     "give -s K=VALUE"),
    (["x=3,4096", "part=2,64"], [], "part: axis 1 is 64, not 128"),
    (["x=3"], ["P=2"], "x: has 1 axis, not 2"),
    (["x=3,4,5"], ["P=2"], "x: has 3 axes, not 2"),
    (["x=2x3,8"], ["P=2"], "x: is no table, and 2 entries are given"),
    (["x=3,4095"], ["P=2"], "K % 8 == 0 does not hold: K is 4095 (from x)"),
    (["x=3,4096"], ["P=-2"], "dim P is -2: a dim is not negative"),
    (["x=-3,4096"], ["P=2"], "x: axis 0 is -3: an extent is not negative"),
])
def test_messages(bind, shapes, settings, message):
    assert message in bind(CAST, *shapes, s=[*settings, EPS])


def test_a_scalar_is_given(bind):
    assert "scalar eps is not given: give -s eps=VALUE" in bind(CAST, "x=3,8", s=["P=2"])


def test_all_mismatches_are_told(bind):
    said = bind(CAST, "x=3,8", "y=4,9", "sf=5,1", s=["P=1", EPS])
    assert [line for line in said.splitlines() if "error" in line and ": axis" in line] == [
        "cast.tile:2:20: error: per_token_cast: y: axis 0 is 4, M is 3 (from x)",
        "cast.tile:2:20: error: per_token_cast: y: axis 1 is 9, K is 8 (from x)",
        "cast.tile:2:40: error: per_token_cast: sf: axis 0 is 5, M is 3 (from x)"]


# The extent 2 A - B + 3, solved for either.
AFFINE = """%10 = mul %5, %A.0 : i64
%11 = sub %10, %B.1 : i64
%12 = add %11, %6 : i64
%13 = cast %12 : i64
"""


def test_affine(frame):
    ops = AFFINE + tensor(20, "x", "%13") + tensor(21, "y", "%B.1")
    assert frame(ops, "x=14", "y=9", s=["C=0"])[:2] == ["A 10", "B 9"]
    ops = AFFINE + tensor(20, "x", "%13") + tensor(21, "y", "%A.0")
    assert frame(ops, "x=14", "y=10", s=["C=0"])[:2] == ["A 10", "B 9"]
    said = frame(AFFINE + tensor(20, "x", "%13"), "x=14", s=["B=8", "C=0"])
    assert "x: axis 0 is 14, and no A gives that by ((2 * A) - B) + 3" in said
    said = frame(AFFINE + tensor(20, "x", "%13"), "x=14", s=["A=2", "C=0"])
    assert "x: axis 0 is 14, and no B gives that" in said
    said = frame(AFFINE + tensor(20, "x", "%13"), "x=14", s=["C=0"])
    assert "which does not tell dim A in" in said and "which does not tell dim B in" in said


def test_one_dim_leads_to_the_next(frame):
    ops = """%10 = add %A.0, %B.1 : i64
%11 = mul %B.1, %5 : i64
%12 = mul %C.2, %B.1 : i64
""" + tensor(20, "x", "%10") + tensor(21, "y", "%11") + tensor(22, "z", "%12")
    assert frame(ops, "x=10", "y=6", "z=12")[:3] == ["A 7", "B 3", "C 4"]
    assert "z: axis 0 is 13, and no C gives that by C * B" in frame(ops, "x=10", "y=6", "z=13")
    assert "no A gives that" in frame(ops, "x=2", "y=6", "z=12")


def test_the_same_dim_twice(frame):
    ops = "%10 = add %A.0, %A.0 : i64\n%11 = sub %10, %A.0 : i64\n" + tensor(20, "x", "%10", "%11")
    assert frame(ops, "x=8,4", s=["B=0", "C=0"])[0] == "A 4"
    assert "x: axis 1 is 5, (A + A) - A is 4; A is 4 (from x)" in frame(
        ops, "x=8,5", s=["B=0", "C=0"])


def test_align_is_named(frame):
    ops = """%9 = const 1 : i64
%10 = add %A.0, %9 : i64
%11 = fdiv %10, %5 : i64
%12 = mul %11, %5 : i64
""" + tensor(20, "x", "%12") + tensor(21, "y", "%A.0")
    assert "x: axis 0 is 3, align(A, 2) is 6; A is 5 (from y)" in frame(
        ops, "x=3", "y=5", s=["B=0", "C=0"])


def test_tables(frame):
    ops = tensor(20, "xs", "%A.0", "%B.1", kind="table") + tensor(
        21, "ys", "%C.2", "%B.1", kind="table")
    assert frame(ops, "xs=3x5", "ys=3x7") == ["A 5", "B 3", "C 7", "xs 3x[5]", "ys 3x[7]"]
    assert "ys: entries are 4, B is 3 (from xs)" in frame(ops, "xs=3x5", "ys=4x7")


@pytest.mark.parametrize("ops, value", [
    ("fdiv %100, %5", -4), ("mod %100, %5", 1), ("min %100, %5", -7), ("max %100, %5", 2),
    ("neg %100", 7), ("abs %100", 7), ("mul %100, %100", 49), ("sub %100, %5", -9),
    ("and %100, %6", 1), ("or %100, %6", -5), ("xor %100, %6", -6), ("shl %100, %5", -28),
    ("shr %100, %5", -2), ("bnot %100", 6), ("select %102, %100, %5", -7),
    ("select %103, %100, %5", 2),
])
def test_arithmetic(frame, ops, value):
    """Over -7; an offset keeps the extent positive."""
    said = frame(f"""%100 = const -7 : i64
%102 = lt %100, %5 : bool
%103 = gt %100, %5 : bool
%104 = {ops} : i64
%105 = const 100 : i64
%106 = add %104, %105 : i64
""" + tensor(20, "x", "%106"), s=["A=0", "B=0", "C=0"])
    assert said[-1] == f"x 1x[{100 + value}]"


@pytest.mark.parametrize("number, cast, value", [
    ("2.75 : f32", "i64", 2), ("1e30 : f32", "i32", 2**31 - 1), ("0x7fc00000 : f32", "i64", 0),
    ("-1 : f64", "u8", 0), ("300 : i64", "u8", 44), ("200 : u8", "i8", -56), ("true : bool", "i64", 1),
    ("-5 : i64", "bool", 1), ("-1 : i32", "u64", -1),
])
def test_casts(frame, number, cast, value):
    typed = number.split(" : ")[1]
    ops = f"%100 = const {number}\n%101 = cast %100 : {cast}\n%102 = cast %101 : i64\n"
    ops += "%103 = const 100 : i64\n%104 = add %102, %103 : i64\n" + tensor(20, "x", "%104")
    if typed == cast:
        ops = ops.replace("%101 = cast %100", "%101 = abs %100")
    assert frame(ops, s=["A=0", "B=0", "C=0"])[-1] == f"x 1x[{100 + value}]"


def float_bits(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


@pytest.mark.parametrize("ops, holds", [
    ("%101 = const 1.5 : f32\n%102 = lt %100, %101 : bool", True),
    ("%101 = const 1.5 : f32\n%102 = ge %100, %101 : bool", False),
    ("%101 = const 0.5 : f32\n%103 = add %100, %101 : f32\n%104 = const 1.75 : f32\n"
     "%102 = eq %103, %104 : bool", True),
    ("%103 = neg %100 : f32\n%104 = abs %103 : f32\n%102 = ne %100, %104 : bool", False),
    ("%103 = isfinite %100 : bool\n%102 = lnot %103 : bool", False),
])
def test_requirements_over_scalars(frame, ops, holds):
    text = '%100 = scalar "s" : f32\n' + ops + '\nrequire %102 "the text"'
    said = frame(text, s=["A=0", "B=0", "C=0", f"s={float_bits(1.25)}"])
    assert isinstance(said, list) if holds else "k: the text does not hold" in said


def test_branches_are_lazy(frame):
    ops = """%100 = gt %A.0, %3 : bool
%101 = if %100 : i64 then {
  %102 = fdiv %6, %A.0 : i64
  yield %102
} else { yield %5 }
""" + tensor(20, "x", "%101")
    assert frame(ops, s=["A=3", "B=0", "C=0"])[-1] == "x 1x[1]"
    assert frame(ops, s=["A=0", "B=0", "C=0"])[-1] == "x 1x[2]"
    eager = ops.replace("gt %A.0, %3", "ge %A.0, %3")
    assert "x: axis 0: if(A >= 0): division by zero" in frame(eager, s=["A=0", "B=0", "C=0"])


def test_extents_of_views(frame):
    ops = tensor(20, "x", "%A.0", "%6") + """%100 = extent %20 axis 0 : i64
%101 = view.trans %20 : tensor f32[?, ?]
%102 = view.slice %101, %4, %A.0 axis 1 : tensor f32[?, ?]
%103 = extent %102 axis 1 : i64
%104 = view.upsample %102, %5, %5 : tensor f32[?, ?]
%105 = extent %104 axis 0 : i64
%106 = present "x" : bool
require %106 "x is here"
""" + tensor(120, "y", "%100", "%103", "%105")
    assert frame(ops, "x=7,3", s=["B=0", "C=0"])[-1] == "y 1x[7, 6, 6]"


@pytest.mark.parametrize("ops, message", [
    ("%10 = sub %A.0, %5 : i64\n" + tensor(20, "x", "%10"),
     "x: axis 0 would be -1 by A - 2; A is 1 (-s)"),
    ("%10 = add %7, %A.0 : i64\n" + tensor(20, "x", "%10"), "exceeds 64 bits"),
    ("%10 = mul %7, %5 : i64\n" + tensor(20, "x", "%10"), "exceeds 64 bits"),
    (tensor(20, "x", "%7", "%5"), "x: has more than 2^59 elements"),
    ("%10 = fdiv %A.0, %3 : i64\n" + tensor(20, "x", "%10"), "x: axis 0: A // 0: division by zero"),
    ("%10 = clz %A.0 : i64\n" + tensor(20, "x", "%10"), "clz(A): is nothing the host computes"),
    (tensor(20, "xs", "%A.0", "%7", kind="table"), "xs: entries would be 9223372036854775807"),
])
def test_extents_that_are_none(frame, ops, message):
    assert message in frame(ops, s=["A=1", "B=0", "C=0"])


def test_large_extents_are_exact(frame):
    ops = "%10 = mul %A.0, %5 : i64\n%11 = add %10, %4 : i64\n" + tensor(20, "x", "%11")
    n = 2**57 + 1
    assert frame(ops, f"x={n}", s=["B=0", "C=0"])[0] == f"A {(n - 1) // 2}"
