"""Quotients without a branch (tile_quotient) against the division of the CPU: quotient.c."""
import subprocess

from library import CC, LEVEL, ROOT


def test_quotients_are_those_of_division(tmp_path):
    program = tmp_path / "quotient"
    subprocess.run([*CC, "-std=gnu11", "-w", "-O2", "-ffp-contract=off", "-I.", "tests/numerics/quotient.c",
                    "runtime/numerics/convert.c", "dsl/dtype.c", "-lm", "-o", program], cwd=ROOT, check=True)
    done = subprocess.run([program, str(1_000_000 if LEVEL == 1 else 50_000_000)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
