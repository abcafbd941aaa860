"""What the memory gives kernels that only read and write, beside a copy of as many bytes.

    python3 tests/gpu/plain.py             one line a kernel
    python3 tests/gpu/plain.py --text      their CUDA

`cast`: R 16-byte vectors read for one that is written, as casts do, with and without .cs, one or two a thread;
the fastest is printed. `streams`: two arrays read, three written, one of them with rows of twice the length, as
the backward of SwiGLU does: in the order of memory, by blocks that stay, and by a block a row.
"""
import sys

SIZES = [(8001, 7168), (8001, 4096), (8001, 2560), (8001, 576), (128, 7168)]
# Bytes written an element for R vectors read; what such casts are.
CASTS = {2: (1, "bf16 to e4m3"), 4: (0.5, "bf16 to e2m1, f32 to e4m3"), 8: (0.5, "f32 to e2m1")}
ROWS, CHUNKS = 8192, 28                  # a chunk is what a warp moves at once: 512 bytes

STREAMS = """
    uint4 a = __ldg(A + i * 32 + l), b = __ldg(B + i * 32 + l);
    a.x ^= b.x, a.y ^= b.y, a.z ^= b.z, a.w ^= b.w;
    C[i * 32 + l] = a, D[i * 32 + l] = b;
    long long row = i / 28, c = i % 28;
    E[(row * 56 + c) * 32 + l] = a, E[(row * 56 + 28 + c) * 32 + l] = b;
"""
WAYS = {
    "in the order of memory": ("long long i = (long long)blockIdx.x * 8 + threadIdx.x / 32; if (i < m)", 256,
                               ROWS * CHUNKS // 8),
    "blocks that stay": ("for (long long i = (long long)blockIdx.x * 8 + threadIdx.x / 32; i < m;"
                         " i += gridDim.x * 8)", 256, 132 * 8),
    "a block a row": ("for (long long i = blockIdx.x * 28ll + threadIdx.x / 32; i < blockIdx.x * 28ll + 28; i += 4)",
                      128, ROWS),
}


def cast_ways(reads):
    """With .cs or without, and the vectors a thread writes: two where what they read fits its registers."""
    return [(stream, per) for stream in (True, False) for per in ((1, 2) if reads < 8 else (1,))]


def cast_text(reads, stream, per):
    load, store = ("__ldcs(&x[{}])", "__stcs(&y[{}], {})") if stream else ("x[{}]", "y[{}] = {}")
    at = f"(i + p * 256) / 32 * 32 * {reads} + j * 32 + (threadIdx.x & 31)"
    return f"""extern "C" __global__ void __launch_bounds__(256) plain(const uint4 *x, uint4 *y, long long m)
{{
    long long i = (long long)blockIdx.x * {256 * per} + threadIdx.x;
    uint4 v[{per}][{reads}];
    #pragma unroll
    for (int p = 0; p < {per}; p++)
        for (int j = 0; j < {reads}; j++)
            if (i + p * 256 < m) v[p][j] = {load.format(at)};
    #pragma unroll
    for (int p = 0; p < {per}; p++)
        if (i + p * 256 < m) {{
            uint4 r = v[p][0];
            for (int j = 1; j < {reads}; j++)
                r.x ^= v[p][j].x, r.y += v[p][j].y, r.z ^= v[p][j].z, r.w += v[p][j].w;
            {store.format("i + p * 256", "r")};
        }}
}}
"""


def streams_text(way):
    loop, threads, _ = WAYS[way]
    return f"""extern "C" __global__ void __launch_bounds__({threads}) plain(const uint4 *A, const uint4 *B, uint4 *C,
                                                             uint4 *D, uint4 *E, long long m)
{{
    int l = threadIdx.x & 31;
    {loop} {{{STREAMS}    }}
}}
"""


def texts():
    for reads in CASTS:
        for stream, per in cast_ways(reads):
            yield cast_text(reads, stream, per)
    for way in WAYS:
        yield streams_text(way)


def main():
    if "--text" in sys.argv:
        print("\n".join(texts()))
        return
    import bench
    import device
    import timing
    import torch

    class Options:
        check, repeats = False, 30

    def words(count):
        return torch.zeros(int(count) * 4 + 4096, dtype=torch.int32, device="cuda")

    def timed(text, blocks, threads, *values):
        launch = device.cuda_function(text, "plain")
        return timing.time_call(lambda: launch(blocks, threads, *values), 30)["us"]

    timing.warm_up()
    print(f"{torch.cuda.get_device_name()}, us of a copy, of the plain kernel, their quotient")
    for tokens, hidden in SIZES:
        for reads, (each, what) in CASTS.items():
            n = int(tokens * hidden * each // 16)
            x, y = words(n * reads), words(n)
            copy = bench.copy_times(n * 16 * (reads + 1), Options)
            us = min(timed(cast_text(reads, stream, per), -(-n // (256 * per)), 256, x.data_ptr(), y.data_ptr(), n)
                     for stream, per in cast_ways(reads))
            print(f"cast {tokens}x{hidden} {what}: {copy:.1f} {us:.1f} {copy / us:.3f}", flush=True)
    n = ROWS * CHUNKS
    arrays = [words(n * 32) for _ in range(4)] + [words(2 * n * 32)]
    copy = bench.copy_times(n * 512 * 6, Options)
    for way, (_, threads, blocks) in WAYS.items():
        us = timed(streams_text(way), blocks, threads, *[a.data_ptr() for a in arrays], n)
        print(f"streams {way}: {copy:.1f} {us:.1f} {copy / us:.3f}", flush=True)


if __name__ == "__main__":
    main()
