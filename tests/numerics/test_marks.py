"""What top-k stands on: keys of floats, and the network that sorts a thread's marks (marks.c)."""
import subprocess

from library import CC, ROOT


def test_keys_and_sorting(tmp_path):
    program = tmp_path / "marks"
    subprocess.run([*CC, "-std=gnu11", "-w", "-O2", "-ffp-contract=off", "-I.", "tests/numerics/marks.c",
                    "runtime/numerics/convert.c", "dsl/dtype.c", "-lm", "-o", program], cwd=ROOT, check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
