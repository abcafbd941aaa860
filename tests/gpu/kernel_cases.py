"""What runs on the GPU and in the interpreter: every kernel that has CUDA, over types, formats, sizes,
strides and optional tensors.

A case is one run of `tilec run`. Its inputs are made where it runs, from a seed that is its name's.
"""
import dataclasses
import itertools
import typing
import zlib

import numpy as np

KERNELS = "kernels.tile/"


@dataclasses.dataclass
class Case:
    group: str                       # the kernel, for the summary
    name: str
    file: str
    kernel: str
    settings: dict
    make: typing.Callable            # make(rng): the inputs
    outputs: list
    pitch: dict = dataclasses.field(default_factory=dict)     # elements from row to row on the GPU
    offset: dict = dataclasses.field(default_factory=dict)    # elements before the first
    few: bool = False                # one of those that the sanitizers run

    def inputs(self):
        return self.make(np.random.default_rng(zlib.crc32(self.name.encode())))

    @property
    def variant(self):
        """What is compiled once: cases of one variant run one behind the other."""
        return (self.file, self.kernel, str(sorted(self.settings.items())))


# ---- data ----

def f32(r, *shape, scale=1.0):
    return (r.standard_normal(shape) * scale).astype(np.float32)


def cut(x):
    """The upper halves of f32: any bits are a bf16."""
    return (np.ascontiguousarray(x, np.float32).view(np.uint32) >> 16).astype(np.uint16)


def bf16(r, *shape, scale=1.0):
    return cut(f32(r, *shape, scale=scale))


def e4m3(r, *shape):
    codes = r.integers(0, 256, shape, dtype=np.uint8)
    return np.where(codes & 0x7F == 0x7F, 0x38, codes).astype(np.uint8)


def of_type(r, t, *shape):
    """Any bits of a type: what moves them must not look."""
    size = {"e4m3": 1, "u8": 1, "bf16": 2, "f16": 2, "i16": 2, "f32": 4, "i32": 4}[t]
    bits = r.integers(0, 1 << 8 * size, shape, dtype=np.uint64).astype(f"u{size}")
    kind = {"f32": np.float32, "f16": np.float16, "i16": np.int16, "i32": np.int32}
    return bits.view(kind.get(t, bits.dtype))


def loud(r, m, k, group, top):
    """Rows for casts; blocks plain, of any exponent, with ties, zero, tiny, with NaN, inf, 3e38."""
    x = f32(r, m, k)
    kinds = r.integers(0, 9, (m, -(-k // group)))
    for i, j in np.argwhere(kinds):
        part = x[i, j * group:(j + 1) * group]
        n = part.size
        part[:] = {1: lambda: np.ldexp(part, r.integers(-90, 90, n)),
                   2: lambda: r.integers(0, 257, n) * (top / 256) * r.choice([-1, 1], n),
                   3: lambda: part * np.float32(-0.0),
                   4: lambda: np.ldexp(part, r.integers(-140, -120, n)),
                   }.get(kinds[i, j], lambda: part)()
        if kinds[i, j] >= 5:
            part[r.integers(n)] = {5: np.nan, 6: np.inf, 7: -np.inf, 8: 3.3e38}[kinds[i, j]]
    return x


# ---- quantisation ----

FORMATS = [("f32", "false", "row"), ("f32", "true", "row"), ("f32", "true", "col_pad16"),
           ("ue8m0", "true", "row"), ("ue8m0", "true", "ue8m0x4")]
SIZES = [(7, 384), (33, 1056), (129, 576), (2, 4096), (1, 128), (5, 7168), (3, 2560), (0, 256)]


def cast(t, o, g, form, size, **more):
    (s, pow2, store), (m, k) = form, size
    top = 448.0 if o == "e4m3" else 6.0
    settings = {"T": t, "O": o, "G": g, "S": s, "pow2": pow2, "sf": store} | more.pop("settings", {})
    words = "".join(f" {key}={value}" for key, value in sorted((settings | more).items())
                    if key in ("BM", "BK", "pitch", "offset"))
    return Case("per_token_cast", f"cast {t} {o} G={g} {s} {pow2} {store} {m}x{k}{words}",
                KERNELS + "quant/per_token_cast.tile", "per_token_cast", settings,
                lambda r: {"x": (cut if t == "bf16" else np.asarray)(loud(r, m, k, g, top))},
                ["y", "sf"], **more)


def casts():
    combos = itertools.product(("bf16", "f32"), ("e4m3", "e2m1"), (16, 32, 64, 128), FORMATS)
    for i, (t, o, g, form) in enumerate(combos):
        for k in range(3):
            yield cast(t, o, g, form, SIZES[(i + 3 * k) % len(SIZES)], few=i % 13 == 0 and k == 0)
    for t, o in itertools.product(("bf16", "f32"), ("e4m3", "e2m1")):
        for pitch, offset in ((0, 0), (8, 0), (1, 0), (0, 1), (3, 5)):
            yield cast(t, o, 32, FORMATS[0], (9, 1056), few=pitch == 3 and t == "bf16",
                       pitch={"x": 1056 + pitch} if pitch else {}, offset={"x": offset} if offset else {})
        yield cast(t, o, 128, FORMATS[2], (21, 1160))
        for bm, bk in ((1, 256), (4, 512), (8, 256), (1, 2048)):
            yield cast(t, o, 128, FORMATS[1], (19, 4352), settings={"BM": bm, "BK": bk})


def e5m6():
    file = KERNELS + "quant/cast_e5m6.tile"
    forms = [("f32", "false", "row"), ("f32", "true", "col_pad16"), ("ue8m0", "true", "ue8m0x4")]
    for t, (s, pow2, store), (m, k) in itertools.product(
            ("bf16", "f32"), forms, ((1, 4096), (5, 7168), (9, 576), (0, 4096))):
        yield Case("cast_e5m6", f"cast_e5m6 {t} {s} {store} {m}x{k}", file, "cast_e5m6",
                   {"K": k, "T": t, "S": s, "pow2": pow2, "sf": store},
                   lambda r, m=m, k=k, t=t:
                   {"x": (cut if t == "bf16" else np.asarray)(loud(r, m, k, k, 65024.0))},
                   ["y", "sf"], few=(m, t) == (9, "bf16"))
    yield Case("cast_e5m6", "cast_e5m6 unaligned rows", file, "cast_e5m6", {"K": 576, "T": "bf16"},
               lambda r: {"x": bf16(r, 6, 576)}, ["y", "sf"], pitch={"x": 579}, offset={"x": 1})
    backs = [(1, 4096, 1, 4096), (5, 7168, 1, 7168), (9, 2048, 1, 128), (130, 1032, 4, 32), (0, 512, 1, 32)]
    for o, store, (m, k, bg, g) in itertools.product(("bf16", "f32"), ("row", "col_pad16"), backs):
        yield Case("cast_back_e5m6", f"cast_back_e5m6 {o} {store} {m}x{k} {bg}x{g}", file, "cast_back_e5m6",
                   {"K": k, "G": g, "BG": bg, "O": o, "sf": store},
                   lambda r, m=m, k=k, bg=bg, g=g:
                   {"y": r.integers(0, 2**32, (m, k // 8 * 3), dtype=np.uint32),
                    "sf": f32(r, -(-m // bg), -(-k // g))}, ["x"], few=(m, o) == (130, "f32"))


def psum_of(sizes, align):
    ends, at = [], 0
    for n in sizes:
        at = -(-at // align) * align + n
        ends.append(at)
    return np.array(ends, np.int32)


def swiglu():
    file = KERNELS + "quant/swiglu_psum.tile"
    runs = [((5, 77, 0, 128), 1024), ((300,), 2048), ((0, 0, 1), 4096), ((130, 1), 1056), ((), 512)]
    for w, (s, (sizes, h)), (g, bm) in itertools.product(
            (False, True), zip(("row", "col_pad16", "row", "row", "row"), runs), ((128, 1), (32, 4))):
        def make(r, sizes=sizes, h=h, g=g, w=w):
            psum = psum_of(sizes, 128)
            t = int(psum[-1]) + 3 if len(sizes) else 4
            x = bf16(r, t, 2, h, scale=4)
            inputs = {"x": x, "psum": psum, "y": np.full((t, h), 0x11, np.uint8),
                      "sf": np.full((t, -(-h // g)), 7, np.float32)}
            return inputs | ({"w": f32(r, t)} if w else {})
        yield Case("swiglu_cast", f"swiglu_cast w={w} {s} {list(sizes)} H={h} G={g} BM={bm}", file,
                   "swiglu_cast", {"limit": 10.0, "G": g, "BM": bm, "BK": 512, "sf": s}, make,
                   ["y", "sf"], few=w and bm == 1 and len(sizes) in (1, 4))


def ragged():
    """Ranges that the data gives: no kernel of the library has them but those with mma."""
    runs = [((5, 77, 0, 128), 1024), ((300,), 2048), ((0, 0, 1), 4096), ((130, 1), 1056), ((), 512), ((9, 40), 7168)]
    for (sizes, h), bm in itertools.product(runs, (1, 2, 4)):
        def make(r, sizes=sizes, h=h):
            psum = psum_of(sizes, 128)
            t = int(psum[-1]) + 3 if len(sizes) else 4
            return {"x": bf16(r, t, h), "psum": psum, "f": f32(r, len(sizes)),
                    "y": np.full((t, h), 0x1111, np.uint16)}
        yield Case("scale_rows", f"scale_rows {list(sizes)} H={h} BM={bm}", "tests/gpu/ragged.tile", "scale_rows",
                   {"BM": bm}, make, ["y"], few=bm == 2 and len(sizes) in (1, 4))


def swiglu_backwards():
    for g, pow2, clamp, (x, n, k, d) in itertools.product(
            (32, 128), ("false", "true"), ("false", "true"),
            ((40, 12, 4, 1024), (1, 3, 1, 640), (130, 25, 6, 2048), (0, 2, 2, 512))):
        def make(r, g=g, x=x, n=n, k=k, d=d):
            slots = r.permutation(n * k)[:x].astype(np.int32)
            slots = np.concatenate([slots, np.full(x - slots.size, -1, np.int32)])
            slots[r.random(x) < 0.1] = -1
            slot_pos = np.full(n * k, -1, np.int32)
            slot_pos[slots[slots >= 0]] = np.flatnonzero(slots >= 0)
            return {"x": e4m3(r, x, 2 * d), "xsf": np.abs(f32(r, x, 2 * d // g)) * np.float32(0.01),
                    "gy": bf16(r, x, d), "w": f32(r, n, k), "pos_slot": slots,
                    "slot_pos": slot_pos.reshape(n, k)}
        yield Case("swiglu_bwd", f"swiglu_bwd G={g} pow2={pow2} clamp={clamp} {x}x{d}",
                   KERNELS + "quant/swiglu_bwd.tile", "swiglu_bwd",
                   {"limit": 1.5, "clamp": clamp, "pow2": pow2, "G": g}, make,
                   ["y", "gq", "gs", "gx", "gw"], few=(x, clamp) == (40, "true"))


# ---- movement ----

def transposes():
    sizes = [(1, 64, 64), (2, 65, 130), (3, 1, 7), (1, 200, 96), (1, 129, 1024), (2, 128, 576), (0, 5, 7),
             (1, 8, 4100)]
    places = [(0, 0), (16, 0), (1, 0), (0, 1), (3, 2)]
    for t, (b, m, n) in itertools.product(("e4m3", "u8", "bf16", "f16", "i16", "f32", "i32"), sizes):
        yield transpose(t, b, m, n, 0, 0, few=(b, n) == (2, 130) and t in ("e4m3", "bf16", "f32"))
    for t, (b, m, n), (pitch, offset) in itertools.product(("e4m3", "bf16", "f32"), sizes[1:5:3], places[1:]):
        yield transpose(t, b, m, n, pitch, offset)
    for t, k in itertools.product(("e4m3", "bf16", "f32"), (*range(1, 16), 23, 31, 33)):    # rows begin anywhere
        yield transpose(t, 2, 128 + k, 384 + k * 7 % 16, k * 3 % 16, k * 5 % 16)
    for t, bm, bn in itertools.product(("e4m3", "bf16", "f32"), (64, 128), (64, 128)):
        if (bm, bn, t) not in ((64, 128, "e4m3"), (64, 128, "bf16")):    # banks meet; the schedule's assert refuses
            yield transpose(t, 1, 300, 270, 0, 0, BM=bm, BN=bn)


def transpose(t, b, m, n, pitch, offset, few=False, **settings):
    words = "".join(f" {key}={value}" for key, value in settings.items())
    return Case("transpose", f"transpose {t} {b}x{m}x{n} +{pitch} @{offset}{words}",
                KERNELS + "transpose/transpose.tile", "transpose", {"T": t} | settings,
                lambda r: {"x": of_type(r, t, b, m, n)}, ["y"], few=few,
                pitch={"x": n + pitch} if pitch else {}, offset={"x": offset} if offset else {})


# ---- routing ----

ONE_RANK = {"factor": 1.5, "extra": 0, "ep_rank": 0, "n_ep": 1, "tp_rank": 0, "n_tp": 1}
RANKS = {"factor": 0.3, "extra": 16, "ep_rank": 3, "n_ep": 6, "tp_rank": 1, "n_tp": 2}
OPTIONS = ["plain", "mask", "mask+raw", "fixed", "phys", "all"]


def gate_inputs(r, n, e, k, ns, option):
    logits = f32(r, n, e, scale=3)
    logits[::2] = r.integers(-2, 3, logits[::2].shape) * np.float32(0.5)      # ties
    if n:
        logits[0] = r.choice(np.array([0.0, -0.0], np.float32), e)
    inputs = {"logits": logits, "bias": (r.integers(-2, 3, e) * 0.25).astype(np.float32)}
    if option in ("mask", "mask+raw", "all"):
        inputs["mask"] = r.random(n) < 0.7
    if option in ("fixed", "all"):
        inputs["fixed"] = r.random(n) < 0.5
    if option in ("mask+raw", "fixed", "all"):
        raw = np.array([r.permutation(e)[:k] for _ in range(n)], np.int64).reshape(n, k)
        if option != "all":                                   # -1 has no entry in nphys
            raw[r.random(raw.shape) < 0.02] = -1
        inputs["raw"] = raw
    if option in ("phys", "all"):
        inputs["nphys"] = r.integers(1, 4, e + ns).astype(np.int32)
        inputs["phys"] = r.integers(-1, e + ns, (e + ns, 3)).astype(np.int32)
    return inputs


def gates():
    shapes = [(72, 1, 1, 6, 0), (72, 8, 4, 8, 1), (128, 8, 1, 6, 2), (128, 1, 1, 8, 0), (256, 8, 4, 8, 2),
              (256, 8, 8, 6, 1), (256, 1, 1, 8, 0)]
    for i, (score, option, shape) in enumerate(itertools.product(
            ("sigmoid", "sqrtsoftplus", "softmax"), OPTIONS, shapes)):
        e, g, kg, k, ns = shape
        n = (61, 1, 130, 4, 3, 0)[i % 6]
        settings = {"S": score, "E": e, "G": g, "KG": kg, "K": k, "NS": ns} | (RANKS if i % 2 else ONE_RANK)
        if option in ("plain", "mask", "mask+raw", "fixed"):
            settings["ND"] = 0
        yield Case("top2_sum_gate", f"gate {score} {option} E={e} G={g}/{kg} K={k}+{ns} N={n}",
                   KERNELS + "gating/top2_sum_gate.tile", "top2_sum_gate", settings,
                   lambda r, n=n, e=e, k=k, ns=ns, option=option: gate_inputs(r, n, e, k, ns, option),
                   ["idx", "w"] + (["raw"] if option in ("mask+raw", "fixed", "all") else []),
                   few=n == 61 and i % 5 == 0)


def mappings():
    runs = [(1, 4, 2), (1000, 256, 8), (333, 9, 6), (50, 32, 2), (0, 4, 2), (4097, 32, 6)]
    for (n, e, k), a, p in itertools.product(runs, (16, 128), (1, 8, 64)):
        def make(r, n=n, e=e, k=k):
            topk = r.integers(0, e, (n, k))
            if e >= k and n:
                topk = np.argsort(r.random((n, e)), axis=1)[:, :k]
            topk = topk.astype(np.int64)
            topk[r.random((n, k)) < 0.1] = -1
            return {"topk": topk}
        yield Case("fused_mapping", f"mapping {n}x{k} E={e} A={a} P={p}",
                   KERNELS + "routing/fused_mapping.tile", "fused_mapping",
                   {"E": e, "K": k, "A": a, "P": p, "X": n * k + e * a + p, "C": (2048, 512)[p == 1]}, make,
                   ["pos_expert", "pos_token", "pos_slot", "slot_pos", "first", "last", "count"],
                   few=(n, a) == (333, 16) and p < 64)


# ---- norms, gates, mixes ----

def norms():
    for m, d in itertools.product((1, 5, 130, 0), (4096, 7168, 576)):
        yield Case("rms_norm", f"rms_norm {m}x{d}", "examples/rms_norm.tile", "rms_norm",
                   {"eps": 1e-6, "D": d}, lambda r, m=m, d=d: {"x": bf16(r, m, d), "w": bf16(r, d)}, ["y"],
                   few=m == 5 and d == 576)


def engrams():
    for d, n, gate, p in ((4096, 9, True, 8), (4096, 130, False, 64), (7168, 5, True, 16), (576, 17, True, 8),
                          (256, 1, False, 8), (2560, 40, True, 32), (4096, 0, True, 8)):
        yield engram(d, n, gate, p, few=d == 576)
    yield engram(4096, 11, True, 8, pitch={"k": 4096 + 8, "v": 4096 + 8})
    yield engram(576, 11, True, 8, pitch={"k": 577, "v": 579})
    yield engram(4096, 11, True, 8, offset={"k": 1, "v": 3})
    for d, n, p in ((4096, 9, 4), (1024, 40, 8), (7168, 7, 132), (576, 17, 3), (512, 0, 2)):
        yield engram_backward(d, n, p, few=d == 576)
    yield engram_backward(1024, 6, 2, pitch={"k": 1025, "v": 1032})


def engram(d, n, gate, p, **more):
    words = "".join(f" {key}={value}" for key, value in more.items() if key != "few")
    return Case("engram_gate", f"engram_gate {n}x4x{d} gate={gate} P={p}{words}",
                KERNELS + "engram/engram_gate.tile", "engram_gate",
                {"eps": 1e-6, "scale": 0.02, "clamp_lo": 1e-6, "P": p, "D": d},
                lambda r: {"x": bf16(r, n, 4, d), "k": bf16(r, n, 4, d), "v": bf16(r, n, d),
                           "wf": f32(r, 4, d)}, ["y"] + (["gate"] if gate else []), **more)


def engram_backward(d, n, p, **more):
    words = "".join(f" {key}={value}" for key, value in more.items() if key != "few")
    def make(r):
        inputs = {name: bf16(r, n, 4, d) for name in ("gy", "x", "k")}
        inputs |= {name: f32(r, n, 4) for name in ("dot", "gate", "rx", "rk")}
        inputs |= {name: bf16(r, 4, d) for name in ("wx", "wk")}
        inputs |= {name: f32(r, 4, d) for name in ("wf", "gwx", "gwk")}
        return inputs | {"v": bf16(r, n, d)}
    return Case("engram_gate_bwd", f"engram_gate_bwd {n}x4x{d} P={p}{words}",
                KERNELS + "engram/engram_gate_bwd.tile", "engram_gate_bwd",
                {"scale": 0.02, "clamp_lo": 1e-6, "P": p, "D": d}, make,
                ["gx", "gk", "gv", "gwx", "gwk"], **more)


def sinkhorns():
    for n, rounds in itertools.product((1, 31, 300, 4097, 0), (10, 3)):
        make = lambda r, n=n: {"x": f32(r, n, 4, 4, scale=2), "gy": f32(r, n, 4, 4)}  # noqa: E731
        settings = {"eps": 1e-6, "R": rounds}
        yield Case("sinkhorn", f"sinkhorn {n} R={rounds}", KERNELS + "mhc/sinkhorn.tile", "sinkhorn",
                   settings, lambda r, make=make: {"x": make(r)["x"]}, ["y"], few=n == 31)
        yield Case("sinkhorn_bwd", f"sinkhorn_bwd {n} R={rounds}", KERNELS + "mhc/sinkhorn_bwd.tile",
                   "sinkhorn_bwd", settings, make, ["gx"], few=n == 31)
    yield Case("sinkhorn", "sinkhorn 65600 R=2", KERNELS + "mhc/sinkhorn.tile", "sinkhorn",
               {"eps": 1e-6, "R": 2}, lambda r: {"x": f32(r, 65600, 4, 4, scale=2)}, ["y"])
    yield Case("sinkhorn_bwd", "sinkhorn_bwd 65600 R=2", KERNELS + "mhc/sinkhorn_bwd.tile", "sinkhorn_bwd",
               {"eps": 1e-6, "R": 2},
               lambda r: {"x": f32(r, 65600, 4, 4, scale=2), "gy": f32(r, 65600, 4, 4)}, ["gx"])


def multilayers():
    for n, d, layers, last, bd in ((3, 256, 3, True, 128), (9, 4096, 2, False, 2048), (2, 7168, 4, False, 512),
                                   (1, 576, 1, True, 192), (0, 512, 2, True, 512), (5, 512, 1, False, 256)):
        lp = layers if last else layers - 1
        def make(r, n=n, d=d, layers=layers, lp=lp):
            inputs = {"res0": bf16(r, n, 4, d)} | {f"pre[{i}]": f32(r, n, 4) for i in range(layers)}
            for i in range(lp):
                inputs |= {f"out_[{i}]": bf16(r, n, d), f"post[{i}]": f32(r, n, 4),
                           f"comb[{i}]": f32(r, n, 4, 4)}
            return inputs
        yield Case("recompute", f"recompute {n}x4x{d} L={layers} LP={lp}", KERNELS + "mhc/multilayer.tile",
                   "recompute", {"L": layers, "LP": lp, "D": d, "BD": bd}, make,
                   [f"inp[{i}]" for i in range(layers)] + [f"res[{i}]" for i in range(lp)],
                   few=n in (1, 3))


def fusions():
    """Sums over splits, roles; 128 and 40 are shorter than BD and its half."""
    for n, splits, d, rounds, bd in ((5, 3, 4096, 10, 512), (3, 16, 7168, 20, 512), (2, 1, 128, 1, 512),
                                     (33, 2, 40, 10, 16), (4, 0, 520, 3, 512), (0, 2, 64, 2, 16)):
        def make(r, n=n, splits=splits, d=d):
            return {"mul": f32(r, splits, n, 24), "sqr": np.abs(f32(r, splits, n, scale=4 * d)), "scale": f32(r, 3),
                    "base": f32(r, 24), "res": bf16(r, n, 4, d)}
        yield Case("pre_big_fuse", f"pre_big_fuse {n}x4x{d} S={splits} R={rounds}", KERNELS + "mhc/pre_big_fuse.tile",
                   "pre_big_fuse", {"D": d, "R": rounds, "BD": bd, "rms_eps": 1e-6, "pre_eps": 1e-2, "sink_eps": 1e-6,
                                    "post_mult": 2}, make, ["post", "comb", "y"], few=n in (2, 33))


GROUPS = [casts, e5m6, swiglu, ragged, swiglu_backwards, transposes, gates, mappings, norms, engrams, sinkhorns,
          multilayers, fusions]


def all_cases(words=(), few=False):
    """Those whose name has one of the words; all, if there is none."""
    every = itertools.chain.from_iterable(group() for group in GROUPS)
    return [c for c in every if (not words or any(w in c.name or w == c.group for w in words))
            and (c.few or not few)]
