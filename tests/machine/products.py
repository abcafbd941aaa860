"""Products on the tensor cores of SM100: instruction descriptors as tables 42 to 44 of PTX ISA 9.1 have
them, operands and tensor memory laid out as CUTLASS's traits do (layouts.py), what numpy makes of it."""
import ml_dtypes
import numpy as np
from layouts import accumulator, image, scale, strides
from machine import LATE, READ_ONLY, UNDEFINED, Kernel, Launch, Pointer

F8F6F4 = {"e4m3": (0, ml_dtypes.float8_e4m3fn), "e5m2": (1, ml_dtypes.float8_e5m2),
          "e2m3": (3, ml_dtypes.float6_e2m3fn), "e3m2": (4, ml_dtypes.float6_e3m2fn),
          "e2m1": (5, ml_dtypes.float4_e2m1fn)}
E2M1 = {"e2m1": (1, ml_dtypes.float4_e2m1fn)}
# kind: K, type of D, scales of a row, element types with their codes
KINDS = {"f16": (16, 1, 0, {"f16": (0, np.float16), "bf16": (1, ml_dtypes.bfloat16)}),
         "tf32": (8, 1, 0, {"tf32": (2, np.float32)}),
         "f8f6f4": (32, 1, 0, F8F6F4),
         "i8": (32, 2, 0, {"u8": (0, np.uint8), "s8": (1, np.int8)}),
         "mxf8f6f4": (32, 0, 1, F8F6F4),
         "mxf4": (64, 0, 2, E2M1), "mxf4nvf4_2x": (64, 0, 2, E2M1), "mxf4nvf4_4x": (64, 0, 4, E2M1)}
BITS = {"f16": 16, "bf16": 16, "tf32": 32, "u8": 8, "s8": 8, "e4m3": 8, "e5m2": 8, "e2m3": 6, "e3m2": 6,
        "e2m1": 4}


def descriptor(kind, a, b, m, n, a_mn=0, b_mn=0, negative=(0, 0), saturate=0, ids=(0, 0), ue8m0=1):
    """The bits: tables 42, 43, 44."""
    _, d, scales, types = KINDS[kind]
    bits = types[a][0] << 7 | types[b][0] << 10 | negative[0] << 13 | negative[1] << 14 | n >> 3 << 17
    bits |= a_mn << 15 | b_mn << 16
    if scales:
        return bits | ids[1] << 4 | ue8m0 << 23 | m >> 7 << 27 | ids[0] << 29
    return bits | saturate << 3 | d << 4 | m >> 4 << 24


def container(x, name, dense):
    """Rows of elements as the bytes of shared memory: 4 and 6 bits in 16 elements of 16 bytes, padded, or
    dense (9.7.16.10.4)."""
    bits = BITS[name]
    if bits >= 8:
        return np.ascontiguousarray(x)
    codes = x.view(np.uint8) & ((1 << bits) - 1)
    each = 32 if dense else 16
    groups = codes.reshape(x.shape[0], -1, each)
    stream = (groups[..., None] >> np.arange(bits) & 1).reshape(*groups.shape[:2], -1)
    packed = np.packbits(stream, axis=-1, bitorder="little")
    out = np.zeros((*groups.shape[:2], 16), np.uint8)
    out[..., :packed.shape[-1]] = packed
    return out.reshape(x.shape[0], -1)


def values(random, name, dtype, shape):
    if name in ("u8", "s8"):
        return random.integers(0 if name == "u8" else -128, 256 if name == "u8" else 128, shape).astype(dtype)
    if BITS[name] < 8:      # every code
        return random.integers(0, 1 << BITS[name], shape, np.uint8).view(dtype)
    return random.integers(-4, 5, shape).astype(dtype)


class Case:
    """A product of steps instructions, its operands where they lie, what comes out."""

    def __init__(self, kind, a, b, m, n, form="ss", pair=0, steps=None, layout_a=("k", 128),
                 layout_b=("k", 128), seed=0, lane=0, begin=False, change=None, idesc=None,
                 **bits):
        self.kind, self.m, self.n, self.form, self.pair, self.lane = kind, m, n, form, pair, lane
        self.k, _, self.scales, types = KINDS[kind]
        steps = steps or (1 if self.scales == 4 else 2)     # no more than one word of scales a row
        self.steps, self.names, self.layouts = steps, (a, b), (layout_a, layout_b)
        self.dense = kind.startswith("mxf4")
        random = np.random.default_rng(seed)
        self.a = values(random, a, types[a][1], (m, steps * self.k))
        self.b = values(random, b, types[b][1], (n, steps * self.k))
        self.bits = bits
        self.descriptors = [idesc or self.descriptor(i) for i in range(steps)]
        self.make_scales(random)
        self.begin = None
        if begin:
            self.begin = random.integers(-99, 99, (m, n)).astype(np.int32 if kind == "i8" else np.float32)
        if change:
            change(self)

    def descriptor(self, step):
        ids = (step * self.scales % 4,) * 2 if self.scales else (0, 0)
        majors = [int(major != "k") for major, _ in self.layouts]
        return descriptor(self.kind, *self.names, self.m, self.n, *majors,
                          **({"ids": ids} | self.bits))

    def make_scales(self, random):
        each = self.steps * self.scales
        dtype = ml_dtypes.float8_e8m0fnu if self.bits.get("ue8m0", 1) else ml_dtypes.float8_e4m3fn
        self.scale_type = dtype
        shape = [(rows, each) for rows in (self.m, self.n)]
        codes = [random.integers(125, 130, s) if self.bits.get("ue8m0", 1) else
                 random.choice([0x30, 0x38, 0x3C, 0x40], s) for s in shape]
        self.scale_a, self.scale_b = (c.astype(np.uint8).view(dtype) for c in codes)

    def want(self):
        a, b = self.a.astype(np.float64), self.b.astype(np.float64)
        if self.scales:
            size = self.k // self.scales
            a = a * np.repeat(self.scale_a.astype(np.float64), size, 1)
            b = b * np.repeat(self.scale_b.astype(np.float64), size, 1)
        negative = self.bits.get("negative", (0, 0))
        d = (-1) ** sum(negative) * (a @ b.T)
        d = d + self.begin if self.begin is not None else d
        return d if self.kind == "i8" else d.astype(np.float32)

    # ---- where things lie ----

    def blocks(self):
        return 2 if self.pair else 1

    def rows_of(self, x):
        return np.split(x, self.blocks())

    def operand(self, which):
        """Images of the blocks, the descriptor's numbers, bytes from step to step."""
        x, name = (self.a, self.b)[which], self.names[which]
        major, swizzle = self.layouts[which]
        raw = container(x, name, self.dense)
        size, per_step = raw.itemsize, raw.shape[1] // self.steps
        parts = self.rows_of(raw)
        stride, lead, bytes = strides(len(parts[0]), major, swizzle, size, per_step)
        bytes = -(-bytes // 1024) * 1024
        images = [np.concatenate([
            image(part[:, per_step * k:per_step * (k + 1)], major, swizzle, size, stride, lead, bytes)
            for k in range(self.steps)]) for part in parts]
        return np.stack(images), [images[0].size, lead, stride, swizzle], bytes

    def a_words(self):
        """A in tensor memory: words along k, in the lanes of the accumulator's rows."""
        raw = container(self.a, self.names[0], self.dense).view(np.uint32)
        out = np.full((self.blocks(), 128, raw.shape[1]), 0x7FC0FFEE, np.uint32)
        m = np.arange(self.m)
        for n in {0, self.n - 1}:       # for M = 128 of a pair both halves of the lanes
            block, lane, _ = accumulator(m, np.full_like(m, n), self.m, self.n, self.pair)
            out[block, lane + self.lane] = raw
        return out

    def scale_words(self, scales, halves, split):
        """The shared memory that tcgen05.cp.32x128b takes: 32 lanes of 4 words a copy."""
        parts = self.rows_of(scales) if split else [scales] * self.blocks()
        images = []
        for part in parts:
            rows = len(part)
            copies = 1 if halves else -(-rows // 128)
            lanes = np.zeros((128, 16 * copies), np.uint8)
            row, k = np.meshgrid(np.arange(rows), np.arange(part.shape[1]), indexing="ij")
            for repeat in range(2 if halves else 4):
                lane, byte = scale(row, 0, repeat, rows, halves)
                lanes[lane, byte + k % 4] = part.view(np.uint8)
            if halves:      # what tcgen05.cp.64x128b.warpx2::01_23 takes
                assert np.array_equal(lanes[:32], lanes[32:64]) and np.array_equal(lanes[64:96], lanes[96:])
                images.append(np.concatenate([lanes[:32], lanes[64:96]]).reshape(-1))
                continue
            assert all(np.array_equal(lanes[:32], lanes[32 * q:32 * q + 32]) for q in range(4))
            images.append(np.concatenate([lanes[:32, 16 * c:16 * c + 16].reshape(-1)
                                          for c in range(copies)]))
        return np.stack(images)

    def columns(self):
        return self.n // 2 if self.pair and self.m == 128 else self.n

    def place_of_d(self):
        m, n = np.meshgrid(np.arange(self.m), np.arange(self.n), indexing="ij")
        block, lane, column = accumulator(m, n, self.m, self.n, self.pair)
        return block, lane + self.lane, column

    def step_table(self, a_bytes, b_bytes):
        words = self.a_words().shape[2] // self.steps
        table = np.zeros((self.steps, 8), np.uint32)
        for k in range(self.steps):
            a = k * words if self.form == "ts" else k * a_bytes
            table[k] = [self.descriptors[k], a, k * b_bytes, 0, 0, int(k > 0 or self.begin is not None),
                        0, 0]
        return table

    def config(self):
        """What Kernel.run takes: launch, buffers, args, flags; the compiler's options."""
        a, a_numbers, a_bytes = self.operand(0)
        b, b_numbers, b_bytes = self.operand(1)
        sa = sb = np.zeros((self.blocks(), 0), np.uint8)
        halves = bool(self.scales and self.pair and self.m == 128)
        if self.scales:
            sa = self.scale_words(self.scale_a, False, True)
            sb = self.scale_words(self.scale_b, halves, False)
        scales = np.concatenate([sa, sb], 1) if self.scales else np.zeros((1, 16), np.uint8)
        words = self.a_words() if self.form == "ts" else np.zeros((1, 1, 0), np.uint32)
        columns = -(-self.columns() // 8) * 8
        first = np.zeros((self.blocks(), 128, columns), np.uint32)
        if self.begin is not None:
            first[self.place_of_d()] = self.begin.view(np.uint32)
        d = np.zeros((self.blocks(), 128, columns), np.uint32)
        none = np.zeros(16, np.uint8)
        buffers = {"a": a, "b": b, "scales": scales, "words": words if words.size else none,
                   "first": first, "step": self.step_table(a_bytes, b_bytes), "d": d}
        fills = self.begin is not None or self.m == 64 and not self.pair   # half of the lanes stay
        args = [Pointer(name) for name in buffers]
        args += [self.steps, columns, words.shape[2], sa.shape[1] // 128, sb.shape[1] // 128, self.lane,
                 int(fills), *a_numbers, *b_numbers]
        options = [f"-DKIND={self.kind}", f"-DFORM={self.form}", f"-DSCALED={int(self.scales > 0)}",
                   f"-DPAIR={self.pair}", f"-DHALVES={int(halves)}"]
        return (Launch("tcgen05", self.blocks(), 128, self.blocks(), 196624), buffers, args,
                {name: READ_ONLY for name in buffers if name != "d"} | {"d": UNDEFINED}, options)

    def run(self, seeds=(0, 1), policy=LATE):
        launch, buffers, args, flags, options = self.config()
        Kernel("tcgen05", options=options).run(launch, buffers, args, seeds, policy, flags)
        got = buffers["d"][self.place_of_d()]
        return got.view(np.int32) if self.kind == "i8" else got.view(np.float32)
