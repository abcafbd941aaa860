"""TileKernels' functions on the tensors of benchmarks.py, where it is installed. None of its code is here.

`call(benchmark, tensors)` gives a function to time, or None. What it cannot do on these shapes raises
when it is called first.

TileLang takes seconds to compile a kernel and keeps it on disk:

    python3 tests/gpu/peers.py --warm 12 [WORD...]

compiles what bench.py will ask for, in so many processes at a time.
"""
import os
import subprocess
import sys

os.environ.setdefault("TILELANG_PRINT_ON_COMPILATION", "0")

try:
    import tile_kernels as tk
except ImportError as missing:
    tk, WHY = None, str(missing)


def per_token_cast(t, fmt, group):
    x = t["x"].torch
    return lambda: tk.quant.per_token_cast(x, fmt, group, round_sf=True)


def cast_e5m6(t):
    from tile_kernels.quant.per_token_cast_to_e5m6_kernel import per_token_cast_to_e5m6
    x = t["x"].torch
    return lambda: per_token_cast_to_e5m6(x, x.shape[1])


def cast_back_e5m6(t, out):
    import torch
    from tile_kernels.quant.cast_back_e5m6_kernel import cast_back_e5m6 as back
    codes, fmt = t["y"].torch.view(torch.uint8), {"bf16": "bf16", "f32": "fp32"}[out]
    pair, block = (codes, t["sf"].torch), (1, t["x"].shape[1])
    return lambda: back(pair, fmt, block)


def swiglu_cast(t):
    x = t["x"].torch.view(t["x"].shape[0], -1)
    return lambda: tk.quant.swiglu_forward_and_per_token_cast(x, "e4m3", 128, swiglu_clamp_value=10.0)


def swiglu_bwd(t, clamp):
    x, gy, w = (t["x"].torch, t["xsf"].torch), t["gy"].torch, t["w"].torch
    pos, back, limit = t["pos_slot"].torch, t["slot_pos"].torch, 10.0 if clamp else None
    return lambda: tk.quant.swiglu_backward_and_per_token_cast(x, gy, w, pos, back, 32, round_sf=True,
                                                               swiglu_clamp_value=limit)


def transpose(t):
    x = t["x"].torch
    return lambda: tk.transpose.batched_transpose(x)


def top2_sum_gate(t, score):
    logits, bias = t["logits"].torch, t["bias"].torch
    return lambda: tk.moe.top2_sum_gate(logits, bias, 6, 0, 0, False, 0, 1.5, 0, 1, 0, 1, score)


def topk_gate(t):
    scores = t["logits"].torch
    return lambda: tk.moe.topk_gate(scores, 6)


def get_fused_mapping(t, experts):
    topk, size = t["topk"].torch, t["pos_expert"].shape[0]
    return lambda: tk.moe.get_fused_mapping(topk, experts, size, 128, force_no_sync=True)


def engram_gate_fwd(t):
    x, k, v, wf = (t[name].torch for name in ("x", "k", "v", "wf"))
    return lambda: tk.engram.engram_gate_fwd(x, k, v, wf, 1e-6, 1e-6, save_for_backward=True)


def engram_gate_bwd(t):
    """With the reduction of the weights' gradients, which ours has in it."""
    names = ("gy", "x", "k", "v", "wf", "dot", "gate", "rx", "rk")
    inputs = [t[name].torch for name in names]
    wx, wk, gwx, gwk = (t[name].torch for name in ("wx", "wk", "gwx", "gwk"))

    def call():
        partial = tk.engram.engram_gate_bwd(*inputs, 1e-6)[3]
        tk.engram.grad_w_reduce(partial, wx, wk, gwx, gwk)
    return call


def sinkhorn(t):
    from tile_kernels.mhc.sinkhorn_kernel import _mhc_sinkhorn_fwd
    kernel, x, y = _mhc_sinkhorn_fwd(4, 1, 10, 1e-6), t["x"].torch, t["y"].torch
    return lambda: kernel(x, y)


def sinkhorn_bwd(t):
    from tile_kernels.mhc.sinkhorn_kernel import _mhc_sinkhorn_bwd
    kernel, x, gy, gx = _mhc_sinkhorn_bwd(4, 32, 10, 1e-6), t["x"].torch, t["gy"].torch, t["gx"].torch
    return lambda: kernel(gy, x, gx)


def multilayer_recompute(t):
    import tile_kernels.mhc.multilayer_recompute_kernel as module
    lists = [[e.torch for e in t[name]] for name in ("pre", "out_", "post", "comb", "inp", "res")]
    return lambda: module.mhc_multilayer_recompute(t["res0"].torch, *lists)


FUNCTIONS = {f.__name__: f for f in (
    per_token_cast, cast_e5m6, cast_back_e5m6, swiglu_cast, swiglu_bwd, transpose, top2_sum_gate, topk_gate,
    get_fused_mapping, engram_gate_fwd, engram_gate_bwd, sinkhorn, sinkhorn_bwd, multilayer_recompute)}


def call(benchmark, tensors):
    if tk is None or not benchmark.peer:
        return None
    name, *rest = benchmark.peer
    return FUNCTIONS[name](tensors, *rest)


def warm(share, shares, words):
    import benchmarks
    for b in benchmarks.all_benchmarks(words)[share::shares]:
        try:
            call(b, b.make()[1])()
        except Exception as why:                                  # what it cannot do is told by bench.py
            print(f"{b.name}: {str(why).splitlines()[0][:100] if str(why) else type(why).__name__}", flush=True)


def main():
    words = sys.argv[1:]
    if tk is None:
        print(f"TileKernels cannot be imported: {WHY}")
        return 1
    if words[:1] == ["--share"]:
        warm(int(words[1]), int(words[2]), words[3:])
        return 0
    shares = int(words[1]) if words[:1] == ["--warm"] else 1
    rest = words[2:] if words[:1] == ["--warm"] else words
    running = [subprocess.Popen([sys.executable, __file__, "--share", str(i), str(shares), *rest])
               for i in range(shares)]
    return max(p.wait() for p in running)


if __name__ == "__main__":
    sys.exit(main())
