"""docs/language.md says what the tool does: every example, every operation, every rule."""
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from blocks import ROOT, Page  # noqa: E402

PAGES = [Page(path) for path in sorted((ROOT / "docs").glob("*.md"))]
TILES = [b for page in PAGES for b in page.tiles]
GOOD = [b for b in TILES if b.kind in ("good", "frame")]
WRONG = [b for b in TILES if b.kind in ("wrong", "fault")]
LANGUAGE = (ROOT / "docs" / "language.md").read_text()


@pytest.mark.parametrize("block", GOOD, ids=repr)
def test_good_example(block):
    if block.kind == "frame":
        block.text = block.text.replace("...\n", "")
    code, shown = block.run()
    assert code == 0, shown


@pytest.mark.parametrize("block", WRONG, ids=repr)
def test_wrong_example(block):
    code, shown = block.run()
    assert shown == block.expected.text
    assert code == 1


def test_every_tile_block_is_of_a_known_kind():
    assert {b.kind for b in TILES} <= {"good", "wrong", "fault", "frame", "file"}


def table_names(path, macro):
    text = (ROOT / path).read_text()
    body = text[text.index(f"#define {macro}("):]
    return re.findall(r"\bB\((\w+),", body[:body.index("\n\n")])


def test_index_has_every_operation():
    names = table_names("dsl/builtins.h", "TILE_BUILTINS")
    assert len(names) > 50
    index = LANGUAGE[LANGUAGE.index("## Index of operations"):]
    listed = re.findall(r"^\| `(\w+)` \|", index, re.M) + re.findall(r"^### (\w+)$", index, re.M)
    assert [n for n in names if n not in listed] == []
    rows = re.findall(r"^\| `(\w+)` \|", index, re.M)
    assert [n for n in rows if n not in names] == []


def test_every_rule_has_a_section():
    rules = [f"R{i}" for i in range(1, 27)] + ["R13b", "R14b"]
    sections = re.findall(r"^### (R\d+b?) ", LANGUAGE, re.M)
    assert sorted(sections) == sorted(rules)
    assert sorted(re.findall(r'^<a id="(R\d+b?)">', LANGUAGE, re.M)) == sorted(rules)


def test_links_lead_somewhere():
    def anchors(text):
        heads = re.findall(r"^#+ (.*)$", text, re.M)
        named = re.findall(r'<a id="(\w+)">', text)
        return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in heads} | {
            *named}
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.text):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            other = page.path if not path else page.path.parent / path
            assert other.exists(), f"{page.path.name}: {target}"
            if anchor:
                assert anchor in anchors(other.read_text()), f"{page.path.name}: {target}"


def test_every_element_type_and_reserved_word_is_named():
    types = re.findall(r'X\(DT_\w+, "(\w+)"', (ROOT / "dsl/dtype.h").read_text())
    words = re.findall(r'X\(\w+, "(\w+)"\)', (ROOT / "dsl/tokens.h").read_text()
                       .split("TILE_PUNCTUATION")[0])
    known = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", LANGUAGE))))
    assert [t for t in types + words if t not in known] == []
