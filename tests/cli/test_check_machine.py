"""tilec check --machine: every variant runs on the machine model, against the interpreter."""
import sys

import pytest


@pytest.fixture
def broken(shell, monkeypatch):
    """A C compiler that replaces `old` in the CUDA text by `new`."""
    def broken_(old, new):
        cc = shell.path("cc")
        cc.write_text(f"#!{sys.executable}\nimport os, sys\ntext = open(sys.argv[-1]).read()\n"
                      f"assert {old!r} in text, text\n"
                      f"open(sys.argv[-1], 'w').write(text.replace({old!r}, {new!r}))\n"
                      "os.execvp('cc', ['cc', *sys.argv[1:]])\n")
        cc.chmod(0o700)
        monkeypatch.setenv("TILE_CC", str(cc))
        monkeypatch.setenv("TILE_CACHE_DIR", str(shell.path("cache")))
    return broken_


@pytest.mark.parametrize("arch", ["sm90", "sm100"])
def test_silent_when_all_is_well(shell, arch):
    assert shell.ok(f"check --machine {arch} scale.tile copy.tile two.tile table.tile alias.tile") == ""


def test_scratch_and_parameters_of_the_gpu(shell):
    """P = grid.resident is one number for both."""
    assert shell.ok("check --machine sm90 -v tuned.tile").count("B=4 P=3 with N=") == 2


def test_what_ran_is_said(shell):
    text = shell.ok("check --machine sm90 -v --seeds 4 copy.tile")
    assert text.count("copy.tile: copy T=f32 x=row y=row with M=") == 2 and text.count(": 4 seeds\n") == 2
    assert shell.ok("check --machine sm90 -v -s M=5 -s K=9 copy.tile").count("with M=5 K=9: 3 seeds\n") == 1


def test_every_instance_runs(shell):
    shell.path("i.tile").write_text(
        "kernel k[N: dim, T: type, on: bool](x: in T[N], y: out T[N]) {\n"
        "  par (i in 0..N by 32) { let v = x[i +: 32]; y[i +: 32] = on ? -v : v; }\n"
        "}\ninstances k { T: { f32, i32 }; on: { true, false }; }\n")
    text = shell.ok("check --machine sm90 -v --seeds 1 i.tile")
    for variant in ("T=f32 on=true", "T=f32 on=false", "T=i32 on=true", "T=i32 on=false"):
        assert f"k {variant} " in text


def test_a_fault_is_named_with_sizes_and_seed(shell, broken):
    broken("a.x + ", "a.x + 1000 + ")
    shell.fails("check --machine sm90 scale.tile",
                r"tilec: scale\.tile:2: out of bounds: block \d+, .*; seed 0 \(late completion\) replays",
                r"tilec: that was scale x=row y=row with N=\d+, on made-up tensors")


def test_a_wrong_value_is_told(shell, broken):
    broken("t[r] * a.a", "t[r] + a.a")
    shell.fails("check --machine sm90 --seed 7 scale.tile",
                r"scale: byte \d+ of y is 0x.. on the machine, 0x.. in the interpreter; seed 7")


def test_what_cannot_run_is_told(shell):
    shell.path("m.tile").write_text(
        "kernel m[M: dim](a: in bf16[M, 64], b: in bf16[64, 64], c: out f32[M, 64]) {\n"
        "  par (i in 0..M by 64) { c[i +: 64, :] = mma(a[i +: 64, :], b[:, :]); }\n}\n"
        "kernel odd[N: dim](x: in f32[N], y: out f32[N]) where N == 77777 {\n"
        "  par (i in 0..N) { y[i] = x[i]; }\n}\n"
        "kernel positive[N: dim](x: in f32[N], y: out f32[N]) {\n"
        "  par (i in 0..N) { assert(x[i] > 1000.0, \"small\"); y[i] = x[i]; }\n}\n"
        "kernel other[N: dim](x: in f32[N], y: out f32[N]) {\n  par (i in 0..N) { y[i] = x[i]; }\n}\n"
        "schedule other for sm100 { unit warp; }\n")
    text = shell.ok("check --machine sm90 --seeds 1 m.tile")
    assert "odd x=row y=row is not run on the machine: no sizes that it takes were found; give dims by -s" in text
    assert "positive x=row y=row is not run on the machine: m.tile:8:" in text and "small" in text
    assert "m.tile: other has no variant for sm90\n" in text


@pytest.mark.parametrize("words, text", [
    ("--seeds 2", "--seed and --seeds need --machine"), ("--seed 2", "--seed and --seeds need --machine"),
    ("--machine sm90 --seeds 0", "at least one"), ("--machine sm80", "write --machine sm90|sm100"),
    ("--machine sm90 -d ir", "-d takes no --machine")])
def test_wrong_options(shell, words, text):
    done = shell(f"check {words} scale.tile")
    assert done.returncode == 2 and text in done.stderr
