"""docs/machine-model.md: its table of planted faults is that of faults.py, its rules have the names that
reports have, and their sections are those that the code cites."""
import re
import sys

from blocks import ROOT

sys.path.insert(0, str(ROOT / "tests" / "machine"))
from table import PAGE, written  # noqa: E402

TEXT = PAGE.read_text()


def test_the_table_is_up_to_date():
    assert written(TEXT) == TEXT, "run tests/machine/table.py"


def test_every_report_has_its_rules():
    names = re.findall(r'X\([A-Z_]+, "(.*?)"\)', (ROOT / "runtime/machine/faults.h").read_text())
    rules = TEXT[TEXT.index("## What it checks"):TEXT.index("## What it does not")]
    assert re.findall(r"^\| ([a-z0-9_'.]+(?: [a-z0-9_'.]+)*) \|", rules, re.M)[1:] == names[1:]


def test_sections_are_cited_beside_the_code():
    code = "".join(p.read_text() for p in (ROOT / "runtime").rglob("*.[ch]"))
    sections = set(re.findall(r"\b\d\.\d+\.\d+[\d.]*\d\b", TEXT))
    assert len(sections) > 15 and [s for s in sections if s not in code] == []
