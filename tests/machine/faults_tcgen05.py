"""Planted faults of SM100: rows as in faults.py. docs/machine-model.md shows the table."""
import ml_dtypes
import numpy as np
from machine import READ_ONLY, UNDEFINED, Launch, Map, Pointer
from products import Case

GEMM, PAIR, SCALED, CHAIN = "tcgen05_gemm", "tcgen05_pair", "tcgen05_scaled", "tcgen05_chain"
ANY = "tcgen05"
AFTER, BEFORE = "tile_tcgen05_fence_after_thread_sync();", "tile_tcgen05_fence_before_thread_sync();"
WAIT_LD, WAIT_ST = "tile_tcgen05_wait_ld();", "tile_tcgen05_wait_st();"
NOTHING = "(void)0;"
WAIT_EMPTY = "tile_mbarrier_wait(shared + AT_EMPTY + 8 * stage, (uint32_t)(*turn / STAGES & 1) ^ 1);"
WAIT_FULL = "tile_mbarrier_wait(shared + AT_FULL + 8 * stage, (uint32_t)({} / STAGES & 1));"
WAIT_DRAINED = ("tile_mbarrier_wait(shared + AT_DRAINED + 8 * which,\n"
                "                       (uint32_t)(round / ACCUMULATORS & 1) ^ 1);")
WAIT_SUMMED = "tile_mbarrier_wait(shared + AT_SUMMED + 8 * which, (uint32_t)(round / ACCUMULATORS & 1));"
DEALLOC = "tile_tcgen05_dealloc(at, COLUMNS);"
FIRST = "first(shared, at, idesc);\n        tile_tcgen05_commit(shared + AT_DONE);"
SECOND = "second(shared, at, idesc);\n        tile_tcgen05_commit(shared + AT_DONE);"
COMMIT_EMPTY = "tile_tcgen05_commit(shared + AT_EMPTY + 8 * stage);"
A_OF_GEMM = "tile_tcgen05_descriptor(at_a + 32 * i, 0, 1024, 128)"
B_OF_GEMM = "tile_tcgen05_descriptor(at_b + 32 * i, 0, 1024, 128)"
SHAPE = "TILE_TCGEN05_BF16, 0, 0, BM, BN);"
LOAD = "tile_tcgen05_ld_32x32b_x32(r, mine + 32 * half);"
TWO_TILES, THREE_TILES = {"m": 256}, {"m": 384}

FAULTS = [
    # ---- allocation ----
    ("tensor memory is not freed", GEMM, "tile_tcgen05_dealloc(sums, COLUMNS);", NOTHING,
     "tensor memory leaked", "has not freed column"),
    ("a second allocation is not freed", CHAIN, "tile_sync();\n    tile_shared_read",
     "if (tile_warp() == 0)\n        tile_tcgen05_alloc(shared + AT_ADDRESS + 4, 32);\n"
     "    tile_sync();\n    tile_shared_read", "tensor memory leaked", "has not freed column"),
    ("freed twice", CHAIN, DEALLOC, "{ " + DEALLOC + DEALLOC + " }", "tensor memory misused", "freed at"),
    ("half of an allocation is freed", PAIR, "tile_tcgen05_dealloc_pair(d, COLUMNS);",
     "tile_tcgen05_dealloc_pair(d, COLUMNS / 2);", "tensor memory misused", "no allocation"),
    ("another warp frees", GEMM, "if (tile_warp() == ISSUER) {\n        tile_tcgen05_relinquish",
     "if (tile_warp() == PRODUCER) {\n        tile_tcgen05_relinquish", "tensor memory misused", "one warp does"),
    ("two warps allocate", CHAIN, "if (tile_warp() == 0)\n        tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);",
     "if (tile_warp() < 2)\n        tile_tcgen05_alloc(shared + AT_ADDRESS + 4 * tile_warp(), 32);",
     "tensor memory misused", "allocates for block"),
    ("192 columns", CHAIN, "COLUMNS = 256 }", "COLUMNS = 192 }", "tensor memory misused", "powers of two"),
    ("allocations grow", CHAIN, "tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);",
     "{ tile_tcgen05_alloc(shared + AT_ADDRESS, 32); tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS); }",
     "tensor memory misused", "must not grow"),
    ("an allocation behind the permit", CHAIN, "tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);",
     "{ tile_tcgen05_relinquish(); tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS); }",
     "tensor memory misused", "relinquished the permit"),
    ("more columns than there are", CHAIN, "tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);",
     "for (int i_ = 0; i_ < 3; i_++)\n            tile_tcgen05_alloc(shared + AT_ADDRESS, COLUMNS);",
     "deadlock", "tcgen05.alloc"),
    ("columns are freed while they are used", CHAIN, "    store(a.y, mine);",
     "    tile_sync();\n    if (tile_warp() == 0)\n        " + DEALLOC + "\n    tile_sync();\n    store(a.y, mine);",
     "unallocated tensor memory", "has been freed at"),
    ("the allocation is taken to begin at 0", CHAIN, "    const uint32_t mine", "    at = 0;\n    const uint32_t mine",
     "unallocated tensor memory", "not allocated"),
    ("fewer columns are allocated than used", GEMM, "COLUMNS = ACCUMULATORS * BN }", "COLUMNS = BN }",
     ("unallocated tensor memory", "out of bounds"), "columns", TWO_TILES),
    ("the address is not read", PAIR, "tile_shared_read(&d, shared + AT_ADDRESS, 4);", "d = 384;",
     ("unallocated tensor memory", "tensor memory misused"), ""),
    ("only one lane allocates", CHAIN, "if (tile_warp() == 0)\n        tile_tcgen05_alloc",
     "if (tile_thread() == 0)\n        tile_tcgen05_alloc", ("divergence", "deadlock"), ""),
    ("the other block of the pair does not free", PAIR, "if (tile_warp() == ISSUER) {\n        tile_tcgen05_relinquish",
     "if (tile_warp() == ISSUER && tile_cluster_rank() == 0) {\n        tile_tcgen05_relinquish",
     ("tensor memory leaked", "wrong cta_group", "deadlock", "exited block addressed"), ""),
    # ---- lanes and columns ----
    ("a warp reads another's lanes", GEMM, "quarter = tile_warp() % 4;", "quarter = tile_warp() - EPILOGUE;",
     "another warp's lanes", "reaches lanes"),
    ("all warps read lane 0", CHAIN, "const uint32_t mine = at + ((uint32_t)tile_warp() << 21);",
     "const uint32_t mine = at;", "another warp's lanes", "reaches lanes"),
    ("the accumulator begins at lane 16", GEMM, "const uint32_t d = sums + (uint32_t)which * BN;",
     "const uint32_t d = sums + (uint32_t)which * BN + (16u << 16);", "another warp's lanes", "begins at lane 0"),
    ("scales are copied from lane 32 on", SCALED, "sb = sa + 4;", "sb = sa + 4 + (32u << 16);",
     "another warp's lanes", "fills all lanes"),
    ("columns behind the last one", CHAIN, "tile_tcgen05_ld_32x32b_x32(r, mine + SECOND",
     "tile_tcgen05_ld_32x32b_x32(r, mine + 500 + SECOND", "out of bounds", "512 columns"),
    ("a lane behind the last one", GEMM, "const uint32_t d = sums + (uint32_t)which * BN;",
     "const uint32_t d = sums + (uint32_t)which * BN + (128u << 16);", "out of bounds", "128 lanes"),
    ("lanes load from other addresses", CHAIN, "tile_tcgen05_ld_32x32b_x32(r, mine + SECOND",
     "tile_tcgen05_ld_32x32b_x32(r, mine + tile_lane() % 2 + SECOND", "divergence", "other operands"),
    ("half of a warp loads", CHAIN, LOAD, "if (tile_lane() < 16)\n            " + LOAD, "divergence", "of the warp"),
    # ---- waits, commits, fences ----
    ("mma is not committed", CHAIN, FIRST, "first(shared, at, idesc);", "deadlock", "for parity 0"),
    ("commit before the mma", CHAIN, FIRST,
     "tile_tcgen05_commit(shared + AT_DONE);\n        first(shared, at, idesc);", "in flight",
     "tcgen05.ld reads lanes"),
    ("the accumulator is read before a wait", CHAIN, "    tile_mbarrier_wait(shared + AT_DONE, 0);\n", "",
     ("in flight", "uninitialised"), "tcgen05.ld reads lanes"),
    ("the accumulator is read one round early", GEMM, WAIT_SUMMED, WAIT_SUMMED.replace("& 1)", "& 1 ^ 1)"),
     ("in flight", "uninitialised"), "tcgen05.ld reads lanes"),
    ("no after_thread_sync behind the wait for mma", GEMM, WAIT_SUMMED + "\n    " + AFTER, WAIT_SUMMED,
     "missing tcgen05.fence", "fence::after_thread_sync"),
    ("no after_thread_sync behind the wait for the readers", GEMM, WAIT_DRAINED + "\n    " + AFTER, WAIT_DRAINED,
     "missing tcgen05.fence", "fence::after_thread_sync", THREE_TILES),
    ("no after_thread_sync behind a barrier", CHAIN, AFTER + "\n        second", "second",
     "missing tcgen05.fence", "fence::after_thread_sync"),
    ("no before_thread_sync behind the loads", GEMM, BEFORE + "\n    tile_sync_warp", "tile_sync_warp",
     "missing tcgen05.fence", "fence::before_thread_sync", THREE_TILES),
    ("no before_thread_sync behind the stores", CHAIN, "square(mine);\n    " + BEFORE, "square(mine);",
     "missing tcgen05.fence", "fence::before_thread_sync"),
    ("no before_thread_sync in one lane", GEMM, BEFORE + "\n    tile_sync_warp",
     "if (tile_lane() != 5)\n        " + BEFORE + "\n    tile_sync_warp", "missing tcgen05.fence",
     "fence::before_thread_sync", THREE_TILES),
    ("one lane releases without the others", GEMM,
     "tile_sync_warp();\n    if (tile_lane() == 0)\n        tile_mbarrier",
     "if (tile_lane() == 0)\n        tile_mbarrier", ("in flight", "missing tcgen05.fence"),
     "tcgen05.mma updates D", THREE_TILES),
    ("loads are not waited for", GEMM, WAIT_LD, NOTHING, "in flight", "tcgen05.mma updates D", THREE_TILES),
    ("stores are not waited for", CHAIN, "    " + WAIT_ST + "\n", "", "in flight", "a tcgen05.st of warp"),
    ("wait::ld in place of wait::st", CHAIN, "    " + WAIT_ST + "\n", "    " + WAIT_LD + "\n", "in flight",
     "a tcgen05.st of warp"),
    ("dealloc before the loads are waited for", SCALED, WAIT_LD, NOTHING, "in flight", "tcgen05.dealloc frees"),
    ("dealloc with no barrier behind the loads", SCALED, "tile_sync();\n    if (tile_warp() == ISSUER) {",
     "if (tile_warp() == ISSUER) {", ("in flight", "unallocated tensor memory"), ""),
    # ---- overwritten in flight ----
    ("the accumulator is filled while it is read", GEMM, WAIT_DRAINED, NOTHING, "in flight",
     "tcgen05.mma updates D", THREE_TILES),
    ("always the same accumulator", GEMM,
     "    const int which = (int)(round % ACCUMULATORS);\n    const uint32_t idesc",
     "    const int which = 0;\n    const uint32_t idesc",
     ("in flight", "deadlock", "wrong phase", "too many arrivals"), "", TWO_TILES),
    ("the issuing thread releases the stage, not the mma", GEMM, COMMIT_EMPTY,
     COMMIT_EMPTY.replace("tcgen05_commit", "mbarrier_arrive"), "in flight", "the tensor copy writes shared"),
    ("a stage is released before its mma", GEMM,
     "        TILE_EACH(i, BK / 16)\n        {\n            tile_tcgen05_mma",
     "        " + COMMIT_EMPTY + "\n        TILE_EACH(i, BK / 16)\n        {\n            tile_tcgen05_mma",
     ("in flight", "too many arrivals", "wrong phase"), ""),
    ("operands of a pair are overwritten", PAIR, "tile_mbarrier_wait_cluster(shared + AT_EMPTY + 8 * stage,\n"
     "                                   (uint32_t)(*turn / STAGES & 1) ^ 1);", NOTHING,
     ("in flight", "wrong phase", "too many arrivals", "wrong byte count"), ""),
    ("all stages copy their scales to one place", SCALED, "stage * STAGE_COLUMNS, sb", "0 * STAGE_COLUMNS, sb",
     "in flight", "tcgen05.cp writes lanes"),
    ("the issuing thread releases the stage of scales", SCALED, COMMIT_EMPTY,
     COMMIT_EMPTY.replace("tcgen05_commit", "mbarrier_arrive"), "in flight", "writes shared"),
    ("the producer does not wait for a free stage", GEMM, WAIT_EMPTY, NOTHING, ("too many arrivals", "in flight"), ""),
    ("A is overwritten in tensor memory", CHAIN, "    tile_mbarrier_wait(shared + AT_DONE, 1);",
     "    square(mine);\n    tile_mbarrier_wait(shared + AT_DONE, 1);", "in flight", "tcgen05.st writes lanes"),
    ("operands are not waited for (tcgen05)", GEMM, WAIT_FULL.format("*turn"), NOTHING, ("in flight", "uninitialised"),
     "tcgen05.mma reads"),
    ("scales are not waited for", SCALED, WAIT_FULL.format("k"), NOTHING, ("in flight", "uninitialised"),
     "tcgen05.cp reads"),
    # ---- proxies ----
    ("no proxy fence between shared stores and mma", ANY, "    tile_fence_proxy_async_shared();\n", "",
     "missing proxy fence", "tcgen05.mma reads"),
    ("no proxy fence between shared stores and cp", ANY, "    tile_fence_proxy_async_shared();\n", "",
     "missing proxy fence", "tcgen05.cp reads", {"kind": "mxf8f6f4"}),
    ("the fence comes before the stores", ANY, "    fill(shared + SCALES_AT, a.scales + 128 * block * "
     "(a.scales_a + a.scales_b),\n         128 * (a.scales_a + a.scales_b));\n    tile_fence_proxy_async_shared();\n",
     "    tile_fence_proxy_async_shared();\n    fill(shared, a.a_image + block * a.a.bytes, a.a.bytes);\n",
     "missing proxy fence", "tcgen05.mma reads A"),
    # ---- descriptors ----
    ("the descriptor's swizzle is not the copy's (tcgen05)", GEMM, A_OF_GEMM, A_OF_GEMM.replace("128)", "64)"),
     "wrong descriptor", "swizzle of 64"),
    ("the descriptor's stride is half of it (tcgen05)", GEMM, B_OF_GEMM, B_OF_GEMM.replace("1024", "512"),
     "wrong descriptor", "lie at one place"),
    ("the leading dimension's offset is too long (tcgen05)", ANY, "a->b.lead,", "a->b.lead * 64,",
     ("wrong descriptor", "uninitialised"), "", {"layout": ("k", 0)}),
    ("a base offset where the pattern is at its boundary", GEMM, A_OF_GEMM, A_OF_GEMM + " | 1ull << 49",
     "wrong descriptor", "base offset"),
    ("a descriptor of wgmma", GEMM, B_OF_GEMM, B_OF_GEMM + " & ~(1ull << 46)", "wrong descriptor", "bits 46 to 48"),
    ("a layout type that there is not", GEMM, B_OF_GEMM, B_OF_GEMM + " | 1ull << 61", "wrong descriptor", "swizzle"),
    ("the descriptor leads out of shared memory (tcgen05)", GEMM, B_OF_GEMM, B_OF_GEMM.replace("at_b", "at_b + 120000"),
     "wrong descriptor", "leads to shared address"),
    ("rows of scales overlap", SCALED, "tile_tcgen05_descriptor(scales, 0, 128, 0)",
     "tile_tcgen05_descriptor(scales, 0, 64, 0)", "wrong descriptor", "lie at one place"),
    # ---- instruction descriptors ----
    ("a type that the kind does not have", GEMM, "TILE_TCGEN05_BF16, 0, 0", "TILE_TCGEN05_TF32, 0, 0",
     "wrong instruction descriptor", "element type"),
    ("M = 64 of a pair", PAIR, SHAPE, SHAPE.replace("BM", "64"), "wrong instruction descriptor", "M of a pair"),
    ("N = 264", GEMM, SHAPE, SHAPE.replace("BN", "264"), "wrong instruction descriptor", "N of one block"),
    ("N = 24 of a pair", PAIR, SHAPE, SHAPE.replace("BN", "24"), "wrong instruction descriptor", "N of a pair"),
    ("sums in the type of integers", GEMM, "TILE_TCGEN05_D_F32", "TILE_TCGEN05_D_S32",
     "wrong instruction descriptor", "type of D"),
    ("a descriptor without scales for a kind with them", SCALED, "tile_tcgen05_idesc_scaled(\n                "
     "TILE_TCGEN05_E4M3, TILE_TCGEN05_E2M1, TILE_TCGEN05_UE8M0, BM, BN, i, i);",
     "tile_tcgen05_idesc(\n                TILE_TCGEN05_D_F32, TILE_TCGEN05_E4M3, TILE_TCGEN05_E2M1, 0, 0, BM, BN);",
     "wrong instruction descriptor", "ue8m0"),
    # ---- scales ----
    ("scales of another type", SCALED, "TILE_TCGEN05_UE8M0", "TILE_TCGEN05_UE4M3", "wrong instruction descriptor",
     "ue8m0"),
    ("scale id 1 for two scales", ANY, "MMA(at + lane, FORM, b, w[0], at",
     "MMA(at + lane, FORM, b, w[0] | 1u << 29, at",
     "wrong instruction descriptor", "ids for scale_vec::2X", {"kind": "mxf4"}),
    ("scale id 2 for four scales", ANY, "MMA(at + lane, FORM, b, w[0], at",
     "MMA(at + lane, FORM, b, w[0] | 2u << 4, at",
     "wrong instruction descriptor", "id for scale_vec::4X", {"kind": "mxf4nvf4_4x"}),
    ("scales of 64 rows are copied to warps in pairs", SCALED, "tile_tcgen05_cp_32x128b(sa",
     "tile_tcgen05_cp_64x128b_02_13(sa", "wrong scales", "of A differ"),
    ("scales are copied to half of the warps", SCALED, "tile_tcgen05_cp_32x128b(sa", "tile_tcgen05_cp_64x128b_01_23(sa",
     "wrong scales", "of A differ"),
    ("scales of B are not copied", SCALED,
     "        tile_tcgen05_cp_32x128b(sb, tile_tcgen05_descriptor(scales + SCALES, 0, 128, 0));\n", "",
     "uninitialised", "reads scales of B"),
    ("scales of A begin a column too far", SCALED, "idesc, sa, sb,", "idesc, sa + 8 * STAGES - 2, sb,",
     "uninitialised", "reads scales of A"),
    # ---- pairs ----
    ("cta_group::1 in a kernel of pairs", PAIR, "tile_tcgen05_commit_multicast_pair(shared + AT_SUMMED",
     "tile_tcgen05_commit_multicast(shared + AT_SUMMED", "wrong cta_group", "must have the same"),
    ("cta_group::2 in a kernel of single blocks", GEMM, "tile_tcgen05_relinquish();", "tile_tcgen05_relinquish_pair();",
     "wrong cta_group", ""),
    ("a pair without a cluster", PAIR, "TILE_KERNEL(gemm", "TILE_KERNEL(gemm", "wrong cta_group",
     "no other of its pair", {"cluster": 0}),
    ("both blocks issue the pair's mma", PAIR, "if (tile_lane() == 0 && tile_cluster_rank() == 0)",
     "if (tile_lane() == 0)", ("too many arrivals", "wrong phase", "in flight", "deadlock", "uninitialised",
                               "missing tcgen05.fence"), ""),
    ("the blocks allocate other numbers of columns", PAIR, "tile_tcgen05_alloc_pair(shared + AT_ADDRESS, COLUMNS);",
     "tile_tcgen05_alloc_pair(shared + AT_ADDRESS, COLUMNS << tile_cluster_rank());", "wrong cta_group",
     "with other operands"),
    ("a copy signals a block that is not of its pair", PAIR, "tile_cluster_address(full, 0);",
     "tile_cluster_address(full, 0) + (2u << 24);", "wrong cta_group", "other one's of its pair"),
    ("the pair's mbarrier is told for one block only", PAIR,
     "tile_tcgen05_commit_multicast_pair(shared + AT_SUMMED, BOTH);",
     "tile_tcgen05_commit_pair(shared + AT_SUMMED);", "deadlock", "for parity 0"),
    ("the readers of one block are not counted", PAIR, "tile_mbarrier_init(shared + AT_DRAINED, 2 * 4);",
     "tile_mbarrier_init(shared + AT_DRAINED, 4);",
     ("too many arrivals", "wrong phase", "in flight", "missing tcgen05.fence"), "", {"m": 768}),
    # ---- barriers ----
    ("commit to the wrong barrier", GEMM, COMMIT_EMPTY, COMMIT_EMPTY.replace("EMPTY", "FULL"),
     ("too many arrivals", "wrong phase", "wrong byte count", "deadlock", "in flight"), ""),
    ("the sums are told to the readers' barrier", GEMM, "tile_tcgen05_commit(shared + AT_SUMMED",
     "tile_tcgen05_commit(shared + AT_DRAINED", "deadlock", "for parity 0"),
    ("the readers' barrier counts one warp more", GEMM, "tile_mbarrier_init(shared + AT_DRAINED + 8 * i, 4);",
     "tile_mbarrier_init(shared + AT_DRAINED + 8 * i, 5);", "deadlock", "for parity", THREE_TILES),
    ("commit where no mbarrier is", GEMM, "tile_tcgen05_commit(shared + AT_SUMMED", "tile_tcgen05_commit(shared + AT_C",
     "mbarrier misused", "no mbarrier"),
    # ---- exits ----
    ("the block ends while its mma runs", CHAIN, "    tile_mbarrier_wait(shared + AT_DONE, 1);", "    return;",
     ("exit with work in flight", "mbarrier misused"), "tcgen05.mma"),
    ("the block ends at the first wait", CHAIN, "    tile_mbarrier_wait(shared + AT_DONE, 0);", "    return;",
     ("exit with work in flight", "mbarrier misused"), "tcgen05.mma"),
    ("scales are still to be copied when they are freed", SCALED, "    tile_tcgen05_commit(shared + AT_SUMMED);",
     "    tile_tcgen05_commit(shared + AT_SUMMED);\n    tile_tcgen05_cp_32x128b(d + 192, "
     "tile_tcgen05_descriptor(shared + AT_SCALES, 0, 128, 0));",
     "in flight", "tcgen05.dealloc frees"),
    # ---- uninitialised ----
    ("the first mma adds to nothing", GEMM, "k > 0 || i > 0", "1", "uninitialised", "tcgen05.mma updates D"),
    ("half of A is not stored", CHAIN,
     "TILE_EACH(half, 2)\n    {\n        tile_tcgen05_ld_32x32b_x32(r, mine + 32 * half);\n"
     "        tile_tcgen05_wait_ld();\n        TILE_EACH(i, 16)", "TILE_EACH(half, 1)\n    {\n        "
     "tile_tcgen05_ld_32x32b_x32(r, mine + 32 * half);\n        tile_tcgen05_wait_ld();\n        TILE_EACH(i, 16)",
     "uninitialised", "tcgen05.mma reads A"),
    ("columns that nobody has written", CHAIN, "tile_tcgen05_ld_32x32b_x32(r, mine + SECOND",
     "tile_tcgen05_ld_32x32b_x32(r, mine + N + SECOND", "uninitialised", "tcgen05.ld reads"),
    # ---- the collector ----
    ("A is taken from a collector that has none", GEMM, "tile_tcgen05_mma_f16_ss(", "tile_tcgen05_mma_f16_ss_use(",
     "wrong collector use", "has no A"),
    ("A is taken from a collector that has another", GEMM, "            tile_tcgen05_mma_f16_ss(d,",
     "            (k + i ? tile_tcgen05_mma_f16_ss_lastuse : tile_tcgen05_mma_f16_ss_fill)(d,",
     "wrong collector use", "another A"),
]


def gemm(m=128, n=128, k=512):
    random = np.random.default_rng(m)
    a, b = (random.integers(-4, 5, (rows, k)).astype(ml_dtypes.bfloat16) for rows in (m, n))
    args = [Map("a", "bf16", [k, m], [2 * k], [64, 128], 128), Map("b", "bf16", [k, n], [2 * k], [64, 128], 128),
            Map("c", "bf16", [n, m], [2 * n], [64, 128], 128), -(-m // 128), -(-n // 128), -(-k // 64)]
    return (Launch("gemm", 1, 192, shared=163944), {"a": a, "b": b, "c": np.zeros((m, n), ml_dtypes.bfloat16)},
            args, {"a": READ_ONLY, "b": READ_ONLY, "c": UNDEFINED}, [])


def pair(m=256, n=128, k=320, cluster=2):
    a, b = (np.zeros((rows, k), ml_dtypes.bfloat16) for rows in (m, n))
    args = [Map("a", "bf16", [k, m], [2 * k], [64, 128], 128), Map("b", "bf16", [k, n], [2 * k], [64, 64], 128),
            Pointer("c"), m, n, -(-m // 256), -(-n // 128), -(-k // 64)]
    return (Launch("gemm", 2, 192, cluster, 73800), {"a": a, "b": b, "c": np.zeros((m, n), np.float32)}, args,
            {"a": READ_ONLY, "b": READ_ONLY, "c": UNDEFINED}, [])


def scaled(k=640):
    random = np.random.default_rng(k)
    buffers = {name: random.integers(0, 100, (128, k), np.uint8) for name in "ab"}
    buffers |= {name: random.integers(120, 130, (k // 128, 512), np.uint8) for name in ("sa", "sb")}
    buffers["c"] = np.zeros((128, 128), np.float32)
    args = [*(Map(name, "u8", [k, 128], [k], [128, 128], 128) for name in "ab"), Pointer("sa"), Pointer("sb"),
            Pointer("c"), 128, 128, 1, k // 128]
    return (Launch("gemm", 1, 192, shared=101440), buffers, args,
            {name: READ_ONLY for name in ("a", "b", "sa", "sb")} | {"c": UNDEFINED}, [])


def chain():
    buffers = {name: np.ones((rows, 64), ml_dtypes.bfloat16) for name, rows in (("x", 128), ("w", 64), ("v", 64))}
    args = [*(Map(name, "bf16", [64, len(x)], [128], [64, len(x)], 128) for name, x in buffers.items()),
            Pointer("y")]
    return (Launch("chain", 1, 128, shared=32792), buffers | {"y": np.zeros((128, 64), np.float32)}, args,
            {name: READ_ONLY for name in buffers} | {"y": UNDEFINED}, [])


def tcgen05(kind="f16", layout=("k", 128)):
    type = {"f16": "bf16", "mxf8f6f4": "e4m3"}.get(kind, "e2m1")
    return Case(kind, type, type, 128, 64, layout_a=layout, layout_b=layout).config()


CONFIGS = {GEMM: gemm, PAIR: pair, SCALED: scaled, CHAIN: chain, ANY: tcgen05}
RIGHT = [(GEMM, TWO_TILES), (GEMM, THREE_TILES), (PAIR, {"m": 768}), (ANY, {"kind": "mxf4"}),
         (ANY, {"layout": ("k", 0)})]
