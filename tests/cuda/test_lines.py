"""`tilec emit --lines`: #line directives lead from the CUDA to the .tile files."""
import re
import subprocess

import pytest

LIBRARY = "fn twice(v) {\n  return\n    v * 2.0;\n}\n"
TEXT = """import "other.tile";
kernel two[N: dim](x: in f32[N], y: out f32[N], z: out f32[N])
{
  @first par (n in 0..N by 256) {
    let v = x[n +: 256];
    if n > 3 { y[n +: 256] = twice(v); }
  }
  @second par (m in 0..N by 256) {
    z[m +: 256] = y[m +: 256];
  }
}
"""


@pytest.fixture
def emit(tilec, tmp_path):
    (tmp_path / "other.tile").write_text(LIBRARY)
    (tmp_path / "two.tile").write_text(TEXT)

    def run(*words):
        done = tilec("emit", "two.tile", "--arch", "sm90", "-o", "out", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return (tmp_path / "out" / "two.sm90.cu").read_text()
    return run


def test_lines(emit):
    plain, lines = emit(), emit("--lines")
    assert "#line" not in plain
    assert re.sub(r"^#line.*\n", "", lines, flags=re.M) == plain
    wanted, file, inside = None, "two.tile", False
    rows = lines.splitlines()
    seen = set()
    for number, row in enumerate(rows):
        mark = re.match(r'#line (\d+) "(.*)"$', row)
        if mark and mark[2].endswith(".cu"):                   # behind a kernel: the text itself
            assert (int(mark[1]), mark[2]) == (number + 2, "two.sm90.cu") and rows[number - 1] == "}"
            inside = False
        elif mark:
            inside, wanted, file = True, int(mark[1]), mark[2]
        elif inside:
            before = re.match(r'#line (\d+) "(.*)"$', rows[number - 1])
            assert before or row == "}", f"line {number + 1} has no directive"
            line = re.search(r"TILE_LINE\((\d+)\) // (.*)", row)
            if line:
                source = {"two.tile": TEXT, "./other.tile": LIBRARY, "other.tile": LIBRARY}[file]
                assert int(line[1]) == wanted and line[2] in source.splitlines()[wanted - 1]
                seen.add((file.removeprefix("./"), wanted))
    assert seen == {("two.tile", 5), ("two.tile", 6), ("two.tile", 9), ("other.tile", 3)}


def test_a_compiler_follows_them(emit, tmp_path, repository):
    """What is wrong in a statement is told at its line of the .tile file."""
    text = re.sub("tile_load_2_f32_at", "no_such_function", emit("--lines"), count=1)
    assert "no_such_function" in text
    (tmp_path / "two.c").write_text(text)
    done = subprocess.run(["cc", "-std=gnu11", "-DTILE_MACHINE", "-Werror=implicit-function-declaration",
                           "-fsyntax-only", f"-I{repository}", "two.c"], cwd=tmp_path, capture_output=True, text=True,
                          check=False)
    assert done.returncode and re.search(r"^two.tile:5:\d+: error: .*no_such_function", done.stderr, re.M), done.stderr
