"""Every planted fault is found and named; what is not planted is not found."""
import os
import re

import faults
import faults_tcgen05
import pytest
from machine import KERNELS, ROOT, Fault, Kernel

LEVEL = int(os.environ.get("TILE_TEST_LEVEL", "1"))
FAULTS = faults.FAULTS + faults_tcgen05.FAULTS
CONFIGS = faults.CONFIGS | faults_tcgen05.CONFIGS


def mutated(kernel, old, new):
    text = (KERNELS / f"{kernel}.cu").read_text()
    assert old in text, f"{kernel}.cu has no more: {old}"
    return text.replace(old, new)


def run(kernel, text=None, seeds=(0, 5), **options):
    launches, buffers, args, flags, flags_cc = CONFIGS[kernel](**options)
    Kernel(kernel, text, flags_cc).run(launches, buffers, args, seeds, flags=flags)


@pytest.mark.parametrize("row", FAULTS, ids=lambda row: row[0])
def test_fault(row):
    _, kernel, old, new, names, text = row[:6]
    names = (names,) if isinstance(names, str) else names
    options = row[6] if len(row) > 6 else {}
    with pytest.raises(Fault) as fault:
        run(kernel, mutated(kernel, old, new), (0, 11), **options)
    assert fault.value.name in names and text in fault.value.report, fault.value.report
    # The report replays, and says where: a line of the kernel, or the launch.
    with pytest.raises(Fault) as again:
        run(kernel, mutated(kernel, old, new), (fault.value.seed,) * 2, **options)
    assert again.value.report == fault.value.report
    assert (f"seed {fault.value.seed} " in fault.value.report and f"{kernel}.cu:" in fault.value.report
            or fault.value.name == "wrong launch"), fault.value.report


RIGHT = [(kernel, {}) for kernel in CONFIGS]
RIGHT += [("wgmma", {"form": "rs"}), ("wgmma", {"swizzle": 0}), ("gemm", {"m": 256})]
RIGHT += faults_tcgen05.RIGHT


@pytest.mark.parametrize("kernel, options", RIGHT, ids=str)
def test_nothing_is_found_in_right_kernels(kernel, options):
    run(kernel, seeds=(0, 20 if LEVEL == 1 else 200), **options)


def test_the_table_is_large_enough():
    assert len(faults.FAULTS) >= 60 and len(faults_tcgen05.FAULTS) >= 45
    assert len({row[0] for row in FAULTS}) == len(FAULTS)


def test_every_rule_has_two_faults():
    """All names of runtime/machine/faults.h, but for the kernel's own trap."""
    table = (ROOT / "runtime" / "machine" / "faults.h").read_text()
    names = set(re.findall(r"X\(\w+, \"(.*?)\"\)", table)) - {"no fault", "trap"}
    planted = [name for row in FAULTS for name in ([row[4]] if isinstance(row[4], str) else row[4])]
    assert len(names) >= 30 and set(planted) == names
    assert all(planted.count(name) >= 2 for name in names)
