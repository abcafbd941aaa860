"""Scripted sessions of `tilec debug`: every command, what it shows and where the run stops."""
import pathlib
import re

import numpy as np
import ml_dtypes
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROLES = ROOT / "examples" / "gemm_bf16_roles.tile"
MAPPING = ROOT / "kernels.tile" / "routing" / "fused_mapping.tile"

PROGRAMS = """\
fn root(v) {
  let q = v - 1.0;
  return rsqrt(q);
}
kernel shifted[N: dim](x: in f32[N], y: out f32[N])
{
  par (n in 0..N by 8) {
    let v = x[n + 2 +: 8];
    let r = root(v);
    let k = r * 2.0;
    y[n +: 8] = k;
  }
}
kernel quotient[N: dim](x: in i32[N], z: in i32[N], y: out i32[N])
{
  par (n in 0..N by 4) {
    let d = z[n +: 4];
    y[n +: 4] = x[n +: 4] // d;
  }
}
kernel undefined[N: dim](y: out f32[N], z: out f32[N])
{
  par (n in 0..N) {
    let t = f32(n);
    z[n] = y[n] + t;
  }
}
kernel total[L: dim, N: dim](xs: in table(L, f32[N]), s: out f32[N])
{
  par (n in 0..N by 32) {
    var t = fill(0.0, 32);
    for l in 0..L {
      t = t + xs[l][n +: 32];
    }
    for l in 0..L { t = t + xs[l][n +: 32]; }
    s[n +: 32] = t;
  }
}
kernel large[N: dim](x: in f32[N], y: out f32[N])
{
  par (n in 0..N by 2048) {
    let v = x[n +: 2048];
    y[n +: 2048] = v;
  }
}
"""


class Session:
    """Runs a script; what each command answered is a text of its own."""

    def __init__(self, tilec, folder):
        self.tilec, self.folder = tilec, folder
        (folder / "p.tile").write_text(PROGRAMS)

    def save(self, name, array):
        np.save(self.folder / name, array)

    def __call__(self, kernel, arguments, *commands, file="p.tile", code=0):
        script = "".join(c + "\n" for c in commands)
        done = self.tilec("debug", file, kernel, *arguments.split(), input=script, cwd=self.folder,
                          timeout=20)
        assert done.returncode == code, (done.stdout, done.stderr)
        self.errors = done.stderr
        answers = re.split(r"^\(tilec\) .*\n", done.stdout, flags=re.M)
        assert len(answers) <= len(commands) + 1, done.stdout
        self.start = answers[0]
        return answers[1:]


@pytest.fixture
def session(tilec, tmp_path):
    s = Session(tilec, tmp_path)
    x = np.arange(2, 22).astype(np.float32)
    s.save("x.npy", x)
    x[11] = -3
    s.save("bad.npy", x)
    s.save("i.npy", np.arange(20, dtype=np.int32))
    s.save("j.npy", np.arange(20, dtype=np.int32) - 9)
    return s


SHIFTED = "-i x=x.npy -o y=y.npy"


def test_stops_before_the_first_program_and_writes_at_the_end(session):
    answers = session("shifted", SHIFTED, "continue")
    assert "shifted: x=row y=row" in session.start
    assert re.search(r"p\.tile:8: program \d \(n = \d+\)\n>   8      let v = ", session.start)
    assert answers == ["the run has ended\n"]
    x = np.append(np.load(session.folder / "x.npy")[2:], np.zeros(2, np.float32))
    with np.errstate(invalid="ignore"):
        want = 2 / np.sqrt(x - 1)
    np.testing.assert_allclose(np.load(session.folder / "y.npy"), want, rtol=1e-6)


def test_quit_and_the_end_of_the_script_write_nothing(session):
    for commands in (["quit"], ["q"], ["next"], []):
        session("shifted", SHIFTED, *commands)
        assert not (session.folder / "y.npy").exists()


def test_break_at_a_line_with_a_condition(session):
    answers = session("shifted", SHIFTED, "break 10 if n == 16", "continue", "where", "continue")
    assert answers[0] == "breakpoint 1 at p.tile:10 if n == 16\n"
    assert answers[1].startswith("breakpoint 1\np.tile:10: program 2 (n = 16)\n>  10  ")
    assert answers[2] == answers[1].split("\n", 1)[1]
    assert answers[3] == "the run has ended\n"


def test_break_in_a_program(session):
    answers = session("shifted", SHIFTED, "break program 1 if N == 20", "b p.tile:11 program 1",
                      "breaks", "c")
    assert answers[0] == "breakpoint 1 in program 1 if N == 20\n"
    assert answers[1] == "breakpoint 2 at p.tile:11 in program 1\n"
    assert answers[2] == "1: program 1 if N == 20\n2: p.tile:11 program 1\n"
    assert re.match(r"breakpoint \d\np\.tile:\d+: program 1 \(n = 8\)", answers[3])


def test_breakpoints_are_deleted(session):
    answers = session("shifted", SHIFTED, "break 10", "break 11", "delete 1", "breaks", "delete 7",
                      "delete", "breaks", "continue")
    assert answers[3] == "2: p.tile:11\n"
    assert answers[4] == "no breakpoint 7\n"
    assert answers[6] == "no breakpoints\n"
    assert answers[7] == "the run has ended\n"


@pytest.mark.parametrize("command, text", [
    ("break", "break LINE, break FILE:LINE"), ("break foo", "break LINE"),
    ("break 999", "no code at line 999 of p.tile"), ("break other.tile:3", "no code at line 3"),
    ("break program x", "break program NUMBER"), ("break 10 if )", "expected an expression"),
    ("foo", "unknown command `foo`"), ("print", "print EXPRESSION"),
    ("print zz", "no `zz` is visible here"), ("print x[0", "error: expected"),
    ("print 1 // 0", "division by zero"), ("watch me", "watch nan, watch inf"),
    ("outside", "no load has run yet"), ("print x + 1", "error:"),
])
def test_a_wrong_command_is_told_and_the_session_goes_on(session, command, text):
    answers = session("shifted", SHIFTED, command, "where")
    assert text in answers[0]
    assert answers[1].startswith("p.tile:8: ")


def test_a_condition_that_has_no_value_is_told_once(session):
    answers = session("shifted", SHIFTED, "break 10 if zz == 1", "continue")
    assert answers[1].startswith("breakpoint 1 never had a condition to judge:\n")
    assert answers[1].count("no `zz` is visible") == 1


def test_step_goes_into_functions_and_next_over_them(session):
    lines = [re.search(r"p\.tile:(\d+)", a).group(1)
             for a in session("shifted", SHIFTED, "step", "step", "step", "step", "program", "next",
                              "next")]
    assert lines == ["2", "3", "10", "11", "8", "10", "11"]


def test_print_tiles_slices_and_expressions(session):
    answers = session(
        "shifted", "-i x=bad.npy", "break 10 if n == 0", "continue", "print v", "p v[2 +: 3]",
        "print v[0] + 1", "print sum(v, 0)", "print n", "print N * 2", "print x", "print (v, n)",
        "print x[18 +: 4]", "print y[0 +: 2]", "print bf16(v)", "print v > 7.0")
    assert answers[2] == "v = f32[8]\n  [0]   4   5   6   7   8   9  10  11\n"
    assert answers[3] == "v[2 +: 3] = f32[3]\n  [0]  6  7  8\n"
    assert answers[4] == "v[0] + 1 = f32 5\n"
    assert answers[5] == "sum(v, 0) = f32[1]\n  [0]  60\n"
    assert answers[6] == "n = i64 0\n"
    assert answers[7] == "N * 2 = i64 40\n"
    assert answers[8] == "x = tensor f32[20]; index it to see elements\n"
    assert answers[9] == answers[2].replace("v", "(v, n).0") + "(v, n).1 = i64 0\n"
    assert answers[10] == "x[18 +: 4] = f32[4]\n  [0]  20  21   0   0\n"
    assert answers[11] == "read of y[0] (out) before anything was stored there\n"
    assert answers[12].startswith("bf16(v) = bf16[8]\n")
    assert answers[13].split() == "v > 7.0 = bool[8] [0]".split() + ["false"] * 4 + ["true"] * 4


def test_a_large_tile_is_summarised(session):
    x = np.arange(4096, dtype=np.float32)
    x[5] = np.nan
    session.save("big.npy", x)
    answers = session("large", "-i x=big.npy", "break 43 if n == 0", "continue", "print v")
    assert answers[2].startswith("v = f32[2048]  min 0  max 2047  mean 1024  nan 1  inf 0\n")
    assert ".." in answers[2]


def test_locals_and_list(session):
    answers = session("shifted", SHIFTED, "break 10 if n == 8", "continue", "locals", "list", "l 2")
    local = dict(line.split(None, 1) for line in answers[2].splitlines())
    assert local["v"] == local["r"] == "f32[8]" and local["x"] == "tensor f32[20]"
    assert local["n"] == "i64 8" and local["N"] == "i64 20"
    assert ">  10      let k = r * 2.0;\n" in answers[3] and "    7    par (" in answers[3]
    assert "    1  fn root(v) {\n" in answers[4]


def test_watch_stops_where_a_nan_is_made_and_not_where_it_is_handed_on(session):
    answers = session("shifted", "-i x=bad.npy", "break program 1", "c", "watch nan", "continue",
                      "print r", "watch off", "continue")
    assert answers[2] == "watching for NaN\n"
    assert answers[3].startswith("watch: line 3 made a NaN: r f32[8], element 1\n")
    assert answers[4].split()[3:5] == ["[0]", "0.30151135"] or answers[4].split().count("nan") == 1
    assert answers[5] == "watching for nothing\n"
    answers = session("shifted", "-i x=bad.npy", "watch nan", *["continue"] * 4)
    made = [a for a in answers if a.startswith("watch: ")]
    assert all(a.startswith("watch: line 3 made a NaN: r ") for a in made)
    assert len(made) == 2          # of -3 in program 1, of the zeros outside in program 2


def test_watch_finds_an_infinity(session):
    session.save("one.npy", np.array([9, 9, 1, 5], np.float32))
    answers = session("shifted", "-i x=one.npy", "watch inf", "continue")
    assert answers[1].startswith("watch: line 3 made an Inf: r f32[8], element 0\n")


def test_outside_of_the_last_load(session):
    answers = session("shifted", SHIFTED, "break 8", "break 11 if n == 16", "delete 1", "continue",
                      "outside", "break program 0", "continue", "outside", "next", "outside")
    assert answers[4] == ("load of x at line 8:\n"
                          "  axis 0: 18 +: 8 of 20: elements 0..1 inside, 6 outside\n"
                          "  6 of 8 elements outside: they read the pad value\n")
    answers = session("shifted", SHIFTED, "break 11 if n == 0", "continue", "outside")
    assert answers[2].endswith("  all 8 elements inside\n")


def test_a_fault_stops_at_its_line(session):
    answers = session("quotient", "-i x=i.npy -i z=j.npy", "continue", "print d", "print d // 0",
                      "continue", code=1)
    assert answers[0].startswith("fault: division by zero; program (n = 8); seed 0 replays\n"
                                 "p.tile:18: program 2 (n = 8)\n")
    assert answers[1].split() == ["d", "=", "i32[4]", "[0]", "-1", "0", "1", "2"]
    assert answers[3] == "the run has ended with a fault\n"
    assert session.errors.startswith("p.tile:18:")          # not the expression that was printed


def test_undefined_elements(session):
    answers = session("undefined", "-s N=3", "next", "print y[n]", "continue", "quit")
    assert re.fullmatch(r"read of y\[\d\] \(out\) before anything was stored there\n", answers[1])
    assert answers[2].startswith("fault: read of y[") and "p.tile:25: program" in answers[2]


def test_loops(session):
    tables = "-i xs[0]=x.npy -i xs[1]=x.npy -o s=s.npy"
    answers = session("total", tables, "break 32", "next", "print l", "next", "next")
    assert answers[0] == "breakpoint 1 at p.tile:32\n"
    assert ", l = 0\n>  33  " in answers[1] and answers[2] == "l = i64 0\n"
    assert ", l = 1\n>  33  " in answers[3] and answers[4].startswith("p.tile:35: program")
    answers = session("total", tables, "break 34", *["continue"] * 4)
    assert ["l = 0" in answers[2], "l = 1" in answers[3]] == [True, True], answers
    assert answers[4] == "the run has ended\n"


def test_roles_and_pipes(session):
    r = np.random.default_rng(1)
    a = r.normal(size=(20, 136)).astype(ml_dtypes.bfloat16)
    session.save("a.npy", a)
    session.save("b.npy", r.normal(size=(8, 136)).astype(ml_dtypes.bfloat16))
    answers = session("gemm_nt_roles", "-i a=a.npy -i b=b.npy -o c=c.npy -s BM=16 -s BN=8",
                      "break 13 if m == 16", *["continue"] * 3, "print k", "print s.a[3, 0 +: 2]",
                      "outside", "delete", "break 9 if k == 64", "continue", "delete", "continue",
                      file=ROLES)
    assert "role math" in answers[1] and ", k = " not in answers[1]
    assert ", k = 0, role math" in answers[2] and ", k = 64, role math" in answers[3]
    assert answers[4] == "k = i64 64\n"
    shown = [float(t) for t in answers[5].split("[0]")[-1].split()]
    assert np.float32(shown).tolist() == a[19, 64:66].astype(float).tolist()
    assert "load of a at line 9:" in answers[6] and "load of b at line 9:" in answers[6]
    assert "k = 64, role producer" in answers[9] or answers[9] == "the run has ended\n"
    assert (session.folder / "c.npy").exists()


def test_exchange(session):
    topk = np.random.default_rng(0).integers(0, 4, size=(7, 2))
    session.save("topk.npy", topk.astype(np.int64))
    lines = MAPPING.read_text().splitlines()
    stop = f"break {next(n for n, line in enumerate(lines, 1) if 'let before' in line)}"
    answers = session("fused_mapping", "-i topk=topk.npy -s E=4 -s A=16 -s X=80 -s P=3",
                      stop, *["continue"] * 4, "where", file=MAPPING)
    programs = [re.search(r"program (\d)", a).group(1) for a in answers[1:4]]
    assert sorted(programs) == ["0", "1", "2"]     # each once, not at every iteration
    assert answers[4] == "the run has ended\n"
    answers = session("fused_mapping", "-i topk=topk.npy -s E=4 -s A=16 -s X=80 -s P=3",
                      stop, "continue", "print total", file=MAPPING)
    assert answers[2].split()[-4:] == [str((topk == e).sum()) for e in range(4)]


def test_help_lists_every_command(session):
    answers = session("shifted", SHIFTED, "help")
    words = {line.split()[0] for line in answers[0].splitlines()}
    assert words >= set("break breaks delete continue step next program where list print locals "
                        "watch outside help quit".split())
