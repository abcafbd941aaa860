"""Pieces of IR text that the tests complete."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

KERNEL = """kernel k at "k.tile":1:1 {
  %M.0 = dim "M" : i64
  %K.1 = dim "K" : i64
  %2 = const 0 : i64
  %3 = const 1 : i64
  %x.4 = tensor "x"[%M.0, %K.1] in : tensor bf16[?, ?]
  %y.5 = tensor "y"[%M.0, %K.1] out : tensor f32[?, ?]
  %n.6 = tensor "n"[%K.1] inout : tensor i32[?]
  %c.7 = const true : bool
HEADER
  par
    range { yield %2, %M.0, %3 }
    body (%i.10 : i64) {
      %f.11 = const 1 : f32[8, 4]
      %h.12 = const 0x0 : bf16[8, 4]
      %u.13 = const 1 : u32[8, 4]
      %b.14 = const true : bool[8, 4]
      %t.15 = iota : i64[8]
BODY
      yield
    }
}
"""


def kernel(body="", header=""):
    """A kernel with ops in its phase and in its header."""
    return KERNEL.replace("HEADER", header).replace("BODY", body)
