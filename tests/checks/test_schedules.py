"""Directives of schedules: an illegal one is an error at its own line, never ignored."""
import pytest

from wrong import check_right, check_wrong

GEMM = """
kernel gemm[M: dim, N: dim, K: dim, G: int = 128, T: type = bf16](
    a: in bf16[M, K], b: in bf16[N, K], c: out bf16[M, N], eps: f32) {
  par (m in 0..M by 64, n in 0..N by 64) {
    var acc = fill(0.0, 64, 64);
    for k in 0..K by 64 {
      let s = f32(a[m +: 64, k +: 64]);
      acc = mma(a[m +: 64, k +: 64], trans(b[n +: 64, k +: 64]), acc);
      acc = fma(s, 1.0, acc);
    }
    c[m +: 64, n +: 64] = bf16(acc);
  }
}
"""

PHASES = """
kernel two[N: dim, D: int = 64](x: in f32[N, D], y: out f32[N, D], z: out f32[N]) {
  @first par (i in 0..N) { for k in 0..4 { let v = x[i, :]; y[i, :] = v; } }
  @second par (j in 0..N) {
    for k in 0..2 { let u = y[j, 0 +: 1]; z[j] = squeeze(u); }
    for q in 0..2 { let u = y[j, 1 +: 1]; z[j] = squeeze(u); }
  }
}
"""

ROLES = """
kernel piped[N: dim](x: in f32[N], y: out f32[N]) {
  par (i in 0..N) {
    pipe p[2] { v: f32 };
    roles {
      role load warps(1) { put p { v = x[i] }; }
      role math warps(4) { get p as s { y[i] = s.v; } }
    }
  }
}
"""

GEMM_WRONG = {
    "unknown_directive": "pipelin k stages(2);      #! unknown directive `pipelin` #? did you mean `pipeline`?",
    "no_near_directive": "frobnicate;               #! unknown directive `frobnicate` #? directives are unit, grid, pipeline",
    "unknown_word": "pipeline k stages(2) swizle(128);     #! unknown word `swizle` of pipeline #? did you mean `swizzle`?",
    "unknown_unit": "unit wrap;                   #! unknown word `wrap` of unit #? did you mean `warp`?",
    "no_unit": "unit;                             #! unit without one of block, warp, lanes, thread",
    "two_units": "unit block warp;                #! unit: either block or warp",
    "unit_twice": "unit block;\n unit block warps(2);  #! unit is given twice #? the first is here",
    "unit_words": "unit block pack(4);            #! unit block takes warps(n), not pack(n)",
    "unit_warps": "unit warp warps(4);            #! unit warp takes pack(n), not warps(n)",
    "pack": "unit thread pack(2048);              #! pack(2048): from 1 to 1024 is possible",
    "pack_zero": "unit warp pack(0);              #! pack(0): from 1 to 1024 is possible",
    "warps": "unit block warps(64);               #! warps(64): from 1 to 32 is possible",
    "warps_let": "let W = 8;  unit block warps(W * 5);     #! warps(40): from 1 to 32 is possible",
    "warps_nothing": "unit block warps;           #! warps takes one integer",
    "warps_two": "unit block warps(2, 4);         #! warps takes one integer",
    "warps_text": "unit block warps(\"two\");     #! warps takes an integer",
    "unknown_number": "unit block warps(WARPS);   #! unknown name `WARPS`",
    "literal": "unit block 4;                     #! unit takes words, not literals",
    "word_twice": "pipeline k stages(2) tma tma;  #! `tma` twice",
    "stages": "pipeline k stages(0);              #! stages(0): from 1 to 1024 is possible",
    "no_stages": "pipeline k tma;                 #! pipeline without stages",
    "stages_word": "pipeline k stages(most);      #! unknown name `most`",
    "swizzle": "pipeline k stages(2) swizzle(48); #! swizzle(48): one of 32, 64, 128 is possible",
    "no_loop": "pipeline kk stages(2);            #! kernel gemm has no variable `kk`",
    "no_loop_name": "pipeline;                    #! pipeline names the index of a loop, or programs first #! pipeline without stages",
    "par_index": "pipeline m stages(2);           #! `m` is an index of the par, not of a loop #? pipeline programs",
    "no_index": "pipeline acc stages(2);          #! `acc` is no index of a loop",
    "pipeline_load": "pipeline k stages(2) load(a, d);     #! `d` is no tensor of kernel gemm",
    "pipeline_loads_output": "pipeline k stages(2) load(c);        #! kernel gemm does not load c",
    "grid": "grid group(8) persist;               #! unknown word `persist` of grid",
    "group": "grid group(0);                      #! group(0): from 1 to 65536 is possible",
    "cluster": "grid cluster(32);                 #! cluster(32): from 1 to 16 is possible",
    "cluster_share": "grid cluster(2, share = q); #! `q` is no tensor of kernel gemm",
    "cluster_word": "grid cluster(2, with = a);   #! cluster takes share = a tensor",
    "cluster_nothing": "grid cluster;             #! cluster takes a number of blocks",
    "place_nowhere": "place acc;                  #! place without one of tmem, smem, regs",
    "place_unknown": "place accu smem;            #! kernel gemm has no variable `accu` #? did you mean `acc`?",
    "place_index": "place k smem;                 #! `k` is an index: it has no place",
    "place_twice": "place acc smem;\n place acc regs;      #! place acc is given twice",
    "place_two": "place acc smem regs;            #! place: either smem or regs",
    "buffers": "place acc regs buffers(0);        #! buffers(0): from 1 to 8 is possible",
    "load_unknown": "load x vector(16);           #! `x` is no tensor of kernel gemm",
    "load_scalar": "load eps vector(16);          #! `eps` is no tensor of kernel gemm",
    "load_output": "load c vector(16);            #! kernel gemm does not load c",
    "store_input": "store a via smem;             #! a is an `in` tensor: kernel gemm does not store to it",
    "via": "load a via regs;                      #! via is followed by smem, tma",
    "via_end": "load a via;                       #! via is followed by smem, tma",
    "vector": "load a vector(12);                 #! vector(12): the bytes of a vector are a power of 2",
    "vector_word": "load a vector(wide);          #! unknown name `wide`",
    "cache": "load a cache(write);                #! cache takes one of stream",
    "chunk_dim": "chunk K sizes(64);              #! `K` is a dim, not an int static",
    "chunk_unknown": "chunk D sizes(64);          #! `D` is no static of kernel gemm",
    "chunk_zero": "chunk G sizes(64, 0);          #! sizes(0): from 1 to 1048576 is possible",
    "chunk_nothing": "chunk G;                    #! chunk without sizes",
    "pdl": "pdl wait(load) trigger(end);          #! trigger takes one of last_load",
    "pdl_tensor": "pdl wait(a, q);                #! `q` is no tensor of kernel gemm",
    "pdl_nothing": "pdl;                          #! pdl without one of wait, trigger",
    "assert": "assert bank_conflict(0);           #! unknown word `bank_conflict` of assert #? did you mean `bank_conflicts`?",
    "assert_regs": "assert regs(300);             #! regs(300): from 1 to 255 is possible",
    "mma_outside": "mma acc;                      #! mma stands in a role",
    "role_as_directive": "pipeline k stages(2);  role r { unit warp }       #! unknown phrase `unit` of a role #? phrases are load, store, mma, fma",
    "role_words": "role r warps(1) regs(33) { load a }       #! regs(33): a multiple of 8 is possible",
    "role_regs": "role r regs(16) { load a }      #! regs(16): from 24 to 255 is possible",
    "role_both": "role r warps(4) warpgroups(1) { load a }    #! role: either warps or warpgroups",
    "role_unknown_word": "role r threads(4) { load a }        #! unknown word `threads` of role #? role takes warps, warpgroups, regs",
    "role_twice": "role r { load a }  role r { load b }       #! role r is given twice",
    "two_roles_of_one": "role p { load a }  role q { load a, load b }   #! load a has a role already #? the first is here",
    "phrase_load": "role p { load q }             #! `q` is no tensor of kernel gemm",
    "phrase_mma": "role p { mma s }               #! `s` is not the result of an mma",
    "phrase_fma": "role p { fma s }               #! `s` is not the result of fma",
    "phrase_word": "role p { store c tma later }  #! unknown word `later` of store",
    "phrase_unknown": "role p { lod a }           #! unknown phrase `lod` of a role #? did you mean `load`?",
    "phrase_nothing": "role p { load }            #! load names a tensor first",
    "role_and_warp": "unit warp;\n role p { load a }    #! roles need unit block #? the unit is warp here",
    "tma_and_thread": "pipeline k stages(2) tma;       #! tma needs unit block\n unit thread;",
    "cluster_and_warp": "unit warp; grid cluster(2);    #! cluster needs unit block",
    "no_phase": "phase tail { unit warp; }        #! kernel gemm has no phase `tail`",
    "tmem": "place acc tmem;                      #! tmem exists on sm100 only; this schedule is for sm90",
    "cta_pair": "grid cluster(2) cta_pair;        #! cta_pair exists on sm100 only",
}

GEMM_RIGHT = {
    "all": """let BM = tune { 64, 128 };  let S = 4;
      unit block warps(8);  grid persistent group(8) cluster(2, share = a);
      pipeline k stages(S) tma swizzle(128) load(a, b);  place acc regs buffers(2);
      role producer warps(1) regs(40) { load a, load b }
      role math warpgroups(BM // 64) regs(232) { mma acc wgmma, fma acc, store c tma overlap }
      load a via smem vector(auto) cache(stream);  store c via tma;  chunk G sizes(64, 128);
      pdl wait(a, b) trigger(last_load);  assert bank_conflicts(0) spills(0);  assert regs(128) smem(100 * 1024);""",
    "stages_max": "pipeline k stages(max);",
    "programs": "pipeline programs stages(2);",
    "nothing": "",
}

TWO_WRONG = {
    "unknown_phase": "phase thrid { unit warp; }   #! kernel two has no phase `thrid` #? did you mean `third`?",
    "unknown_phase_near": "phase frist { unit warp; }    #! kernel two has no phase `frist` #? did you mean `first`?",
    "phase_twice": "phase first { unit warp; }  phase first { unit block; }      #! phase first is given twice",
    "phase_in_phase": "phase first { phase second { unit warp; } }    #! phases do not nest",
    "let_in_phase": "phase first { let B = 1; }    #! let stands outside of the phases",
    "require_in_phase": "phase first { require D == 4; }      #! require stands outside of the phases",
    "fuse_in_phase": "phase first { grid fuse; }   #! grid fuse joins all phases",
    "ambiguous": "pipeline k stages(2);            #! `k` is the name of two variables of kernel two #? the second is here",
    "ambiguous_in_phase": "phase second { place u smem; }   #! `u` is the name of two variables of kernel two",
    "of_another_phase": "phase first { pipeline q stages(2); }        #! kernel two has no variable `q` in this phase",
    "store_of_another_phase": "phase first { store z via smem; }    #! kernel two does not store to z in this phase",
    "load_of_another_phase": "phase second { load x vector(16); }   #! kernel two does not load x in this phase",
    "unit_of_the_schedule": "unit warp;  phase first { pipeline k stages(2) tma; }    #! tma needs unit block",
}

TWO_RIGHT = {
    "both": "grid fuse;  phase first { unit warp pack(4);  pipeline k stages(2); }"
            "  phase second { unit block;  pipeline q stages(2);  load y vector(16); }",
    "unit_of_the_phase": "unit warp;  phase first { unit block;  pipeline k stages(2) tma; }",
    "chunk": "phase first { chunk D sizes(16, 32); }",
}

PIPED_WRONG = {
    "no_such_role": "role store warps(2) { }        #! kernel piped has roles, and none is named `store`",
    "statements": "role math warps(2) { store y }   #! role math stands in the kernel: its statements are its own",
    "warp": "unit warp pack(4);                     #! roles need unit block #? the roles are here",
    "pipe": "place p smem;                          #! `p` is a pipe: it has no place",
}


def schedule(kernel, name, text, target="sm90"):
    return f"{kernel}\nschedule {name} for {target} {{\n {text}\n}}\n"


@pytest.mark.parametrize("name", GEMM_WRONG)
def test_gemm(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, schedule(GEMM, "gemm", GEMM_WRONG[name]))


@pytest.mark.parametrize("name", GEMM_RIGHT)
def test_gemm_right(tilec, tmp_path, name):
    check_right(tilec, tmp_path, schedule(GEMM, "gemm", GEMM_RIGHT[name]))


@pytest.mark.parametrize("name", TWO_WRONG)
def test_phases(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, schedule(PHASES.replace("@second", "@third")
                                          if name == "unknown_phase" else PHASES,
                                          "two", TWO_WRONG[name]))


@pytest.mark.parametrize("name", TWO_RIGHT)
def test_phases_right(tilec, tmp_path, name):
    check_right(tilec, tmp_path, schedule(PHASES, "two", TWO_RIGHT[name]))


@pytest.mark.parametrize("name", PIPED_WRONG)
def test_roles(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, schedule(ROLES, "piped", PIPED_WRONG[name]))


def test_roles_right(tilec, tmp_path):
    check_right(tilec, tmp_path, schedule(
        ROLES, "piped", "role load warps(2) regs(40) { }  role math warpgroups(1) { }"))


def test_targets(tilec, tmp_path):
    """What one target has not is refused where the schedule is for both."""
    check_right(tilec, tmp_path, schedule(GEMM, "gemm", "place acc tmem buffers(2);", "sm100"))
    check_wrong(tilec, tmp_path, schedule(
        GEMM, "gemm", "place acc tmem;   #! tmem exists on sm100 only; this schedule is for sm90 too",
        "sm90, sm100"))
    check_wrong(tilec, tmp_path, schedule(
        GEMM, "gemm", "role r { mma acc wgmma }   #! wgmma exists on sm90 only", "sm100"))


def test_all_errors_in_one_run(tilec, tmp_path):
    check_wrong(tilec, tmp_path, schedule(GEMM, "gemm", """unit warps;      #! unit without one of block, warp, lanes, thread #! warps takes one integer
      pipeline j stages(2);     #! kernel gemm has no variable `j`
      lood a;                   #! unknown directive `lood`
      place acc gmem;           #! unknown word `gmem` of place"""))
