"""R15 on the way to CUDA: a directive that cannot be honoured is an error at its place, and the
message says how to mend it.

`|>` stands where the message points; `#!` and `#?` as in tests/checks/wrong.py.
"""
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "checks"))
import wrong  # noqa: E402

LOOP = """
kernel loop[N: dim, D: int = 64](x: in f32[N, D], w: in f32[D], y: inout f32[N, D], s: out f32[N]) {
  par (i in 0..N by 4) {
    var a = fill(0.0, 4);
    for k in 0..D by 8 {
      let v = x[i +: 4, k +: 8];
      if k > 8 { y[i +: 4, k +: 8] = v + y[i +: 4, k +: 8]; }
      a = a + reshape(sum(v * reshape(w[k +: 8], 1, 8), 1), 4);
      for q in 0..2 { y[i, k] = x[i, q]; }
    }
    for e in 0..D { if e > 3 { continue; }  a = a + reshape(x[i +: 4, e +: 1], 4); }
    s[i +: 4] = a;
  }
}
"""

LOOP_WRONG = {
    "one_range": "grid |>group(8);  "
                 "#! group(n) is about the last two ranges of a par: this one has one range",
    "cluster": "grid |>cluster(2);                       #! grid: cluster is not lowered to CUDA yet",
    "role": "|>role r warps(1) { load x }                #! role r: not lowered to CUDA yet",
    "word": "pipeline k stages(2) |>tma;                 #! pipeline k: tma is not lowered to CUDA yet",
    "prefetch": "load x via smem;  pipeline k stages(2) |>prefetch(1);  "
                "#! pipeline k: prefetch is for loads that go to registers #? more stages do the same",
    "prefetch of nothing": "pipeline k stages(1) |>prefetch(1);  "
                           "#! pipeline k: prefetch goes beyond loads that run ahead, and none does "
                           "#? write stages(2)",
    "max": "pipeline k |>stages(max);  "
           "#! pipeline k: stages(max) is for loops that feed mma #? write a number",
    "nothing_ahead": "pipeline q |>stages(2);  "
                     "#! pipeline q: no load of the loop can run ahead #? this one is of one element",
    "written": "pipeline k stages(2) load(w, |>y);  "
               "#! pipeline k: no load of y can run ahead #? this one stands in an `if`",
    "not_loaded": "pipeline q stages(2) load(|>w);       #! pipeline q: the loop has no load of w",
    "number": "let B = 3;  unit block warps(|>popc(B));  #! warps takes a constant integer, not i64",
    "threads": "unit thread pack(33);",
}


def place_of(program):
    """The program without its mark, line and column of it."""
    before = program.split("|>")[0]
    assert program.count("|>") == 1
    return program.replace("|>", ""), before.count("\n") + 1, len(before) - before.rfind("\n")


def emit(tilec, tmp_path):
    return lambda _, path: tilec("emit", path, "--arch", "sm90", "-o", tmp_path / "out")


def check_wrong(tilec, tmp_path, program):
    text, line, column = place_of(program)
    seen = []

    def run(_, path):
        seen.append(emit(tilec, tmp_path)(_, path))
        return seen[0]
    wrong.check_wrong(run, tmp_path, text)
    assert re.search(rf"^[^:]*:{line}:{column}: error: ", seen[0].stderr, re.M), seen[0].stderr


@pytest.mark.parametrize("name", [n for n in LOOP_WRONG if "#!" in LOOP_WRONG[n]])
def test_loop(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, f"{LOOP}\nschedule loop for sm90 {{\n {LOOP_WRONG[name]}\n}}\n")


def test_threads_of_a_block(tilec, tmp_path):
    """Units and their pack have no directive where there is nothing wrong with one alone."""
    text = f"{LOOP}\nschedule loop for sm90 {{ {LOOP_WRONG['threads']} }}\n".replace("  par (i", "  |>par (i")
    check_wrong(tilec, tmp_path, text.replace("by 4) {", "by 4) {  #! the unit and its pack are 33 threads"))


PHASES = """
kernel two[N: dim, D: int = 64](x: in f32[N, D], y: out f32[N, D], z: out f32[N]) {
  @first par (i in 0..N) { for k in 0..4 { let v = x[i, :]; y[i, :] = v + f32(k); } }
  @second par (j in 0..N) { for q in 0..2 { let u = y[j, 1 +: 2]; z[j] = sum(u, 0)[0]; } }
}
"""

PHASES_RIGHT = {
    "own": "phase first { pipeline k stages(2); }  phase second { pipeline q stages(3); }",
    # A directive outside holds where there is something for it.
    "outside": "pipeline k stages(2);  load x cache(stream);  load y cache(stream);",
    # What a phase says itself replaces what is said outside, word for word.
    "replaced": "grid persistent group(8);  phase first { grid persistent; }  phase second { grid persistent; }",
    "one_stage": "pipeline k stages(1);",
}

PHASES_WRONG = {
    "in_the_phase": "phase second { grid persistent |>group(4); }      #! group(n) is about the last two ranges",
    "in_one_of_them": "grid persistent |>group(4);  phase first { grid persistent; }    #! group(n) is about the last",
}


@pytest.mark.parametrize("name", PHASES_WRONG)
def test_phases_wrong(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, f"{PHASES}\nschedule two for sm90 {{\n {PHASES_WRONG[name]}\n}}\n")


@pytest.mark.parametrize("name", PHASES_RIGHT)
def test_phases_right(tilec, tmp_path, name):
    path = tmp_path / "right.tile"
    path.write_text(f"{PHASES}\nschedule two for sm90 {{\n {PHASES_RIGHT[name]}\n}}\n")
    done = emit(tilec, tmp_path)("emit", path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_computed_for_nothing_needs_no_directive(tilec, tmp_path):
    """The tensor is absent in one variant, and its load is dead in another place."""
    path = tmp_path / "right.tile"
    path.write_text("""
kernel k[N: dim](x: in f32[N], w: in f32[N]?, y: out f32[N]) {
  par (n in 0..N by 64) {
    let unused = w[n +: 64];
    var v = x[n +: 64];
    if has(w) { v = v * w[n +: 64]; }
    y[n +: 64] = v;
  }
}
schedule k for sm90 { load w cache(stream); }
instances k { w: { none, row }; }
""".replace("    let unused = w[n +: 64];\n", ""))
    done = emit(tilec, tmp_path)("emit", path)
    assert (done.returncode, done.stderr) == (0, "")
    texts = sorted(path.read_text() for path in (tmp_path / "out").glob("*.cu"))
    assert [text.count("TILE_STREAM") for text in texts] in ([0, 1], [1, 0])
