"""What bench.py times: a kernel, its tensors on the GPU, and what the peer is called with.

A benchmark's `make` gives settings and tensors; inputs and outputs together are the bytes that it moves,
unless it says otherwise. `peer`: a name in peers.py and arguments.
"""
import dataclasses
import typing

import torch

from device import Tensor, random

KERNELS = "kernels.tile/"
HIDDEN, TOKENS = (7168, 576, 2560, 4096), (8001, 128)


@dataclasses.dataclass
class Benchmark:
    part: str                        # of issue and design: a, b, c ..
    name: str
    file: str
    kernel: str
    make: typing.Callable            # (settings, tensors)
    peer: tuple = ()
    moved: typing.Callable = None    # bytes(tensors), where that is not all of them
    small: bool = False              # bound by latency: compared less an empty launch


def bytes_of(b, tensors):
    if b.moved:
        return b.moved(tensors)
    flat = [t for v in tensors.values() for t in (v if isinstance(v, list) else [v])]
    return sum(t.bytes for t in flat)


def cdiv(a, b):
    return -(-a // b)


# ---- quantisation ----

def casts():
    for hidden in HIDDEN:
        for tokens in TOKENS:
            for t in ("bf16", "f32"):
                for o in ("e4m3", "e2m1"):
                    for g in (32, 128):
                        yield cast(t, o, g, tokens, hidden)


def cast(t, o, g, tokens, hidden):
    def make():
        return ({"T": t, "O": o, "G": g, "S": "f32", "pow2": True},
                {"x": random(t, (tokens, hidden)), "y": Tensor(o, (tokens, hidden)),
                 "sf": Tensor("f32", (tokens, cdiv(hidden, g)))})
    return Benchmark("a", f"cast {t} {o} G={g} {tokens}x{hidden}", KERNELS + "quant/per_token_cast.tile",
                     "per_token_cast", make, ("per_token_cast", o, g))


def e5m6():
    for t in ("bf16", "f32"):
        for tokens in TOKENS:
            def make(t=t, tokens=tokens):
                return ({"K": 7168, "T": t, "S": "f32", "pow2": False},
                        {"x": random(t, (tokens, 7168)), "y": Tensor("u32", (tokens, 2688)),
                         "sf": Tensor("f32", (tokens, 1))})

            def back(t=t, tokens=tokens):
                return ({"K": 7168, "O": t, "BG": 1, "G": 7168},
                        {"y": random("u32", (tokens, 2688)), "sf": random("f32", (tokens, 1)),
                         "x": Tensor(t, (tokens, 7168))})
            yield Benchmark("s", f"cast_e5m6 {t} {tokens}x7168", KERNELS + "quant/cast_e5m6.tile",
                            "cast_e5m6", make, ("cast_e5m6",))
            yield Benchmark("s", f"cast_back_e5m6 {t} {tokens}x7168", KERNELS + "quant/cast_e5m6.tile",
                            "cast_back_e5m6", back, ("cast_back_e5m6", t))


def swiglu():
    for rows, h in ((8192, 7168), (8192, 1024), (16384, 4096), (128, 7168)):
        def make(rows=rows, h=h):
            ends = torch.tensor([rows // 4, rows // 2, 3 * rows // 4, rows], dtype=torch.int32)
            ends = (ends + 127) // 128 * 128 if rows >= 512 else torch.tensor([rows] * 4, dtype=torch.int32)
            return ({"limit": 10.0, "A": 128, "G": 128},
                    {"x": random("bf16", (rows, 2, h)), "psum": Tensor("i32", (4,), ends),
                     "y": Tensor("e4m3", (rows, h)), "sf": Tensor("f32", (rows, cdiv(h, 128)))})
        yield Benchmark("i", f"swiglu_cast {rows}x{h}", KERNELS + "quant/swiglu_psum.tile", "swiglu_cast", make,
                        ("swiglu_cast",))
    for tokens, k, d, clamp in ((4096, 2, 7168, False), (4096, 2, 7168, True), (16384, 2, 2048, False)):
        def make(tokens=tokens, k=k, d=d, clamp=clamp):
            n = tokens * k
            slots = torch.randperm(n, dtype=torch.int32)
            back = torch.empty(n, dtype=torch.int32)
            back[slots.long()] = torch.arange(n, dtype=torch.int32)
            return ({"limit": 10.0, "clamp": clamp, "G": 32, "pow2": True},
                    {"x": random("e4m3", (n, 2 * d)), "xsf": Tensor("f32", (n, 2 * d // 32), torch.tensor(0.01)),
                     "gy": random("bf16", (n, d)), "w": random("f32", (tokens, k)),
                     "pos_slot": Tensor("i32", (n,), slots), "slot_pos": Tensor("i32", (tokens, k), back.view(-1, k)),
                     "y": Tensor("bf16", (n, d)), "gq": Tensor("e4m3", (n, 2 * d)),
                     "gs": Tensor("f32", (n, 2 * d // 32)), "gx": Tensor("bf16", (n, 2 * d)),
                     "gw": Tensor("f32", (tokens, k))})
        yield Benchmark("t", f"swiglu_bwd {tokens}x{k} D={d} clamp={clamp}", KERNELS + "quant/swiglu_bwd.tile",
                        "swiglu_bwd", make, ("swiglu_bwd", clamp))


# ---- movement ----

def transposes():
    shapes = [(1, 8064, 7168, 0), (1, 128, 7168, 0), (1, 8064, 576, 0), (1, 8064, 2560, 0), (1, 8064, 4096, 0),
              (8, 8064, 7168, 0), (1, 8001, 7168, 0), (1, 8001, 7165, 0), (1, 8064, 7168, 7169)]
    for t in ("e4m3", "bf16", "f32"):
        for b, m, n, pitch in shapes:
            def make(t=t, b=b, m=m, n=n, pitch=pitch):
                return {"T": t}, {"x": random(t, (b, m, n), pitch=pitch), "y": Tensor(t, (b, n, m))}
            yield Benchmark("b", f"transpose {t} {b}x{m}x{n}{f' pitch {pitch}' if pitch else ''}",
                            KERNELS + "transpose/transpose.tile", "transpose", make, ("transpose",))


# ---- routing ----

def gates():
    for tokens in (8001, 128):
        for e, score in ((72, "sigmoid"), (96, "softmax"), (128, "sqrtsoftplus"), (256, "sigmoid")):
            def make(tokens=tokens, e=e, score=score):
                return ({"S": score, "E": e, "G": 1, "KG": 1, "K": 6, "NS": 0, "factor": 1.5, "extra": 0,
                         "ep_rank": 0, "n_ep": 1, "tp_rank": 0, "n_tp": 1},
                        {"logits": random("f32", (tokens, e)), "bias": random("f32", (e,), 0.1),
                         "idx": Tensor("i64", (tokens, 6)), "w": Tensor("f32", (tokens, 6))})
            yield Benchmark("c", f"gate {score} E={e} N={tokens}", KERNELS + "gating/top2_sum_gate.tile",
                            "top2_sum_gate", make, ("top2_sum_gate", score), small=True)
        for e in (72, 96, 108, 256):
            def make(tokens=tokens, e=e):
                return ({"E": e, "K": 6}, {"logits": random("f32", (tokens, e)), "idx": Tensor("i64", (tokens, 6))})
            yield Benchmark("c", f"topk_gate E={e} N={tokens}", "tests/gpu/topk_gate.tile", "topk_gate", make,
                            ("topk_gate",), small=True)


def mappings():
    for n, k, e in ((7902, 2, 9), (18711, 6, 32), (32506, 8, 4), (8001, 8, 256)):
        def make(n=n, k=k, e=e):
            x = cdiv(n * k + 127 * e, 128) * 128
            topk = torch.rand((n, max(e, k))).argsort(1)[:, :k] % e
            return ({"A": 128, "E": e, "K": k},
                    {"topk": Tensor("i64", (n, k), topk)} |
                    {name: Tensor("i32", (x,)) for name in ("pos_expert", "pos_token", "pos_slot")} |
                    {"slot_pos": Tensor("i32", (n, k))} |
                    {name: Tensor("i32", (e,)) for name in ("first", "last", "count")})
        yield Benchmark("g", f"mapping {n}x{k} E={e}", KERNELS + "routing/fused_mapping.tile", "fused_mapping",
                        make, ("get_fused_mapping", e), small=True)


# ---- Engram, mHC, norms ----

def engrams():
    for n, d in ((8001, 7168), (8001, 4096), (8001, 2560), (128, 7168)):
        def make(n=n, d=d):
            return ({"eps": 1e-6, "scale": d ** -0.5, "clamp_lo": 1e-6},
                    {"x": random("bf16", (n, 4, d)), "k": random("bf16", (n, 4, d)), "v": random("bf16", (n, d)),
                     "wf": random("f32", (4, d)), "y": Tensor("bf16", (n, 4, d)), "gate": Tensor("f32", (n, 4))})

        def back(n=n, d=d):
            return ({"scale": d ** -0.5, "clamp_lo": 1e-6},
                    {name: random("bf16", (n, 4, d)) for name in ("gy", "x", "k")} |
                    {name: Tensor("f32", (n, 4), torch.rand(n, 4)) for name in ("dot", "gate", "rx", "rk")} |
                    {name: random("bf16", (4, d)) for name in ("wx", "wk")} |
                    {name: random("f32", (4, d)) for name in ("wf", "gwx", "gwk")} |
                    {"v": random("bf16", (n, d)), "gv": Tensor("bf16", (n, d))} |
                    {name: Tensor("bf16", (n, 4, d)) for name in ("gx", "gk")})
        yield Benchmark("h", f"engram_gate {n}x4x{d}", KERNELS + "engram/engram_gate.tile", "engram_gate", make,
                        ("engram_gate_fwd",))
        yield Benchmark("k", f"engram_gate_bwd {n}x4x{d}", KERNELS + "engram/engram_gate_bwd.tile",
                        "engram_gate_bwd", back, ("engram_gate_bwd",))


def mixes():
    for n in (8192, 1_000_000):
        def make(n=n):
            return {"eps": 1e-6, "R": 10}, {"x": random("f32", (n, 4, 4)), "y": Tensor("f32", (n, 4, 4))}

        def back(n=n):
            return {"eps": 1e-6, "R": 10}, {"x": random("f32", (n, 4, 4)), "gy": random("f32", (n, 4, 4)),
                                   "gx": Tensor("f32", (n, 4, 4))}
        yield Benchmark("d", f"sinkhorn {n}", KERNELS + "mhc/sinkhorn.tile", "sinkhorn", make, ("sinkhorn",),
                        small=n < 100_000)
        yield Benchmark("m", f"sinkhorn_bwd {n}", KERNELS + "mhc/sinkhorn_bwd.tile", "sinkhorn_bwd", back,
                        ("sinkhorn_bwd",), small=n < 100_000)
    for layers, last in ((10, 9), (10, 10)):
        def make(layers=layers, last=last, n=8192, d=7168):
            return ({}, {"res0": random("bf16", (n, 4, d)),
                         "pre": [random("f32", (n, 4)) for _ in range(layers)],
                         "out_": [random("bf16", (n, d)) for _ in range(last)],
                         "post": [random("f32", (n, 4)) for _ in range(last)],
                         "comb": [random("f32", (n, 4, 4), 0.3) for _ in range(last)],
                         "inp": [Tensor("bf16", (n, d)) for _ in range(layers)],
                         "res": [Tensor("bf16", (n, 4, d)) for _ in range(last)]})
        yield Benchmark("p", f"recompute 8192x4x7168 L={layers} LP={last}", KERNELS + "mhc/multilayer.tile",
                        "recompute", make, ("multilayer_recompute",))


def norms():
    for n in TOKENS:
        def make(n=n):
            return {"eps": 1e-6}, {"x": random("bf16", (n, 7168)), "w": random("bf16", (7168,)),
                                   "y": Tensor("bf16", (n, 7168))}
        yield Benchmark("rms", f"rms_norm {n}x7168", "examples/rms_norm.tile", "rms_norm", make)


GROUPS = [casts, transposes, gates, mappings, engrams, swiglu, e5m6, mixes, norms]


def all_benchmarks(words=()):
    """Those whose name has one of the words, or whose part is one; all, if there is none."""
    every = [b for group in GROUPS for b in group()]
    return [b for b in every if not words or any(w in b.name or w == b.part for w in words)]
