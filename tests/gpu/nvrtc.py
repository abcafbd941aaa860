"""Where NVRTC is, if the loader does not know: beside a CUDA toolkit, or in a Python package."""
import ctypes
import glob
import os
import sys


def find():
    """Sets TILE_NVRTC where it is needed."""
    if os.environ.get("TILE_NVRTC"):
        return
    for name in "libnvrtc.so.13", "libnvrtc.so.12":
        try:
            ctypes.CDLL(name)
            return
        except OSError:
            pass
    folders = ["/usr/local/cuda*/lib64", *(f"{p}/nvidia/*/lib" for p in sys.path)]
    for folder in folders:
        for path in sorted(glob.glob(f"{folder}/libnvrtc.so.1[23]"), reverse=True):
            os.environ["TILE_NVRTC"] = path
            return
