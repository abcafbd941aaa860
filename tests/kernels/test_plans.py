"""tilec run --plan: default sums in the order of a target's threads (R8)."""
import numpy as np
import pytest

from data import np_rng
from harness import TilecError, bits, run, within
