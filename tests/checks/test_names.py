"""Names: every one is known, none hides another, and schedules and instances speak of what is."""
import pathlib

import pytest

from wrong import check_right, check_wrong

ROOT = pathlib.Path(__file__).resolve().parents[2]

WRONG = {
    "unknown": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = x[j]; }          #! unknown name `j`; no schedule binds it
}
""",
    "misspelt": """
kernel k[N: dim](input: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = inptu[i]; }      #! unknown name `inptu` #? did you mean `input`?
}
""",
    "dead_branch": """
kernel k[N: dim, T: type = f32](x: in T[N], y: out T[N]) {
  par (i in 0..N) {
    if T == bf16 { y[i] = nowhere; }        #! unknown name `nowhere`
    else { y[i] = x[i]; }
  }
}
""",
    "dead_side": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = true ? x[i] : lost; }     #! unknown name `lost`
}
""",
    "uncalled_fn": """
fn f(x) = x + extra;                        #! unknown name `extra`
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = x[i]; }
}
""",
    "fn_sees_no_static": """
fn f(x) = x * G;                            #! unknown name `G`
kernel k[N: dim, G: int = 2](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = f(x[i]); }
}
""",
    "unknown_function": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = sigmod(x[i]); }  #! unknown function `sigmod` #? did you mean `sigmoid`?
}
""",
    "no_schedule_binds": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N by BM) { y[i +: BM] = x[i +: BM]; }  #! unknown name `BM`; no schedule binds it
}
""",
    "one_schedule_does_not_bind": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N by BM) { y[i +: BM] = x[i +: BM]; }
}
schedule k for sm90 { let BM = 64; }
schedule k for sm100 { let BN = 64; }       #! schedule k for sm100 does not bind BM, which the kernel uses at line 3
""",
    "tune_without_default": """
kernel k[N: dim, BM: tune](x: in f32[N], y: out f32[N]) {      #! no schedule binds BM and it has no default
  par (i in 0..N by BM) { y[i +: BM] = x[i +: BM]; }
}
""",
    "tune_not_bound": """
kernel k[N: dim, BM: tune](x: in f32[N], y: out f32[N]) {
  par (i in 0..N by BM) { y[i +: BM] = x[i +: BM]; }
}
schedule k for sm90 { let BM = 4; }
schedule k for sm100 { unit warp; }         #! schedule k for sm100 does not bind BM, which has no default
""",
    "dim_of_a_schedule": """
kernel k[N: dim, P: dim](x: in f32[N], y: out f32[N]) scratch(s: inout f32[P]) {
  par (p in 0..P) { for i in p..N by P { y[i] = x[i]; } }
}
schedule k for sm90 { let P = 4; }
schedule k for sm100 { unit warp; }         #! schedule k for sm100 does not bind P, a dim that no tensor parameter shows
""",
    "hides_param": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) {
    let x = 1.0;                            #! `x` hides a name that is visible here #? `x` is declared here
    y[i] = x;
  }
}
""",
    "hides_index": """
kernel k[N: dim](y: out f32[N]) {
  par (i in 0..N) {
    var a = 0.0;
    for i in 0..4 { a = a + 1.0; }          #! `i` hides a name that is visible here
    y[i] = a;
  }
}
""",
    "hides_const": """
const LIMIT = 4;
kernel k[N: dim](y: out f32[N]) {
  par (i in 0..N) { let LIMIT = 1.0; y[i] = LIMIT; }     #! `LIMIT` hides a name that is visible here
}
""",
    "hides_fn": """
fn act(x) = x;
kernel k[N: dim](y: out f32[N]) {
  par (i in 0..N) { let act = 1.0; y[i] = act; }    #! `act` hides a name that is visible here
}
""",
    "hides_type": """
kernel k[N: dim](y: out f32[N]) {
  par (i in 0..N) { let f32 = 1.0; y[i] = 0.0; }    #! `f32` hides a name that is visible here #? `f32` is an element type
}
""",
    "hides_number": """
fn f(inf) = 1;                              #! `inf` hides a name that is visible here
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
""",
    "hides_parameter": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N by BM) {
    let BM = 2.0;                           #! `BM` hides a name that is visible here
    y[i] = x[i];
  }
}
schedule k { let BM = 1; }
""",
    "hides_in_pattern": """
fn two(x) { return (x, x); }
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { let (a, a) = two(x[i]); y[i] = 0.0; }      #! `a` hides a name that is visible here
}
""",
    "fn_named_like_operation": """
fn sum(x) = x;                              #! `sum` hides a name that is visible here #? `sum` is an operation
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
""",
    "operation_hidden_and_called": """
kernel k[N: dim](sum: in f32[N, 4], y: out f32[N]) {
  par (i in 0..N) { y[i] = sum(sum[i, :], 0); }     #! `sum` is a tensor here and hides the operation
}
""",
    "item_twice": """
const A = 1;
fn A(x) = x;                                #! `A` is declared twice #? `A` is declared here
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
""",
    "kernel_twice": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 1.0; } }      #! `k` is declared twice
""",
    "param_twice": """
kernel k[N: dim](x: in f32[N], x: out f32[N]) { par (i in 0..N) { x[i] = 0.0; } }     #! `x` hides a name
""",
    "static_twice": """
kernel k[N: dim, N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }      #! `N` hides a name
""",
    "member_twice": """
enum e { a, b, a }                          #! two members named `a`
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
""",
    "unknown_member": """
enum mode { fast, exact }
kernel k[N: dim, S: mode = mode.fast](y: out f32[N]) {
  par (i in 0..N) { y[i] = S == mode.fats ? 1.0 : 0.0; }      #! enum mode has no member `fats` #? did you mean `fast`?
}
""",
    "unknown_kind": """
kernel k[N: dim, S: mode = 1](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }    #! unknown kind `mode` of static S
""",
    "assign_let": """
kernel k[N: dim](y: out f32[N]) {
  par (i in 0..N) { let a = 0.0; a = 1.0; y[i] = a; }      #! `a` is not a var: it cannot be assigned #? declare it with var a
}
""",
    "assign_unknown": """
kernel k[N: dim](y: out f32[N]) {
  par (i in 0..N) { a = 1.0; y[i] = 0.0; }  #! unknown name `a`
}
""",
    "assign_call": """
kernel k[N: dim](y: out f32[N]) {
  par (i in 0..N) { abs(i) = 1.0; y[i] = 0.0; }     #! only a var or an element of a tensor can be assigned
}
""",
    "too_few_arguments": """
fn add(a, b) = a + b;
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = add(x[i]); }     #! add takes 2 arguments, not 1
}
""",
    "too_many_arguments": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = sqrt(x[i], 1); } #! sqrt takes 1 argument, not 2
}
""",
    "arguments_in_dead_branch": """
kernel k[N: dim, B: bool = false](x: in f32[N, 8], y: out f32[N]) {
  par (i in 0..N) {
    if B { y[i] = squeeze(sum(x[i, :])); }  #! sum takes 2 arguments, not 1
    else { y[i] = 0.0; }
  }
}
""",
    "unknown_named": """
kernel k[N: dim](x: in f32[N, 8], y: out f32[N, 1]) {
  par (i in 0..N) { y[i, :] = sum(x[i, :], 0, ordr = seq); }      #! sum takes no argument `ordr =` #? it takes order init
}
""",
    "unknown_order": """
kernel k[N: dim](x: in f32[N, 8], y: out f32[N, 1]) {
  par (i in 0..N) { y[i, :] = sum(x[i, :], 0, order = random); }  #! order is seq or tree
}
""",
    "fn_takes_no_named": """
fn f(a) = a;
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { y[i] = f(a = x[i]); }   #! f takes no argument `a =`
}
""",
    "recursion": """
fn even(n) = n == 0 ? true : odd(n - 1);
fn odd(n) = n == 0 ? false : even(n - 1);   #! even calls itself: there is no recursion
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
""",
    "const_of_itself": """
const A = B + 1;                            #! const A is defined by itself
const B = A - 1;
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
""",
    "continue_outside": """
fn f(x) { continue; }                       #! continue outside of a loop
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
""",
    "return_in_kernel": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; return 1; } }     #! return outside of a function
""",
    "phase_twice": """
kernel k[N: dim](y: out f32[N]) {
  @a par (i in 0..N) { y[i] = 0.0; }
  @a par (j in 0..N) { y[j] = y[j] + 1.0; } #! two phases named `a`
}
""",
    "storage": """
kernel k[N: dim](y: out f32[N, 4]? @ sotre(row)) { par (i in 0..N) { if has(y) { y[i, :] = 0.0; } } }     #! unknown storage @ sotre
instances k { y: { none }; }
""",
    "schedule_of_unknown_kernel": """
kernel gemm[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
schedule gem for sm90 { unit warp; }        #! unknown kernel `gem` #? did you mean `gemm`?
""",
    "instances_of_unknown_kernel": """
kernel gemm[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
instances other { N: { 1 }; }               #! unknown kernel `other`
""",
    "second_schedule": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
schedule k for sm90, sm100 { unit warp; }
schedule k for sm100 { unit thread; }       #! a second schedule of k for sm100 #? the first is here
""",
    "unknown_target": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
schedule k for sm80 { unit warp; }          #! unknown target `sm80` #? targets are sm90, sm100
""",
    "bound_twice": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N by B) { y[i +: B] = 0.0; } }
schedule k { let B = 1;  let B = 2; }       #! `B` is bound twice
""",
    "let_of_a_shown_dim": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N) { y[i] = 0.0; } }
schedule k { let N = 4; }                   #! a schedule cannot bind N: the tensors show this dim
""",
    "let_of_a_static": """
kernel k[N: dim, G: int = 1](y: out f32[N]) { par (i in 0..N) { y[i] = f32(G); } }
schedule k { let G = 4; }                   #! a schedule cannot bind G: it is a static of kind int
""",
    "let_hides_tensor": """
kernel k[N: dim](y: out f32[N]) {           #! `y` hides a name that is visible here
  par (i in 0..N) { y[i] = 0.0; }
}
schedule k { let y = 4; }
""",
    "require_unknown": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N by BM) { y[i +: BM] = 0.0; } }
schedule k { let BM = 4;  require BN % 2 == 0; }     #! unknown name `BN` #? did you mean `BM`?
""",
    "let_used_before": """
kernel k[N: dim](y: out f32[N]) { par (i in 0..N by A) { y[i +: A + B] = 0.0; } }
schedule k { let A = B * 2;  let B = 4; }   #! unknown name `B`
""",
    "instances_key": """
kernel k[N: dim](x: in f32[N], y: out f32[N], eps: f32) { par (i in 0..N) { y[i] = x[i] + eps; } }
instances k {
  M: { 1, 2 };                              #! `M` is no static of kernel k
  eps: { 1 };                               #! `eps` is a scalar of kernel k
}
""",
    "instances_key_twice": """
kernel k[N: dim, G: int](y: out f32[N]) { par (i in 0..N) { y[i] = f32(G); } }
instances k { G: { 1 };  G: { 2 }; }        #! `G` is listed twice
""",
    "instances_none": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) { par (i in 0..N) { y[i] = x[i]; } }
instances k { x: { none, row }; }           #! x is not optional: it has no form none
""",
    "instances_form": """
kernel k[N: dim, M: dim](x: in f32[N, M] @ store(row), y: out f32[N]) { par (i in 0..N) { y[i] = x[i, 0]; } }
instances k { x: { row, col_pad16, wide }; }     #! x is not stored as col_pad16 #! unknown form of a tensor
""",
    "instances_empty": """
kernel k[N: dim, G: int](y: out f32[N]) { par (i in 0..N) { y[i] = f32(G); } }
instances k { G: { }; }                     #! the set of G is empty
""",
    "instances_twice": """
kernel k[N: dim, G: int](y: out f32[N]) { par (i in 0..N) { y[i] = f32(G); } }
instances k { G: { 1 }; }
instances k { G: { 2 }; }                   #! a second `instances k`
""",
    "pipe_names": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) {
    pipe p[2] { v: f32, w: f32, v: f32 };   #! two fields named `v`
    roles {
      role a { put q { v = x[i] };          #! unknown pipe `q`
               put x { v = x[i] };          #! `x` is no pipe
               put p { v = x[i], u = 0.0, v = x[i] }; }     #! pipe p has no field `u` #! field `v` twice #! put without field `w`
      role a { get p as s { y[i] = s.z; } } #! two roles named `a` #! the pipe has no field `z`
    }
  }
}
""",
    "role_changes_var": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) {
    var a = 0.0;
    roles { role r { a = x[i]; y[i] = a; } }        #! a role cannot change `a`, which stands outside of `roles`
  }
}
""",
    "slice_in_call": """
kernel k[N: dim](x: in f32[N, 8], y: out f32[N, 8]) {
  par (i in 0..N) { y[i, :] = abs(x[i, :], :); }    #! abs: `:` and `+:` stand only inside [ ] #! abs takes 1 argument, not 2
}
""",
}

RIGHT = {
    "variable_named_like_an_operation": """
fn f(amax, top) = amax / top;
kernel k[N: dim](topk: in f32[N, 8], y: out f32[N]) {
  par (i in 0..N) { y[i] = f(topk[i, 0], squeeze(sum(topk[i, :], 0))); }
}
""",
    "disjoint_blocks": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) {
    if x[i] > 0.0 { let a = x[i]; y[i] = a; } else { let a = -x[i]; y[i] = a; }
    for j in 0..4 { let b = j; } for j in 0..4 { let b = j; }
  }
}
""",
    "tune_with_default": """
kernel k[N: dim, BM: tune = 64](x: in f32[N], y: out f32[N]) {
  par (i in 0..N by BM) { y[i +: BM] = x[i +: BM]; }
}
schedule k for sm90 { unit block warps(4); }
schedule k for sm100 { let BM = 128; }
""",
    "word_named_variables": """
kernel k[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) { let row = x[i]; let seq = row; let none = seq; y[i] = none; }
}
""",
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, WRONG[name])


@pytest.mark.parametrize("name", RIGHT)
def test_right(tilec, tmp_path, name):
    check_right(tilec, tmp_path, RIGHT[name])


def test_good_programs(tilec):
    files = [*ROOT.glob("kernels.tile/*/*.tile"), *ROOT.glob("examples/*.tile")]
    done = tilec("check", *files)
    assert done.returncode == 0 and "error" not in done.stderr + done.stdout, done.stderr
