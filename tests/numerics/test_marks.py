"""What top-k stands on: keys of floats, and the network that sorts a thread's marks (marks.c)."""
from library import run_c


def test_keys_and_sorting(tmp_path):
    run_c("marks", tmp_path)
