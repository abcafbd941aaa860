"""docs/hacking.md speaks of files that exist, and shows the IR that the tool prints."""
import re

from blocks import ROOT, Page

PAGE = Page(ROOT / "docs" / "hacking.md")
PATH = re.compile(r"`((?:build/tests|dsl|compiler|runtime|tests|docs|examples|kernels\.tile)/[\w./*]*)[ `]")


def shown_ir(block, tilec, folder):
    (folder / "example.tile").write_text(block.text)
    done = tilec("check", "-d", "ir", "example.tile", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ir(tilec, tmp_path):
    block = next(b for b in PAGE.tiles if b.kind == "file")
    assert shown_ir(block, tilec, tmp_path) == block.expected.text


def test_files_exist():
    paths = [p for p in PATH.findall(PAGE.text) if not p.startswith("build/")]
    assert len(paths) > 50
    assert [p for p in paths if not list(ROOT.glob(p.rstrip("/")))] == []


def test_named_functions_exist():
    """`name` or `name(..)` with an underscore is a function or type of the code."""
    names = set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE.text))
    code = "".join(p.read_text() for top in ("dsl", "compiler", "runtime")
                   for p in (ROOT / top).rglob("*.[ch]"))
    assert names and [n for n in names if not re.search(rf"\b{n}\b", code)] == []
