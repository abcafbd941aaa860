"""Loads a library of `tilec build` with tvm-ffi and quantises a tensor: torch's on a GPU, on torch's
current stream; where there is none, numpy's on the CPU.

    build/tilec build kernels.tile/quant/per_token_cast.tile --arch sm90,cpu -o build/example/cast
    python examples/python/cast.py build/example/libcast.so          # pip install apache-tvm-ffi numpy
"""
import sys

import numpy as np
import tvm_ffi


def on_gpu(library, torch):
    x = torch.randn(5, 4096, device="cuda", dtype=torch.bfloat16)
    y = torch.empty(5, 4096, device="cuda", dtype=torch.float8_e4m3fn)
    scales = torch.empty(5, 32, device="cuda")
    with torch.cuda.stream(torch.cuda.Stream()):              # any stream: the current one is taken
        library.per_token_cast(x, y, scales, 128, False)      # G and pow2: no tensor shows them
        torch.cuda.current_stream().synchronize()
    return x.float().cpu().numpy(), scales.cpu().numpy()


def on_cpu(library):
    x = np.random.default_rng(0).normal(size=(5, 4096)).astype(np.float32)
    y, scales = np.empty((5, 4096), np.uint8), np.empty((5, 32), np.float32)   # e4m3 as bytes
    library.per_token_cast(x, y, scales, 128, False)
    return x, scales


def main():
    library = tvm_ffi.load_module(sys.argv[1])
    try:
        import torch
        gpu = torch.cuda.is_available()
    except ImportError:
        gpu = False
    x, scales = on_gpu(library, torch) if gpu else on_cpu(library)
    want = np.abs(x.reshape(5, 32, 128)).max(2) / np.float32(448)
    assert (scales == want).all(), "the scales are wrong"
    print(f"{'GPU' if gpu else 'CPU'}: {scales.size} scales, all right")


if __name__ == "__main__":
    main()
