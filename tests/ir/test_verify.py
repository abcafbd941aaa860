"""The verifier: what is wrong, at which op, by which rule."""
import pytest

from ir_texts import kernel

CASES = [  # ops of a phase, what the verifier says (the op's name is part of it)
    # values
    ("%100 = add %f.11, %u.13 : f32[8, 4]", "add %100: f32 and u32: element types differ (R4)"),
    ("%100 = add %h.12, %h.12 : bf16[8, 4]", "add %100: no such operation on bf16 (R4)"),
    ("%100 = add %b.14, %b.14 : bool[8, 4]", "add %100: no such operation on bool (R4)"),
    ("%100 = add %f.11 : f32[8, 4]", "add %100: 1 args where 2 are due"),
    ("%100, %101 = neg %f.11 : f32[8, 4], f32", "neg %100: 2 results where 1 are due"),
    ("%100 = add %f.11, %f.11 : f32[8, 1]", "add %100: the result is f32[8, 1], not f32[8, 4]"),
    ("%100 = add %f.11, %f.11 : tensor f32[8, 4]",
     "the result is tensor f32[8, 4], not f32[8, 4]"),
    ("%100 = const 1 : f32[4]\n%101 = mul %f.11, %100 : f32[8, 4]",
     "mul %101: arg 1 is f32[4]: ranks must be equal or 0"),
    ("%100 = const 1 : f32[8, 3]\n%101 = mul %f.11, %100 : f32[8, 4]",
     "mul %101: arg 1 is f32[8, 3]: extents of axis 1 must be equal or 1"),
    ("%100 = const 1 : f32[0, 1]\n%101 = mul %f.11, %100 : f32[0, 4]", "of axis 0 must be equal"),
    ("%100 = const 1 : f32[1, 1]\n%101 = mul %100, %100 : f32[8, 4]",
     "the result is f32[8, 4], not f32[1, 1]"),
    ("%100 = div %u.13, %u.13 : u32[8, 4]", "div %100: no such operation on u32 (R4)"),
    ("%100 = fdiv %f.11, %f.11 : f32[8, 4]", "fdiv %100: no such operation on f32 (R4)"),
    ("%100 = sqrt %u.13 : u32[8, 4]", "sqrt %100: no such operation on u32"),
    ("%100 = exp %h.12 : bf16[8, 4]", "exp %100: no such operation on bf16"),
    ("%100 = and %f.11, %f.11 : f32[8, 4]", "and %100: no such operation on f32"),
    ("%100 = shl %b.14, %b.14 : bool[8, 4]", "shl %100: no such operation on bool"),
    ("%100 = lnot %u.13 : u32[8, 4]", "lnot %100: no such operation on u32"),
    ("%100 = lt %f.11, %f.11 : f32[8, 4]", "the result is f32[8, 4], not bool[8, 4]"),
    ("%100 = select %f.11, %f.11, %f.11 : f32[8, 4]", "the condition is f32[8, 4], not bool"),
    ("%100 = select %b.14, %f.11, %h.12 : f32[8, 4]", "f32 and bf16: element types differ"),
    ("%100 = neg %x.4 : bf16", "neg %100: arg 0 is no tile but tensor bf16[?, ?]"),
    ("%100 = cast %h.12 : f16[8, 4]", "cast %100: from bf16 to f16: no such conversion (R6)"),
    ("%100 = cast %u.13 : e4m3[8, 4]", "from u32 to e4m3: no such conversion"),
    ("%100 = cast %f.11 round zero : e4m3[8, 4]", "from f32 to e4m3 towards zero: no such"),
    ("%100 = cast %f.11 : bf16[4, 8]", "the result is bf16[4, 8], not bf16[8, 4]"),
    ("%100 = bits %f.11 : u16[8, 4]", "bits %100: from f32 to u16: widths differ (R6)"),
    ("%100 = const 0x2 : bool", "const %100: 0x2 is no code of bool"),
    ("%100 = const 0x10 : e2m1", "const %100: 0x10 is no code of e2m1"),
    ("%100 = const 0x0 : tensor f32[4]", "const %100: the result is no tile"),
    ("%100 = broadcast %f.11 : f32[8, 8]", "broadcast %100: from f32[8, 4] to f32[8, 8]"),
    ("%100 = broadcast %f.11 : f32[2, 8, 4]", "broadcast %100: from f32[8, 4] to f32[2, 8, 4]"),
    ("%100 = iota : i32[4]", "iota %100: the result is i32[4], not i64[n]"),
    ("%100 = reshape %f.11 : f32[8, 5]", "reshape %100: from f32[8, 4] to f32[8, 5]"),
    ("%100 = trans %t.15 : i64[8]", "trans %100: i64[8] has less than two axes"),
    ("%100 = trans %f.11 : f32[8, 4]", "the result is f32[8, 4], not f32[4, 8]"),
    ("%100 = concat %f.11, %t.15 axis 0 : f32[16, 4]", "concat %100: arg 1 is i64[8]"),
    ("%100 = concat %f.11, %f.11 axis 1 : f32[16, 4]", "the result is f32[16, 4], not f32[8, 8]"),
    ("%100 = concat %f.11 axis 2 : f32[8, 4]", "concat %100: no axis 2 in f32[8, 4]"),
    # reductions, orders, products
    ("%100 = sum %h.12 axis 0 : bf16[1, 4]", "sum %100: no such operation on bf16 (R4)"),
    ("%100 = sum %b.14 axis 0 : bool[1, 4]", "sum %100: no such operation on bool (R4)"),
    ("%100 = sum %f.11 axis 0 : f32[4]", "the result is f32[4], not f32[1, 4]"),
    ("%100 = sum %f.11 axis -1 : f32[8, 1]", "sum %100: no axis -1 in f32[8, 4]"),
    ("%100 = sum %f.11, %f.11 axis 0 : f32[1, 4]", "init is f32[8, 4], not a scalar f32"),
    ("%100 = sum %f.11, %i.10, %i.10 axis 0 : f32[1, 4]", "3 args where 1 or 2 are due"),
    ("%100 = sum %f.11 axis 1 order seq plan (reg 4@1) : f32[8, 1]", "order seq has no plan (R8)"),
    ("%100 = sum %f.11 axis 1 order tree plan (reg 4@1) : f32[8, 1]", "order tree has no plan"),
    ("%99 = const 0 : f32\n%100 = sum %f.11, %99 axis 1 plan (reg 4@1) : f32[8, 1]",
     "sum %100: a sum with an init has no plan (R8)"),
    ("%99 = cast %f.11 : f64[8, 4]\n%100 = sum %99 axis 1 plan (reg 4@1) : f64[8, 1]",
     "sum %100: f64[8, 4] has no plan"),
    ("%100 = amax %f.11 axis 1 plan (reg 4@1) : f32[8, 1]", "amax %100: only a sum has a plan"),
    *((f"%100 = sum %f.11 axis 1 plan ({digits}) : f32[8, 1]",
       "sum %100: the plan does not cover the 4 elements of axis 1 once each")
      for digits in ("", "reg 2@1", "reg 8@1", "reg 4@2", "reg 2@1, lane 2@1", "lane 2@2, reg 2@2",
                     "reg 2@1, lane 2@3", "reg 4@0", "reg 4@1, lane 2@4", "reg 3@1",
                     "reg 1099511627776@1, reg 1099511627776@1099511627776")),
    ("%99 = const 1 : f32[8, 0]\n%100 = sum %99 axis 1 plan () : f32[8, 1]",
     "does not cover the 0 elements"),
    ("%100 = sum %f.11 axis 1 plan (reg 4@1, warp 1@4) : f32[8, 1]",
     "warp 1: a digit has two values or more"),
    ("%100 = sum %f.11 axis 1 plan (reg 4@1, lane 0@0) : f32[8, 1]", "lane 0: a digit has two"),
    ("%99 = const 1 : f32[3]\n%100 = sum %99 axis 0 plan (lane 3@1) : f32[1]",
     "lane 3: lanes come in powers of two up to 32"),
    ("%99 = const 1 : f32[64]\n%100 = sum %99 axis 0 plan (lane 64@1) : f32[1]", "lane 64: lanes"),
    ("%99 = const 1 : f32[33]\n%100 = sum %99 axis 0 plan (warp 33@1) : f32[1]",
     "warp 33: a program has at most 32 warps"),
    ("%99 = const 1 : f32[64]\n%100 = sum %99 axis 0 plan (lane 8@1, lane 8@8) : f32[1]",
     "the plan has more than 32 lanes or 32 warps"),
    ("%100 = sum %f.11 axis 1 plan (reg 4@1) fused : f32[8, 1]",
     "sum %100: fused: the arg is no product of f32"),
    ("%99 = mul %u.13, %u.13 : u32[8, 4]\n%100 = sum %99 axis 1 plan (reg 4@1) fused : u32[8, 1]",
     "fused: the arg is no product of f32"),
    *((f"%99 = mul %f.11, %f.11 : f32[8, 4]\n{before}"
       f"%100 = sum %99 axis 1 plan (reg 4@1) fused : f32[8, 1]\n{after}",
       "sum %100: fused: the product has another use")
      for before, after in (("%98 = neg %99 : f32[8, 4]\n", ""), ("", "%98 = neg %99 : f32[8, 4]"),
                            ("", "if %c.7 then { print %99 \"\"\nyield } else { yield }"))),
    ("%99 = mul %f.11, %f.11 : f32[8, 4]\nif %c.7 then { "
     "%100 = sum %99 axis 1 plan (reg 4@1) fused : f32[8, 1]\nyield } else { yield }",
     "sum %100: fused: the product stands in another region"),
    ("%100 = any %f.11 axis -1 : bool", "any %100: f32[8, 4] is not bool (R8)"),
    ("%100 = all %b.14 axis -1 : bool[1, 1]", "the result is bool[1, 1], not bool"),
    ("%100 = cumsum %h.12 axis 0 : bf16[8, 4]", "cumsum %100: no such operation on bf16"),
    ("%100 = softmax %u.13 axis 0 : u32[8, 4]", "softmax %100: no such operation on u32"),
    ("%100, %101 = topk %f.11 axis 1 : f32[8, 5], i32[8, 5]", "k is 5, axis 1 has 4 (R10)"),
    ("%100, %101 = topk %f.11 axis 1 : f32[8, 2], i64[8, 2]",
     "the result is i64[8, 2], not i32[8, 2]"),
    ("%100 = rank %f.11 axis 1 : i64[8, 4]", "the result is i64[8, 4], not i32[8, 4]"),
    ("%100 = const 0 : f32[8, 0]\n%101 = argmax %100 axis 1 : i32[8, 1]", "axis 1 is empty"),
    ("%100 = histogram %u.13 : i32[4]", "u32[8, 4] is no integer tile of rank 1"),
    ("%100 = occurrence %t.15 : i32[4]", "the result is i32[4], not i32[8]"),
    ("%100 = trans %f.11 : f32[4, 8]\n%101 = const 0 : f32[8, 8]\n"
     "%102 = mma %f.11, %100, %101 : f32[8, 8]", "mma %102: no product of f32 and f32 (R9)"),
    ("%101 = const 0 : f32[8, 8]\n%102 = mma %h.12, %h.12, %101 : f32[8, 8]",
     "a is bf16[8, 4], b is bf16[8, 4]: not [m, k] and [k, n] (R9)"),
    ("%100 = trans %h.12 : bf16[4, 8]\n%101 = const 0 : f32[8, 4]\n"
     "%102 = mma %h.12, %100, %101 : f32[8, 8]", "c is f32[8, 4], not f32[8, 8] (R9)"),
    ("%100 = const 0 : i8[2, 4]\n%101 = const 0 : i8[4, 2]\n%102 = const 0 : f32[2, 2]\n"
     "%103 = mma %100, %101, %102 : f32[2, 2]", "c is f32[2, 2], not i32[2, 2] (R9)"),
    ("%100 = const 0x0 : e4m3[2, 64]\n%101 = const 0x0 : e2m1[64, 2]\n%102 = const 0 : f32[2, 2]\n"
     "%103 = const 0x0 : ue8m0[2, 4]\n%104 = const 0x0 : ue8m0[4, 2]\n"
     "%105 = mma_scaled %100, %103, %101, %104, %102 : f32[2, 2]",
     "scales are ue8m0[2, 4] and ue8m0[4, 2]: not a block of 32 (R9)"),
    ("%102 = const 0 : f32[8, 8]\n%100 = trans %h.12 : bf16[4, 8]\n"
     "%105 = mma_scaled %h.12, %102, %100, %102, %102 : f32[8, 8]",
     "no scaled product of bf16 and bf16 (R9)"),
    # accesses
    ("%100 = load %x.4[%i.10 +: 2] : bf16[2]", "load %100: 1 indices for tensor bf16[?, ?] (R3)"),
    ("%100 = load %x.4[%i.10 +: 2, :4] : bf16[2, 4]",
     "axis 1 of tensor bf16[?, ?] is taken whole as 4 (R2)"),
    ("%100 = load %x.4[%i.10 +: 2, %i.10] : bf16[2, 1]", "the result is bf16[2, 1], not bf16[2]"),
    ("%100 = load %x.4[%i.10, %b.14] : bf16",
     "index of axis 1 is bool[8, 4], not a scalar integer (R3)"),
    ("%100 = load %x.4[%i.10, tile %i.10] : bf16", "not an integer tile of rank 1 (R3)"),
    ("%100 = iota : i64[3]\n%101 = load %x.4[tile %t.15, tile %100] : bf16[8]",
     "index tiles of 8 and 3 elements (R3)"),
    ("%100 = load %f.11[%i.10, %i.10] : f32", "load %100: f32[8, 4] is no tensor"),
    ("%100 = load %x.4 : bf16", "load %100: no access"),
    ("%100 = load %x.4[%i.10, %i.10], %i.10 : bf16", "4 args, the access needs 3"),
    ("%100 = load %x.4[%i.10, %i.10] pad 0x12345 : bf16", "pad 0x12345 is no code of bf16 (R3)"),
    ("%100 = extract %x.4[%i.10, %i.10] : bf16", "extract %100: tensor bf16[?, ?] is no tile"),
    ("store %x.4[%i.10 +: 8, %i.10 +: 4], %h.12", "store: x is an `in` tensor"),
    ("%100 = view.trans %x.4 : tensor bf16[?, ?]\nstore %100[%i.10 +: 8, %i.10 +: 4], %h.12",
     "store: x is an `in` tensor"),
    ("%100 = view.upsample %y.5, %3, %3 : tensor f32[?, ?]\n"
     "store %100[%i.10 +: 8, %i.10 +: 4], %f.11", "store: an upsampled view is for loads only"),
    ("store %y.5[%i.10 +: 8, %i.10 +: 4], %h.12",
     "the tile is bf16[8, 4], the access takes f32[8, 4]"),
    ("store %y.5[%i.10 +: 8, %i.10 +: 4]", "store: 3 args, the access needs 4"),
    ("%100 = const true : bool\n%101 = local \"l\" : tensor bool[2]\n"
     "atomic_add %101[%i.10], %100", "atomic_add: on bool: only on integers and f32 (R19)"),
    ("%100 = const 1 : i32[2]\n%101 = atomic_add %n.6[%i.10 +: 2], %100 : i32[2]",
     "only one element has an old value (R19)"),
    ("%100 = const 1 : i32\nsignal %n.6[%i.10], %100 \"sub\"", "signal: neither set nor add (R26)"),
    # tensors and views
    ("%100 = local \"l\" : tensor f32[2, ?]", "axis 1 has no constant extent (R23)"),
    ("%100 = local \"l\" : f32[2]", "local %100: the result is no tensor"),
    ("%100 = view.reshape %x.4, %3 : tensor bf16[2]", "axis 0 of the result is 2, not 1"),
    ("%100 = view.reshape %x.4, %3 : tensor f32[1]",
     "the result is tensor f32[1], the tensor tensor bf16[?, ?]"),
    ("%100 = view.reshape %x.4, %f.11 : tensor bf16[?]", "arg 1 is f32[8, 4], not a scalar i64"),
    ("%100 = view.slice %x.4, %2, %3 axis 2 : tensor bf16[?, ?]", "no axis 2 in tensor bf16"),
    ("%100 = local \"l\" : tensor f32[8, 4]\n%101 = view.slice %100, %2, %3 axis 1 : "
     "tensor f32[8, 4]", "axis 1 of the result is 4, not 1"),
    ("%100 = view.trans %n.6 : tensor i32[?]", "tensor i32[?] has less than two axes"),
    ("%100 = local \"l\" : tensor f32[8, 4]\n%101 = view.trans %100 : tensor f32[8, 4]",
     "axis 0 of the result is 8, not 4"),
    ("%100 = view.upsample %x.4, %3 : tensor bf16[?, ?]", "1 factors for tensor bf16[?, ?]"),
    ("%100 = view.upsample %x.4, %2, %3 : tensor bf16[?, ?]", "factor 0 of axis 0 is not positive"),
    ("%100 = table %x.4, %2 : tensor bf16[?, ?]", "table %100: tensor bf16[?, ?] is no table"),
    ("%100 = extent %x.4 axis 2 : i64", "no axis 2 in tensor bf16[?, ?]"),
    ("%100 = extent %f.11 axis 0 : i64", "extent %100: f32[8, 4] is no tensor"),
    ("%100 = extent %x.4 axis 0 : i32", "the result is i32, not i64"),
    # effects
    ("assert %i.10", "assert: the condition is i64, not a scalar bool"),
    ("assume %b.14", "assume: the condition is bool[8, 4], not a scalar bool"),
    ("print %x.4", "print: arg 0 is no tile but tensor bf16[?, ?]"),
    ("bind %f.11", "bind: no name"),
    ("%100 = present : bool", "present %100: no name"),
    ("%100 = exchange %f.11 : f32[3, 4, 8]", "the result is f32[3, 4, 8], not f32[3, 8, 4]"),
    # places
    ("%100 = dim \"Q\" : i64", "dim %100: only in the kernel's body, not in a region"),
    ("%100 = tensor \"q\"[] in : tensor f32", "only in the kernel's body"),
    ("require %c.7 \"c\"", "require: only in the kernel's body"),
    ("par body { yield }", "par: only in the kernel's body"),
    ("if %c.7 then { par body { yield }\nyield } else { yield }", "par: only in the kernel's body"),
    # control
    ("if %f.11 then { yield } else { yield }", "if: the condition is f32[8, 4], not a scalar bool"),
    ("if %c.7 then { yield }", "if: 1 regions where 2 are due"),
    ("if %c.7 then { yield } else { }", "region 1 does not end in yield or continue"),
    ("%100 = if %c.7 : i64 then { yield %i.10 } else { yield }",
     "yield: 0 yielded values where 1 are due"),
    ("%100 = if %c.7 : i64 then { yield %i.10 } else { yield %f.11 }",
     "yield: yielded values 0: f32[8, 4] where i64 is due"),
    ("%100 = if %c.7 : i64 then { yield %i.10 } else { continue %i.10 }",
     "continue: 1 carried values where 0 are due"),
    ("%100 = if %c.7 : i64 then { continue } else { continue }",
     "if %100: has results, and no branch gives them"),
    ("if %c.7 then { continue } else { continue }", "if: an op follows the end of a region"),
    ("if %c.7 then (%100 : i64) { yield } else { yield }", "if: region 0 has args"),
    ("if %c.7 then { yield\nbind %2 \"x\" } else { yield }",
     "region 0 does not end in yield or continue"),
    ("if %c.7 then { yield\nyield } else { yield }", "yield: an op follows the end of a region"),
    ("if %c.7 then { %100 = iota : i64[2]\nyield } else { yield }\nbind %100 \"x\"",
     "bind: %100 is used outside the region that defines it"),
    ("for %2, %i.10 body (%100 : i64) { yield }", "for: 2 args where 3 are due"),
    ("for %2, %i.10, %f.11 body (%100 : i64) { yield }", "arg 2 is f32[8, 4], not a scalar i64"),
    ("for %2, %i.10, %2 body (%100 : i64) { yield }", "for: a step of 0 is not positive"),
    ("for %2, %i.10, %3 body { yield }", "a region has 0 args where 1 indices are due"),
    ("for %2, %i.10, %3 body (%100 : i32) { yield }", "index %100 is i32, not a scalar i64"),
    ("for %2, %i.10, %3, %3 body (%100 : i64, %101 : i64) { yield %101 }",
     "for: 0 results where 1 are due"),
    ("%102 = for %2, %i.10, %3, %3 : i64 body (%100 : i64, %101 : f32) { yield %100 }",
     "carried region args 0: f32 where i64 is due"),
    ("%102 = for %2, %i.10, %3, %3 : i64 body (%100 : i64, %101 : i64) { yield }",
     "yield: 0 yielded values where 1 are due"),
    ("for %2, %i.10, %3 body (%100 : i64) { continue %100 }",
     "continue: 1 carried values where 0 are due"),
    ("%102 = for %2, %i.10, %3, %x.4 : tensor bf16[?, ?] "
     "body (%100 : i64, %101 : tensor bf16[?, ?]) { yield %101 }",
     "for %102: carries tensor bf16[?, ?]"),
    ("share %2, %3 range { yield %2, %3 } body (%100 : i64) { yield }",
     "range 0 does not end in a yield of lo, hi, step"),
    ("share %2, %3 range { yield %2, %3, %f.11 } body (%100 : i64) { yield }",
     "range 0 yields no scalar i64"),
    ("share %2, %3 range (%101 : i64) { yield %2, %3, %3 } body (%100 : i64) { yield }",
     "range 0 has 1 args where 0 are due"),
    ("share %2 range { yield %2, %3, %3 } body (%100 : i64) { yield }",
     "share: 1 args where 2 are due"),
    ("share %2, %3 range { grid_sync\nyield %2, %3, %3 } body (%100 : i64) { yield }",
     "grid_sync: not inside a range"),
    ("share %2, %3 range { store %n.6[%2], %2\nyield %2, %3, %3 } body (%100 : i64) { yield }",
     "store: not inside a range"),
    ("share %2, %3 range { if %c.7 then { continue } else { yield }\nyield %2, %3, %3 }"
     " body (%100 : i64) { yield }", "continue: leaves a range"),
    # roles and pipes
    ("roles", "roles: no role"),
    ("roles role \"r\" { grid_sync\nyield }", "grid_sync: grid_sync inside a role (R13, R16)"),
    ("roles role \"r\" { roles role \"s\" { yield }\nyield }", "roles inside a role"),
    ("roles role \"r\" { yield %2 }", "yield: roles yields nothing"),
    ("roles role \"r\" { continue }", "continue: leaves a role"),
    ("%100 = pipe \"p\" stages 0 { a : i64 } : pipe", "pipe %100: 0 stages (R16)"),
    ("%100 = pipe \"p\" stages 1 { a : tensor i64[2] } : pipe", "field a: no tile"),
    ("%100 = pipe \"p\" stages 1 { a : i64 } : pipe\nput %100, %2", "put: only inside a role (R16)"),
    ("%100 = pipe \"p\" stages 1 { a : i64 } : pipe\nroles role \"r\" { put %100\nyield }",
     "put: 0 fields, the pipe has 1 (R16)"),
    ("%100 = pipe \"p\" stages 1 { a : i64 } : pipe\nroles role \"r\" { put %100, %f.11\nyield }",
     "field a is f32[8, 4], in the pipe i64 (R16)"),
    ("roles role \"r\" { put %2, %f.11\nyield }", "put: arg 0 is no pipe"),
    ("%100 = pipe \"p\" stages 1 { a : i64 } : pipe\nroles role \"r\" { put %100, %2\nyield } "
     "role \"s\" { put %100, %2\nyield }", "put: another role puts to the same pipe (R16)"),
    ("%100 = pipe \"p\" stages 1 { a : i64 } : pipe\n"
     "roles role \"r\" { get %100 body (%101 : f32) { yield }\nyield }",
     "field a is f32, in the pipe i64 (R16)"),
    ("%100 = pipe \"p\" stages 1 { a : i64 } : pipe\n"
     "roles role \"r\" { get %100, %2 body (%101 : i64) { yield }\nyield }",
     "get: 0 results where 1 are due"),
    ("iota", "iota: 0 results where 1 are due"),
    ("grid_sync body { yield }", "grid_sync: has regions"),
]

HEADERS = [  # ops of the kernel's body
    ("%100 = load %x.4[%2, %2] : bf16", "load %100: only inside a par"),
    ("print %2", "print: only inside a par"),
    ("grid_sync", "grid_sync: only inside a par"),
    ("for %2, %3, %3 body (%100 : i64) { yield }", "for: only inside a par"),
    ("roles role \"r\" { yield }", "roles: only inside a par"),
    ("yield", "yield: not at the kernel's level"),
    ("continue", "continue: outside a loop"),
    ("if %c.7 then { continue } else { yield }", "continue: outside a loop"),
    ("%100 = tensor \"t\"[%2] in : tensor f32[?, ?]",
     "tensor %100: 1 args, tensor f32[?, ?] has 2"),
    ("%100 = tensor \"t\"[%2] in : table f32[?]", "tensor %100: 1 args, table f32[?] has 2"),
    ("%100 = tensor \"t\"[%2] : tensor f32[?]", "tensor %100: no direction"),
    ("%100 = tensor [%2] in : tensor f32[?]", "tensor %100: no name"),
    ("%100 = tensor \"t\"[%2] in : f32[1]", "the result is f32[1], no tensor or table"),
    ("%100 = tensor \"t\"[%3] in : tensor f32[2]", "axis 0 is 1 by its arg, 2 by its type (R2)"),
    ("%100 = tensor \"t\"[%2] in format col_pad16 : tensor f32[?]",
     "format col_pad16 needs two axes (R18)"),
    ("%100 = tensor \"t\"[%2, %2] in format ue8m0x4 : tensor f32[?, ?]",
     "format ue8m0x4 on f32 (R18)"),
    ("%100 = tensor \"t\"[%c.7] in : tensor f32[?]", "arg 0 is bool, not a scalar i64"),
    ("%100 = dim \"Q\" : i32", "dim %100: the result is i32, not i64"),
    ("%100 = scalar \"s\" : f32[2]", "scalar %100: the result is f32[2], not f32"),
    ("require %2 \"r\"", "require: the condition is i64, not a scalar bool"),
    ("par", "par: no body"),
    ("par range { yield %2, %3, %2 } body (%100 : i64) { yield }",
     "par: a step of 0 is not positive"),
    ("par body { yield %2 }", "yield: par yields nothing"),
    ("par body (%100 : i64) { yield }", "the body has 1 args where 0 are due"),
    ("par range { yield %2, %3, %3 } range { yield %2, %3, %3 } "
     "body (%100 : i64, %101 : i64) { yield }", "a region has 0 args where 1 indices are due"),
    ("par range { %100 = local \"l\" : tensor f32[2]\nyield %2, %3, %3 } body (%101 : i64) "
     "{ yield }", "local %100: not inside a range"),
]


@pytest.fixture
def verified(unit, tmp_path):
    def verified(text):
        path = tmp_path / "k.ir"
        path.write_text(text)
        return unit("ir_driver", "verify", path).stdout.rstrip("\n")
    return verified


def test_the_frame_is_well_formed(verified):
    assert verified(kernel()) == "ok"
    assert verified(kernel("%100 = load %x.4[tile %t.15, %i.10] : bf16[8]")) == "ok"


@pytest.mark.parametrize("body, message", CASES)
def test_in_a_phase(verified, body, message):
    said = verified(kernel(body))
    assert said.startswith("k: ") and message in said


@pytest.mark.parametrize("header, message", HEADERS)
def test_in_the_kernel(verified, header, message):
    said = verified(kernel(header=header))
    assert said.startswith("k: ") and message in said


def test_the_message_names_the_place(verified):
    said = verified(kernel("%100 = sqrt %u.13 : u32[8, 4] @12:34"))
    assert said == "k.tile:12:34: sqrt %100: no such operation on u32 (R4)"


@pytest.mark.parametrize("body", [
    "%100 = const 1 : f32[1, 4]\n%101 = add %f.11, %100 : f32[8, 4]",
    "%100 = const 1 : f32\n%101 = add %100, %f.11 : f32[8, 4]",
    "%100 = const 1 : f32[8, 1]\n%101 = const 1 : f32[1, 4]\n%102 = fma %100, %101, %f.11 : f32[8, 4]",
    "%100 = const 1 : f32[0, 4]\n%101 = const 1 : f32[1, 4]\n%102 = mul %100, %101 : f32[0, 4]",
    "%100 = min %b.14, %b.14 : bool[8, 4]",
    "%100 = sum %u.13 axis 1 plan (lane 2@2, reg 2@1) : u32[8, 1]",
    "%100 = sum %f.11 axis 0 plan (reg 2@4, warp 2@1, lane 2@2) : f32[1, 4]",
    "%100 = sum %f.11 axis 0 plan (reg 8@1) : f32[1, 4]\n%101 = sum %100 axis 0 plan () : f32[1, 4]",
    "%100 = mul %f.11, %f.11 : f32[8, 4]\nbind %100 \"p\"\n"
    "%101 = sum %100 axis 1 plan (reg 4@1) fused : f32[8, 1]",
    "%100 = const 1 : f32[1056]\n%101 = sum %100 axis 0 plan (reg 33@32, warp 32@1) : f32[1]",
    "%100 = cast %f.11 round zero : tf32[8, 4]",
    "%100 = cast %h.12 : i32[8, 4]",
    "%100 = cast %u.13 : f32[8, 4]",
    "%100, %101 = topk %h.12 axis 0 : bf16[0, 4], i32[0, 4]",
    "%100 = const 0x0 : e2m1[2, 32]\n%101 = const 0x0 : e2m1[32, 2]\n%102 = const 0 : f32[2, 2]\n"
    "%103 = const 0x0 : e4m3[2, 2]\n%104 = const 0x0 : e4m3[2, 2]\n"
    "%105 = mma_scaled %100, %103, %101, %104, %102 : f32[2, 2]",
    "%100 = const 0x0 : e4m3[2, 32]\n%101 = const 0x0 : e5m2[32, 3]\n%102 = const 0 : f32[2, 3]\n"
    "%105 = mma %100, %101, %102 : f32[2, 3]",
    "for %2, %i.10, %3 body (%100 : i64) { if %c.7 then { continue } else { continue } }",
    "%100 = pipe \"p\" stages 2 { a : i64 } : pipe\n"
    "roles role \"r\" { put %100, %2\nput %100, %3\nyield } role \"s\" { "
    "get %100 body (%101 : i64) { yield }\nget %100 body (%102 : i64) { yield }\nyield }",
    "share %2, %3 range { %100 = load %n.6[%2] : i32\n%101 = cast %100 : i64\n"
    "yield %2, %101, %3 } body (%102 : i64) { continue }",
])
def test_well_formed(verified, body):
    assert verified(kernel(body)) == "ok"
