"""Small programs and files for the tests of the command line."""
import re

import numpy as np
import pytest

PROGRAMS = {
    "scale.tile": """\
kernel scale[N: dim](x: in f32[N], y: out f32[N], a: f32) {
  par (i in 0..N by 16) { y[i +: 16] = x[i +: 16] * a; }
}
""",
    # One kernel for every element type; y has a second axis for formats.
    "copy.tile": """\
kernel copy[M: dim, K: dim, T: type = f32](x: in T[M, K], y: out T[M, K] @ store(row, col_pad16, ue8m0x4)) {
  par (m in 0..M by 4, k in 0..K by 8) { y[m +: 4, k +: 8] = x[m +: 4, k +: 8]; }
}
""",
    "formats.tile": """\
kernel formats[M: dim, K: dim, T: type = f32]
  (x: in T[M, K] @ store(row, col_pad16, ue8m0x4), y: out T[M, K]) {
  par (m in 0..M by 4, k in 0..K by 8) { y[m +: 4, k +: 8] = x[m +: 4, k +: 8]; }
}
""",
    "scalar.tile": """\
kernel same[T: type, N: dim](y: out T[N], a: T) {
  par (i in 0..N) { y[i] = a; }
}
""",
    "two.tile": """\
enum kind { plain, twice }
kernel first[N: dim, D: int, K: kind = kind.plain, on: bool = false](x: in f32[N, D], y: out f32[N, D]) {
  par (i in 0..N) {
    let v = x[i, :];
    let w = K == kind.twice ? v + v : v;
    y[i, :] = on ? -w : w;
  }
}
kernel second[N: dim](y: out i32[N], z: inout i32[N, 2], w: in i32[N]?) where N % 2 == 0 {
  par (i in 0..N) {
    z[i, 0] = i32(z[i, 0] + 1);
    if has(w) { y[i] = i32(w[i]); } else { y[i] = -1; }
  }
}
""",
    "table.tile": """\
kernel sums[L: dim, N: dim](xs: in table(L, f32[N]), ys: out table(L, f32[N]), s: out f32[N]) {
  par (i in 0..N) {
    var t = 0.0;
    for l in 0..L { t = t + xs[l][i];  ys[l][i] = -xs[l][i]; }
    s[i] = t;
  }
}
""",
    "alias.tile": """\
kernel bump[N: dim](x: in f32[N], y: out f32[N]) where alias(x, y) {
  par (i in 0..N) { y[i] = x[i] + 1.0; }
}
kernel late[N: dim](x: in f32[N], y: out f32[N]) where alias(x, y) {
  par (i in 0..1) {
    for k in 0..N { y[k] = x[N - 1 - k]; }
  }
}
""",
    "partial.tile": """\
kernel evens[N: dim](n: in i32[1], y: out i32[N]) {
  par (i in 0..N by 2) { y[i] = i32(n[0]); }
}
""",
    "tuned.tile": """\
kernel tuned[N: dim, P: dim](y: out i64[N]) scratch (part: inout i64[P]) {
  par (p in 0..P) {
    for i in p * B..N by P * B { y[i +: B] = i64(fill(p, B)); }
  }
}
schedule tuned for sm90 { let B = tune { 3, 4, 8 };  require B % 2 == 0;  let P = grid.resident; }
""",
    "assert.tile": """\
kernel checked[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) {
    assert(x[i] >= 0.0, "x is negative");
    y[i] = sqrt(x[i]);
  }
}
""",
    "wrong.tile": """\
kernel wrong[N: dim](x: in bf16[N], y: out bf16[N]) {
  par (i in 0..N by 16) {
    y[i +: 16] = x[i +: 16] * x[i +: 16];
    z[i +: 16] = 1;
  }
}
""",
    "syntax.tile": "kernel broken[N: dim](x: in f32[N] {\n}\n",
}


class Shell:
    """Runs tilec in a folder that holds PROGRAMS, and compares what it says."""

    def __init__(self, tilec, folder):
        self.tilec, self.folder = tilec, folder
        for name, text in PROGRAMS.items():
            (folder / name).write_text(text)

    def __call__(self, command, **options):
        words = command.split() if isinstance(command, str) else command
        return self.tilec(*words, cwd=self.folder, **options)

    def ok(self, command, **options):
        done = self(command, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, command, *texts, code=1, **options):
        """The command ends with that code and says each text (a regular expression)."""
        done = self(command, **options)
        assert done.returncode == code, (done.returncode, done.stderr)
        for text in texts:
            assert re.search(text, done.stderr), done.stderr
        assert "internal error" not in done.stderr
        return done.stderr

    def save(self, name, array):
        np.save(self.folder / name, np.asarray(array))

    def load(self, name):
        return np.load(self.folder / name)

    def path(self, name):
        return self.folder / name


@pytest.fixture
def shell(tilec, tmp_path):
    return Shell(tilec, tmp_path)
