"""Quotients without a branch (tile_quotient) against the division of the CPU: quotient.c."""
from library import LEVEL, run_c


def test_quotients_are_those_of_division(tmp_path):
    run_c("quotient", tmp_path, str(1_000_000 if LEVEL == 1 else 50_000_000))
