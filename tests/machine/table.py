"""Writes the tables of planted faults into docs/machine-model.md: the rows of faults.py, with what
gpu_faults.py found compute-sanitizer to say, those of faults_tcgen05.py, and those of test_mutated.py.

    build/venv/bin/python tests/machine/table.py
"""
import json
import re

import faults
import faults_tcgen05
import test_mutated
from gpu_faults import RESULT, as_it_is
from machine import ROOT

PAGE = ROOT / "docs" / "machine-model.md"
TABLE = re.compile(r"(<!-- faults: .*? -->\n)(.*?)(<!-- end of faults -->)", re.S)


def names(row):
    return " or ".join(row[4] if isinstance(row[4], tuple) else (row[4],))


def table():
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    lines = ["| planted on SM90 | kernel | report | compute-sanitizer |", "|---|---|---|---|"]
    lines += [f"| nothing | `{kernel}` | none | {known.get(as_it_is(kernel), '')} |" for kernel in faults.CONFIGS]
    lines += [f"| {row[0]} | `{row[1]}` | {names(row)} | {known.get(row[0], 'not asked')} |" for row in faults.FAULTS]
    lines += ["", "| planted on SM100 | kernel | report |", "|---|---|---|"]
    lines += [f"| nothing | `{kernel}` | none |" for kernel in faults_tcgen05.CONFIGS]
    lines += [f"| {row[0]} | `{row[1]}` | {names(row)} |" for row in faults_tcgen05.FAULTS]
    lines += ["", "| planted in emitted code | file | report |", "|---|---|---|"]
    lines += [f"| {row[0]} | `{row[1].split('/')[-1]}` | {names(row)} |" for row in test_mutated.ROWS]
    return "\n".join(lines) + "\n"


def written(text):
    return TABLE.sub(lambda m: m[1] + table() + m[3], text)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
