"""Writes the table of planted faults into docs/machine-model.md: the rows of faults.py, and what
gpu_faults.py found compute-sanitizer to say.

    build/venv/bin/python tests/machine/table.py
"""
import json
import re

from faults import FAULTS
from machine import ROOT

PAGE = ROOT / "docs" / "machine-model.md"
SANITIZER = ROOT / "tests" / "machine" / "sanitizer.json"
TABLE = re.compile(r"(<!-- faults: .*? -->\n)(.*?)(<!-- end of faults -->)", re.S)


def table():
    known = json.loads(SANITIZER.read_text()) if SANITIZER.exists() else {}
    lines = ["| planted | kernel | report | compute-sanitizer |", "|---|---|---|---|"]
    for row in FAULTS:
        names = row[4] if isinstance(row[4], tuple) else (row[4],)
        lines.append(f"| {row[0]} | `{row[1]}` | {' or '.join(names)} | {known.get(row[0], '')} |")
    return "\n".join(lines) + "\n"


def written(text):
    return TABLE.sub(lambda m: m[1] + table() + m[3], text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
