"""Planted faults: kernels with one change each, and what the machine must call it.

A row: what is wrong, the kernel, the text that is replaced and by what, the fault's name (or names,
where the order of threads decides which comes first), a part of the report, and options of `config`.
docs/machine-model.md shows the table; tests/machine/gpu_faults.py runs it under compute-sanitizer.
"""
import ml_dtypes
import numpy as np
from machine import READ_ONLY, UNDEFINED, Launch, Map, Pointer

WAIT_FULL = "tile_mbarrier_wait(full(shared, stage), (uint32_t)(*turn / STAGES & 1));"
WAIT_EMPTY = "tile_mbarrier_wait(empty(shared, stage), (uint32_t)(*turn / STAGES & 1) ^ 1);"
EXPECT = "tile_mbarrier_arrive_expect_tx(full(shared, stage), A_BYTES + B_BYTES);"
FENCE, WAIT, COMMIT = "tile_wgmma_fence();", "tile_wgmma_wait(0);", "tile_wgmma_commit();"
ARRIVE = """        if (tile_lane() == 0)
            tile_mbarrier_arrive(empty(shared, stage));"""
SYNC_STORE = "tile_sync_named(1 + group, 128);\n    if (first) {"
SYNC_BOX = "tile_sync_named(1 + group, 128);\n    TILE_EACH(j"
TWO_TILES = {"m": 256}

FAULTS = [
    # ---- proxies ----
    ("no proxy fence between stmatrix and the tensor store", "gemm",
     "tile_fence_proxy_async_shared();\n    tile_sync_named", "tile_sync_named",
     "missing proxy fence", "the tensor store reads shared"),
    ("no proxy fence between shared stores and wgmma", "wgmma",
     "tile_fence_proxy_async_shared();\n", "", "missing proxy fence", "wgmma.mma_async reads"),
    ("no proxy fence before a bulk copy to another block", "cluster",
     "tile_fence_proxy_async_shared();\n", "", "missing proxy fence", "the bulk copy reads"),
    ("no proxy fence before a bulk store", "ring",
     "tile_fence_proxy_async_shared();\n", "", "missing proxy fence", "the bulk store reads"),
    ("the fence is for global memory only", "ring",
     "tile_fence_proxy_async_shared", "tile_fence_proxy_async_global", "missing proxy fence",
     "the bulk store reads"),
    # ---- copies in flight ----
    ("operands are not waited for", "gemm", WAIT_FULL, "(void)0;", "in flight",
     "wgmma.mma_async reads"),
    ("the full barrier is waited for with the wrong parity", "gemm", WAIT_FULL,
     WAIT_FULL.replace("& 1)", "& 1 ^ 1)"), "in flight", "wgmma.mma_async reads"),
    ("the box is filled again before the store has read it", "gemm",
     "tile_bulk_wait_read(0);", "(void)0;", "in flight", "writes shared", TWO_TILES),
    ("only the thread that stores waits for it", "gemm", SYNC_BOX, "TILE_EACH(j", "in flight",
     "writes shared", TWO_TILES),
    ("a row is read before its cp.async is waited for", "copy",
     "tile_copy_async_wait(1);", "tile_copy_async_wait(2);", "in flight", "reads shared"),
    ("cp.async in no group", "copy", "tile_copy_async_commit();", "(void)0;", "in flight",
     "reads shared"),
    ("what other threads have copied is read without a barrier", "copy",
     "tile_sync();\n        tile_shared_read", "tile_shared_read", "in flight", "reads shared"),
    ("a tensor copy is read without a wait", "tensor", "tile_mbarrier_wait(full, 0);", "(void)0;",
     ("in flight", "uninitialised"), "reads shared"),
    ("blocks store to one place instead of adding", "ring",
     "tile_bulk_reduce_add_f32(a.total,", "tile_bulk_store(a.total,", "in flight",
     "the bulk store writes total"),
    # ---- stages ----
    ("the stage is released before wgmma has read it", "gemm",
     WAIT + "\n" + ARRIVE, ARRIVE + "\n        " + WAIT, "in flight",
     "the tensor copy writes shared"),
    ("wgmma is waited for one group late", "gemm", WAIT, "tile_wgmma_wait(1);", "in flight",
     "the tensor copy writes shared"),
    ("wgmma is not waited for", "gemm", WAIT, "(void)0;", "in flight",
     "the tensor copy writes shared"),
    ("wgmma in no group", "gemm", COMMIT, "(void)0;", "in flight",
     "the tensor copy writes shared"),
    ("a lane releases the stage before the others have read it", "ring",
     "tile_sync_warp();\n        if (tile_lane", "if (tile_lane", "reused too early",
     "the bulk copy writes shared"),
    ("a row is fetched before its stage is free", "ring",
     "tile_mbarrier_wait(shared + AT_EMPTY + 8 * stage, (uint32_t)(k / STAGES & 1) ^ 1);", "(void)0;",
     ("reused too early", "in flight", "too many arrivals", "wrong phase"), ""),
    ("the producer waits with .cta scope for other blocks", "multicast",
     "tile_mbarrier_wait_cluster(shared + AT_EMPTY", "tile_mbarrier_wait(shared + AT_EMPTY",
     ("reused too early", "in flight"), "the tensor copy writes shared"),
    ("a row buffer is filled while others read it", "copy",
     "a.y + row * ROW + (ROW - 16 - 16 * i), w, 16, TILE_PLAIN);\n        tile_sync();",
     "a.y + row * ROW + (ROW - 16 - 16 * i), w, 16, TILE_PLAIN);", ("race", "in flight"),
     "shared+"),
    # ---- mbarriers ----
    ("too few bytes are expected", "gemm", EXPECT, EXPECT.replace("A_BYTES + B_BYTES", "A_BYTES"),
     "wrong byte count", "expected fewer bytes"),
    ("too many bytes are expected", "gemm", EXPECT, EXPECT.replace("B_BYTES)", "B_BYTES + 16)"),
     "wrong byte count", "never completes"),
    ("bytes are not expected at all", "ring", "tile_mbarrier_arrive_expect_tx(full, ROW);",
     "tile_mbarrier_arrive(full);", ("wrong byte count", "in flight"), ""),
    ("the other block gets no copy", "multicast", "shared + AT_FULL, 3,", "shared + AT_FULL, 1,",
     "wrong byte count", "never completes"),
    ("all lanes release the stage", "gemm", "if (tile_lane() == 0)\n            tile_mbarrier_arrive",
     "tile_mbarrier_arrive", ("too many arrivals", "wrong phase"), "the mbarrier at"),
    ("the producer arrives twice", "gemm", EXPECT, EXPECT + " tile_mbarrier_arrive(full(shared, stage));",
     "too many arrivals", "the mbarrier at"),
    ("the copying thread arrives once more", "tensor", "tile_mbarrier_arrive_expect_tx(full, EXPECT);",
     "tile_mbarrier_arrive_expect_tx(full, EXPECT);\n        tile_mbarrier_arrive(full);",
     "too many arrivals", "the mbarrier at"),
    ("the empty barrier counts one warp less", "gemm", "MATH / 32);", "MATH / 32 - 1);",
     ("too many arrivals", "wrong phase", "reused too early", "in flight"), ""),
    ("the empty barrier counts one warp more", "gemm", "MATH / 32);", "MATH / 32 + 1);", "deadlock",
     "for parity"),
    ("the empty barrier is waited for with the wrong parity", "gemm", WAIT_EMPTY,
     WAIT_EMPTY.replace(" ^ 1", ""), "deadlock", "for parity 0"),
    ("every lane fetches", "ring", "if (tile_elect())", "if (tile_elect() || 1)",
     ("too many arrivals", "wrong phase"), "the mbarrier at"),
    ("cp.async.mbarrier.arrive without noinc where it is counted", "copy",
     "tile_copy_async_arrive_noinc(done)", "tile_copy_async_arrive(done)", "deadlock",
     "arrivals pending"),
    ("barriers are used before they are initialised for all", "gemm",
     "tile_fence_proxy_async_shared();\n    }\n    tile_sync();",
     "tile_fence_proxy_async_shared();\n    }", "mbarrier misused", "initialis"),
    ("no fence.mbarrier_init before a relaxed arrival", "multicast", "tile_fence_mbarrier_init();",
     "(void)0;", "mbarrier misused", "nothing orders that behind its initialisation"),
    ("the cluster does not meet after initialisation", "cluster",
     "tile_cluster_sync();\n    tile_cluster_write", "tile_sync();\n    tile_cluster_write",
     "mbarrier misused", "initialis"),
    ("initialised twice", "tensor", "tile_mbarrier_init(full, 1);",
     "tile_mbarrier_init(full, 1);\n        tile_mbarrier_init(full, 1);", "mbarrier misused",
     "mbarrier.init at shared"),
    ("a count of 0", "tensor", "tile_mbarrier_init(full, 1);", "tile_mbarrier_init(full, 0);",
     "mbarrier misused", "count 0"),
    ("a store over an mbarrier", "tensor", "tile_mbarrier_wait(full, 0);",
     "tile_mbarrier_wait(full, 0);\n    { const uint32_t z = 0; tile_shared_write(full, &z, 4); }",
     "mbarrier misused", "writes shared"),
    ("a phase parity of 2", "tensor", "tile_mbarrier_wait(full, 0);", "tile_mbarrier_wait(full, 2);",
     "wrong phase", "parity 2"),
    ("a phase that nobody has waited for", "tensor",
     "tile_mbarrier_wait(full, 0);\n",
     "tile_sync();\n    if (tile_thread() == 0) { tile_mbarrier_init(full + 8, 1); "
     "tile_mbarrier_arrive(full + 8); tile_mbarrier_arrive(full + 8); }\n"
     "    tile_mbarrier_wait(full, 0);\n", "wrong phase", "nobody has waited for phase 0"),
    # ---- wgmma ----
    ("no wgmma.fence", "gemm", FENCE, "(void)0;", "missing wgmma.fence", "no wgmma.fence before it"),
    ("accumulators are changed, with no wgmma.fence behind", "gemm",
     FENCE, "d[5] += 1.0f;\n        if (k == 0)\n            " + FENCE, "missing wgmma.fence",
     "registers of D have changed"),
    ("A's registers are changed, with no wgmma.fence behind", "wgmma", "        " + FENCE + "\n        J",
     "        if (k == 0)\n            " + FENCE + "\n        J", "missing wgmma.fence",
     "registers of A have changed", {"form": "rs"}),
    ("accumulators are written in flight", "gemm", COMMIT, COMMIT + "\n        d[7] = 0;",
     "registers in flight", "written before its wait"),
    ("accumulators are read in flight", "gemm", COMMIT,
     COMMIT + "\n        tile_shuffle_f32(d[9] * 2.0f, 0);", "registers in flight", "was read from"),
    ("A's registers are written in flight", "wgmma", COMMIT, COMMIT + "\n        r[1] = 7;",
     "registers in flight", "registers of A", {"form": "rs"}),
    ("accumulators begin undefined", "gemm", "k > 0 || i > 0", "1", "uninitialised", "register 0 of D"),
    ("the descriptor's swizzle is not the copy's", "gemm",
     "tile_wgmma_descriptor(at_a + 32 * i, 0, 1024, 128)",
     "tile_wgmma_descriptor(at_a + 32 * i, 0, 1024, 64)", "wrong descriptor", "swizzle of 64"),
    ("the descriptor's stride is half of it", "gemm",
     "tile_wgmma_descriptor(at_b + 32 * i, 0, 1024, 128)",
     "tile_wgmma_descriptor(at_b + 32 * i, 0, 512, 128)", "wrong descriptor", "lie at one place"),
    ("the leading dimension's offset is too long", "wgmma", "(int)m.lead, (int)m.stride",
     "(int)m.lead * 16, (int)m.stride", ("wrong descriptor", "uninitialised"), "", {"swizzle": 0}),
    ("the descriptor leads out of shared memory", "wgmma", "s + step * m.step",
     "s + step * m.step + 200000", "wrong descriptor", "leads to shared address"),
    # ---- exits ----
    ("the block ends before its store has read shared memory", "gemm",
     "if (tile_thread() % 128 == 0)\n            tile_bulk_wait(0);", "(void)0;",
     "exit with work in flight", "bulk stores"),
    ("the store is in no group", "gemm", "tile_bulk_commit();", "(void)0;",
     "exit with work in flight", "in no group"),
    ("the last copy is not waited for", "tensor", "tile_bulk_wait(0);", "(void)0;",
     "exit with work in flight", "bulk stores"),
    ("the last load is not waited for", "tensor",
     "    tile_mbarrier_wait(full, 0);\n    for (int i = tile_thread(); i < BYTES / 16; i += 128) {",
     "    return;\n    for (int i = tile_thread(); i < BYTES / 16; i += 128) {",
     "exit with work in flight", "nobody has waited for the copy"),
    ("wgmma under way at the end", "wgmma", WAIT + "\n    }", "}\n    return;",
     "exit with work in flight", "wgmma.mma_async"),
    ("a block ends while others may still signal it", "multicast", "    tile_cluster_sync();\n}", "}",
     "exited block addressed", ""),
    ("a block ends while others may still read it", "cluster", "    tile_cluster_sync();\n}", "}",
     "exited block addressed", ""),
    # ---- threads ----
    ("the box is stored before all have written it", "gemm", SYNC_STORE, "if (first) {", "race",
     "the tensor store reads shared"),
    ("what another block has written is read too early", "cluster",
     "tile_cluster_sync();\n    tile_mbarrier_wait", "tile_mbarrier_wait",
     ("race", "uninitialised"), "reads shared"),
    ("lanes read what others write without bar.warp.sync", "matrix",
     "tile_sync_warp();\n    tile_ldmatrix_x4(r,", "tile_ldmatrix_x4(r,",
     ("race", "uninitialised"), "reads shared"),
    ("the buffer is not handed back", "named", "if (k >= 2)\n                tile_sync_named",
     "if (k >= 99)\n                tile_sync_named", ("race", "barrier misused"), ""),
    ("no barrier of the grid", "grid", "tile_grid_sync(a.barrier);", "(void)0;", "race", "parts"),
    ("atomics meet a plain store", "grid", "tile_sync();\n    tile_shared_atomic",
     "tile_shared_atomic", ("race", "uninitialised"), "updates shared"),
    ("a flag is stored plainly", "grid",
     "tile_global_write_release_u64(a.chain + block, before + mine);",
     "const uint64_t sum_ = before + mine;\n    "
     "tile_global_write(a.chain + block, (const uint32_t *)&sum_, 8, TILE_PLAIN);", "race", "chain"),
    ("no wait for the kernel before", "pdl", "tile_pdl_wait();", "(void)0;", "race",
     "an earlier kernel writes it"),
    ("nobody waits for the kernel before", "pdl", "tile_pdl_wait();", "return;", "wrong launch",
     "no thread of pdl_second waits"),
    ("what the kernel before writes is read as constant", "pdl",
     "tile_global_read(&w, a.middle + (i ^ 64), 4, TILE_PLAIN);",
     "tile_global_read(&w, a.middle + (i ^ 64), 4, TILE_CONSTANT);", "constant written", "middle"),
    ("memory that the kernel writes is read as constant", "grid",
     "tile_global_read(&w, a.parts + i, 4, TILE_PLAIN);",
     "tile_global_read(&w, a.parts + i, 4, TILE_CONSTANT);", "constant written", "parts"),
    # ---- barriers, warps ----
    ("a named barrier for more threads than come", "gemm", SYNC_STORE,
     SYNC_STORE.replace("128", "160"), "deadlock", "bar.sync"),
    ("a named barrier for part of a warp", "gemm", SYNC_STORE, SYNC_STORE.replace("128", "100"),
     "barrier misused", "only whole warps"),
    ("barrier 16", "gemm", SYNC_STORE, SYNC_STORE.replace("1 + group", "16 + group"),
     "barrier misused", "a block has 0 to 15"),
    ("arrive and sync disagree on the number of threads", "named",
     "tile_arrive_named(1 + k % 2, 128);", "tile_arrive_named(1 + k % 2, 96);", "barrier misused",
     "it waits for"),
    ("barrier.cluster.wait without an arrival", "multicast", "tile_cluster_arrive_relaxed();",
     "(void)0;", "barrier misused", "without barrier.cluster.arrive"),
    ("half of a warp in a shuffle", "warp", "y[1] = tile_shuffle_xor_u32(x, 9);",
     "y[1] = lane < 16 ? tile_shuffle_xor_u32(x, 9) : 0;", "divergence", "of the warp"),
    ("ldmatrix by half of a warp", "matrix", "tile_ldmatrix_x2(r + 8, row_of(in, lane % 16));",
     "if (lane < 16)\n        tile_ldmatrix_x2(r + 8, row_of(in, lane % 16));", "divergence",
     "of the warp"),
    ("a barrier in both branches", "named", "tile_arrive_named(1 + k % 2, 128);",
     "volatile int v_;\n            if (tile_lane() < 7) {\n                tile_arrive_named(1 + k % 2, 128);\n"
     "                v_ = 1;\n            } else {\n                v_ = 2;\n"
     "                tile_arrive_named(1 + k % 2, 128);\n            }", "divergence", "one instruction"),
    ("one warp of the warpgroup skips wgmma", "wgmma", COMMIT + "\n        " + WAIT,
     "if (tile_warp() != 2)\n            tile_wgmma_commit();\n        " + WAIT, "divergence",
     "another warp of its warpgroup"),
    # ---- operands ----
    ("the box is not at a multiple of 128", "gemm",
     "tile_tensor_load_2d(shared + stage * A_BYTES,", "tile_tensor_load_2d(shared + stage * A_BYTES + 64,",
     "misaligned", "multiple of 128"),
    ("a row of ldmatrix is not at a multiple of 16", "matrix", "tile_ldmatrix_x4(r, row_of(in, lane));",
     "tile_ldmatrix_x4(r, row_of(in, lane) + 2);", "misaligned", "multiple of 16"),
    ("a bulk copy of no multiple of 16 bytes", "ring", "128, ROW, full);", "128, ROW - 8, full);",
     "wrong copy", "multiple of 16"),
    ("a bulk copy from an odd address", "ring", "a->rows + k) * 128, ROW", "a->rows + k) * 128 + 1, ROW",
     "misaligned", "multiple of 16"),
    ("cp.async reads more than it copies", "copy", "16, from);", "16, from + 1);", "wrong copy",
     "cp.async of 16 bytes"),
    ("a map of other dims", "gemm", "tile_tensor_load_2d(shared + stage * A_BYTES, &a->a, "
     "full(shared, stage), (int)k * BK, m);", "tile_tensor_load_3d(shared + stage * A_BYTES, &a->a, "
     "full(shared, stage), (int)k * BK, m, 0);", "wrong tensor map", "in 3 dims"),
    ("a box from no multiple of 16 bytes", "tensor", "COORDINATES(a.from));", "a.from[0] + 1, a.from[1]);",
     "misaligned", "from coordinate 1 of dim 0"),
    ("a map's second half is taken for a map", "tensor", "(shared, &a.in,",
     "(shared, (const TileTensorMap *)((const char *)&a.in + 64),", "wrong tensor map", "no tensor map"),
    ("the launch asks for more shared memory than there is", "tensor", "TILE_KERNEL(ENTRY", "TILE_KERNEL(ENTRY",
     "wrong launch", "at most 227 KB", {"shared": 240000}),
    ("shared memory is too small", "gemm", "AT_EMPTY + 8 * stage", "AT_EMPTY + 8 * stage + 8",
     "out of bounds", "shared+"),
    ("a load past the end of a tensor", "ring", "tile_block() * a->rows + k", "tile_block() * a->rows + k + 1",
     "out of bounds", "outside of its"),
    ("an input is stored to", "tensor", "(&a.out, shared", "(&a.in, shared", "input written", "an input"),
    ("a bulk addition to an input", "ring", "tile_bulk_reduce_add_f32(a.total,",
     "tile_bulk_reduce_add_f32((float *)a.x,", "input written", "an input"),
    ("undefined shared memory is stored", "ring",
     "tile_shared_write(shared + AT_SUM + 4 * i, &w, 4);",
     "if (i < 100)\n            tile_shared_write(shared + AT_SUM + 4 * i, &w, 4);", "uninitialised",
     "nobody has written"),
    # ---- registers of a warp ----
    ("more registers than were given back", "gemm", "tile_setmaxnreg_inc(232);",
     "tile_setmaxnreg_inc(240);", "deadlock", "setmaxnreg.inc"),
    ("setmaxnreg to no multiple of 8", "gemm", "tile_setmaxnreg_dec(40);", "tile_setmaxnreg_dec(44);",
     "setmaxnreg misused", "multiples of 8"),
    ("setmaxnreg without a cap at the entry", "gemm", "THREADS, 1)\n{", "THREADS, 0)\n{",
     "setmaxnreg misused", "names no least number"),
    ("setmaxnreg.dec to more than there are", "gemm", "tile_setmaxnreg_dec(40);",
     "tile_setmaxnreg_dec(200);", "setmaxnreg misused", "from 168"),
]


def gemm(m=128, n=128, k=512):
    random = np.random.default_rng(m)
    a, b = (random.integers(-4, 5, (rows, k)).astype(ml_dtypes.bfloat16) for rows in (m, n))
    c = np.zeros((m, n), ml_dtypes.bfloat16)
    args = [Map("a", "bf16", [k, m], [2 * k], [64, 128], 128),
            Map("b", "bf16", [k, n], [2 * k], [64, 128], 128),
            Map("c", "bf16", [n, m], [2 * n], [64, 64], 128), -(-m // 128), -(-n // 128), -(-k // 64)]
    return (Launch("gemm", 1, 384, shared=4 * 32768 + 4 * 8192 + 64), {"a": a, "b": b, "c": c}, args,
            {"a": READ_ONLY, "b": READ_ONLY, "c": UNDEFINED}, [])


def wgmma(form="ss", swizzle=128, steps=3):
    """Zeros in any layout: only where they lie matters."""
    lead, stride = (128, 256) if swizzle == 0 else (0, 8 * swizzle)
    bytes = 64 * max(32, swizzle)
    x = np.zeros((2, steps * bytes), np.uint8)
    registers = np.random.default_rng(1).integers(0, 99, (steps, 128, 4)).astype(np.uint32)
    d = np.zeros((128, 32), np.float32)
    numbers = [steps * bytes, bytes, lead, stride, swizzle] * 2
    return (Launch("wgmma", 1, 128, shared=32768 + steps * bytes),
            {"a": x[0], "b": x[1], "registers": registers, "d": d},
            [Pointer("a"), Pointer("b"), Pointer("registers"), Pointer("d"), steps, *numbers],
            {"a": READ_ONLY, "b": READ_ONLY, "registers": READ_ONLY},
            ["-DTYPE=bf16", "-DN=64", "-DDEPTH=16", f"-DFORM={form}", f"-DRS={int(form == 'rs')}",
             "-DMAJORS=0"])


def multicast():
    tiles, blocks = 5, 2
    x, y = np.zeros((tiles * 128, 64), np.uint16), np.zeros((tiles, blocks, 128, 64), np.uint16)
    args = [Map("x", "u16", [64, tiles * 128], [128], [64, 64]), Pointer("y"), tiles]
    return (Launch("multicast", blocks, 128, 2, 2 * 8192 + 16), {"x": x, "y": y}, args,
            {"x": READ_ONLY}, [])


def cluster():
    x, y = np.zeros((4, 128), np.uint32), np.zeros((4, 128, 3), np.uint32)
    return (Launch("cluster", 4, 128, 4, 1552), {"x": x, "y": y}, [Pointer("x"), Pointer("y")],
            {"x": READ_ONLY}, [])


def copy():
    x, y, z = np.zeros(5 * 2048, np.uint8), np.zeros(5 * 2048, np.uint8), np.zeros(4096, np.uint8)
    return (Launch("copy", 1, 128, shared=4104), {"x": x, "y": y, "z": z},
            [Pointer("x"), Pointer("y"), Pointer("z"), 5, x.size], {"x": READ_ONLY}, [])


def matrix():
    x, f, y = np.zeros(256, np.uint16), np.zeros((32, 11), np.uint32), np.zeros(768, np.uint16)
    return (Launch("matrix", 1, 32, shared=2048), {"x": x, "f": f, "y": y},
            [Pointer("x"), Pointer("f"), Pointer("y")], {"x": READ_ONLY}, [])


def named():
    x, y = np.zeros((2, 7, 64), np.uint32), np.zeros((2, 7, 64), np.uint32)
    return (Launch("named", 2, 128, shared=512), {"x": x, "y": y}, [Pointer("x"), Pointer("y"), 7],
            {"x": READ_ONLY}, [])


def ring():
    x = np.zeros((3, 11, 128), np.float32)
    sums, total = np.zeros((3, 128), np.float32), np.zeros(128, np.float32)
    return (Launch("ring", 3, 160, shared=4 * 512 + 48), {"x": x, "sums": sums, "total": total},
            [Pointer("x"), Pointer("sums"), Pointer("total"), 11], {"x": READ_ONLY}, [])


def grid():
    buffers = {"barrier": np.zeros(2, np.uint32), "parts": np.zeros(3, np.uint32),
               "chain": np.zeros(3, np.uint64), "total": np.zeros(1, np.uint32),
               "y": np.zeros((3, 2), np.uint32)}
    return (Launch("grid", 3, 64, shared=16, cooperative=True), buffers,
            [Pointer(name) for name in buffers], {}, [])


def pdl():
    buffers = {name: np.zeros(256, np.uint32) for name in ("x", "middle", "y")}
    return ([Launch("pdl_first", 4, 64), Launch("pdl_second", 4, 64, pdl=True)], buffers,
            [Pointer(name) for name in buffers], {"x": READ_ONLY}, [])


def warp():
    x, y = np.zeros(64, np.uint32), np.zeros((64, 10), np.uint32)
    return Launch("warp", 1, 64), {"x": x, "y": y}, [Pointer("x"), Pointer("y")], {"x": READ_ONLY}, []


def tensor(shared=4096 + 16):
    buffers = {"x": np.zeros((32, 32), np.uint32), "y": np.zeros((32, 32), np.uint32),
               "raw": np.zeros(1024, np.uint32)}
    maps = [Map(name, "u32", [32, 32], [128], [32, 32], 128) for name in "xy"]
    return (Launch("tensor", 1, 128, shared=shared), buffers,
            [*maps, Pointer("raw"), *[np.int32(0)] * 10], {"x": READ_ONLY}, ["-DDIMS=2", "-DBYTES=4096"])


CONFIGS = {f.__name__: f for f in (gemm, wgmma, multicast, cluster, copy, matrix, named, ring, grid, pdl,
                                   warp, tensor)}
