"""tilec fmt: in place, atomically, only what parses."""
import os
import stat

UGLY = "# about\nkernel k[N:dim]( x:in f32[N],y:out f32[N] ){par(i in 0..N by 16){" \
       "y[i+:16]=x[i+:16]; # copy\n}}\n"


def test_in_place_and_idempotent(shell):
    ugly = shell.path("ugly.tile")
    ugly.write_text(UGLY)
    os.chmod(ugly, 0o640)
    assert shell.ok("fmt ugly.tile") == ""
    once = ugly.read_text()
    assert once != UGLY and "# about" in once and "# copy" in once
    assert stat.S_IMODE(ugly.stat().st_mode) == 0o640
    before = ugly.stat()
    shell.ok("fmt ugly.tile")
    assert ugly.read_text() == once
    assert ugly.stat().st_ino == before.st_ino, "a formatted file is not written again"
    assert shell.ok("check ugly.tile") == ""
    assert not list(shell.folder.glob("*.tmp"))


def test_check_changes_nothing(shell):
    ugly = shell.path("ugly.tile")
    ugly.write_text(UGLY)
    shell.fails("fmt --check ugly.tile", "ugly.tile: is not formatted")
    assert ugly.read_text() == UGLY
    shell.ok("fmt ugly.tile")
    assert shell("fmt --check ugly.tile").returncode == 0


def test_standard_input_to_output(shell):
    out = shell.ok("fmt -", input=UGLY)
    assert out != UGLY
    assert shell.ok("fmt -", input=out) == out
    shell.fails("fmt --check -", "is not formatted", input=UGLY)


def test_syntax_errors_are_refused(shell):
    before = shell.path("syntax.tile").read_text()
    ugly = shell.path("ugly.tile")
    ugly.write_text(UGLY)
    shell.fails("fmt syntax.tile ugly.tile", r"syntax\.tile:1:\d+: error")
    assert shell.path("syntax.tile").read_text() == before
    assert ugly.read_text() != UGLY, "the other files are formatted"


def test_links_stay_links(shell):
    shell.path("real.tile").write_text(UGLY)
    os.symlink("real.tile", shell.path("link.tile"))
    shell.ok("fmt link.tile")
    assert shell.path("link.tile").is_symlink()
    assert shell.path("real.tile").read_text() != UGLY


def test_unreadable_files(shell):
    shell.fails("fmt missing.tile", "missing.tile: No such file")
    shell.fails("fmt .", r"\.: Is a directory")


def test_names_need_not_be_known(shell):
    """Formatting takes what parses, be it right or wrong."""
    assert shell("fmt wrong.tile").returncode == 0
