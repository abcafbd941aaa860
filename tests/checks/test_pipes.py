"""Roles and pipes: equal numbers of items are proved, deadlocks are found, locals have one owner."""
import pytest

from wrong import check_right, check_wrong

# Roles of a kernel over x[N, K], y[N]; BODY is `pipe ..; roles { .. }` from line 4 on.
HEAD = """
kernel k[N: dim, K: dim, E: dim](x: in f32[N, K], y: out f32[N], ends: in i32[E], w: inout f32[N], flag: bool) {
  par (i in 0..N) {
"""
TAIL = """
  }
}
"""


def program(body):
    return HEAD + body + TAIL


def pair(producer, consumer, stages=4):
    """The two roles in one line each: lines 6 and 7."""
    return program(f"""    pipe p[{stages}] {{ v: f32 }};
    roles {{
      role load warps(1) {{ {producer} }}
      role math warps(4) {{ {consumer} }}
    }}""")


PUT = "put p { v = x[i, 0] };"
GET = "get p as s { y[i] = s.v; }"

EQUAL = {
    "same_loop": ("for k in 0..K { %P }", "for j in 0..K { %G }"),
    "steps_and_counts": ("for k in 0..K by 64 { %P }", "for j in 0..cdiv(K, 64) { %G }"),
    "shifted": ("for k in 2..K + 2 { %P }", "for j in 0..K { %G }"),
    "scaled": ("for k in 0..64 * K by 64 { %P }", "for j in 0..K { %G }"),
    "two_of_each": ("for k in 0..K { %P %P }", "for j in 0..K { %G } for j in 0..K { %G }"),
    "constants": ("for k in 0..10 by 3 { %P }", "for j in 0..2 { %G %G }"),
    "sums": ("for k in 0..(K + 1) * (K - 1) { %P }", "for j in 0..K * K - 1 { %G }"),
    "nested": ("for a in 0..K { for b in 0..a { %P } }", "for c in 0..K { for d in 0..c { %G } }"),
    "ends": ("for e in 0..E { for k in 0..ends[e] { %P } }",
             "for e in 0..E { for m in 0..ends[e] { %G } }"),
    "before_roles": ("for k in 0..n { %P }", "for j in 0..ends[i] { %G }"),
    "condition": ("if flag { %P }", "if !flag { } else { %G }"),
    "conditions": ("for k in 0..K { if k < i && flag { %P } }",
                   "for k in 0..K { if flag { if i > k { %G } } }"),
    "continue": ("for k in 0..K { if k < i { continue; } %P }", "for k in 0..K { if k >= i { %G } }"),
    "skipped_by_both": ("for k in 0..K { if k == i { continue; } %P }",
                        "for k in 0..K { if i == k { continue; } %G }"),
    "complement": ("if flag { %P } else { %P }", "%G"),
    "shared": ("for (e in 0..E, m in 0..ends[e] by 2) of (i, N) { %P }",
               "for (e in 0..E, m in 0..ends[e] by 2) of (i, N) { %G }"),
    "body_of_shared": ("for (e in 0..E, m in 0..ends[e]) of (i, N) { for k in 0..m { %P } }",
                       "for (g in 0..E, r in 0..ends[g]) of (i, N) { for k in 0..r { %G } }"),
    "lazy_range": ("for k in 0..(flag ? K : E) { %P }", "for j in 0..(!flag ? E : K) { %G }"),
    "min": ("for k in 0..min(K, E) { %P }", "for k in 0..min(E, K) { %G }"),
    "unequal_get_blocks": ("for k in 0..K { %P }",
                           "for k in 0..K { get p as s { for j in 0..k { y[i] = s.v; } } }"),
}


@pytest.mark.parametrize("name", EQUAL)
def test_equal(tilec, tmp_path, name):
    producer, consumer = (t.replace("%P", PUT).replace("%G", GET) for t in EQUAL[name])
    text = pair(producer, consumer)
    if name == "before_roles":
        text = text.replace("    pipe p", "    let n = i64(ends[i]); pipe p")
    check_right(tilec, tmp_path, text)


UNEQUAL = {
    "ranges": ("for k in 0..K - 64 by 64 { %P }", "for k in 0..K by 64 { %G }",
               "role math takes cdiv(K, 64) items from pipe p, role load puts cdiv(K - 64, 64)"),
    "one_more": ("for k in 0..K { %P } %P", "for k in 0..K { %G }",
                 "role math takes K items from pipe p, role load puts K + 1"),
    "twice": ("for k in 0..K { %P %P }", "for k in 0..K { %G }",
              "role math takes K items from pipe p, role load puts 2 * K"),
    "other_dim": ("for k in 0..K { %P }", "for k in 0..E { %G }",
                  "role math takes E items from pipe p, role load puts K"),
    "constants": ("for k in 0..10 { %P }", "for k in 0..9 { %G }",
                  "role math takes 9 items from pipe p, role load puts 10"),
    "condition": ("if flag { %P }", "%G",
                  "role math takes 1 items from pipe p, role load puts flag"),
    "step": ("for k in 0..K by 32 { %P }", "for k in 0..K by 64 { %G }",
             "role math takes cdiv(K, 64) items from pipe p, role load puts cdiv(K, 32)"),
    "continue": ("for k in 0..K { if k < i { continue; } %P }", "for k in 0..K { %G }",
                 "role math takes K items from pipe p, role load puts"),
    "written": ("for k in 0..i64(w[i]) { %P }", "w[i] = 1.0; for k in 0..i64(w[i]) { %G }",
                "cannot prove that role math takes as many items from pipe p as role load puts"),
    "carried": ("for k in 0..K { %P }",
                "var n = 0; for k in 0..K { n = n + 1; } for k in 0..n { %G }",
                "cannot prove that role math takes as many items from pipe p as role load puts"),
    "parts": ("for (e in 0..E, m in 0..ends[e]) of (i, N) { %P }",
              "for (e in 0..E, m in 0..ends[e]) of (i, N + 1) { %G }",
              "role math takes points of"),
}


@pytest.mark.parametrize("name", UNEQUAL)
def test_unequal(tilec, tmp_path, name):
    producer, consumer, text = UNEQUAL[name]
    marked = pair(producer.replace("%P", PUT), consumer.replace("%G", GET)).replace(
        "      role math", "      role math", 1)
    lines = marked.splitlines()
    at = next(i for i, line in enumerate(lines) if "role math" in line)
    lines[at] += f" #! {text} #? role load puts here"
    check_wrong(tilec, tmp_path, "\n".join(lines))


ENDS = {
    "no_producer": """    pipe p[2] { v: f32 };
    roles {
      role a { get p as s { y[i] = s.v; } }        #! no role puts into pipe p, and role a takes from it
      role b { w[i] = 1.0; }
    }""",
    "no_consumer": """    pipe p[2] { v: f32 };
    roles {
      role a { put p { v = 1.0 }; }                #! no role takes from pipe p, and role a puts into it
      role b { w[i] = 1.0; }
    }""",
    "two_producers": """    pipe p[2] { v: f32 };
    roles {
      role a { put p { v = 1.0 }; }
      role b { put p { v = 2.0 }; }                #! pipe p has two producers: role a and role b
      role c { get p as s { y[i] = s.v; } }
    }""",
    "two_roles": """    pipe p[2] { v: f32 };
    roles {
      role a { put p { v = 1.0 }; }
      role b { get p as s { y[i] = s.v; } }        #? the other `roles` uses it here
    }
    roles {
      role c { put p { v = 1.0 }; put p { v = 2.0 }; }    #! pipe p is used in two `roles`: one role puts into it, beside those that take
      role d { get p as s { w[i] = s.v; } get p as s { w[i] = s.v; } }
    }""",
    "own_pipe": """    pipe p[2] { v: f32 };
    roles {
      role a { put p { v = 1.0 }; get p as s { y[i] = s.v; } }    #! role a takes from pipe p, into which it puts
    }""",
    "second_consumer": """    pipe p[2] { v: f32 };
    roles {
      role a { for k in 0..K { put p { v = 1.0 }; } }
      role b { for k in 0..K { get p as s { y[i] = s.v; } } }
      role c { get p as s { w[i] = s.v; } }        #! role c takes 1 items from pipe p, role a puts K
    }""",
    "local_of_two_roles": """    local t: f32[4];
    roles {
      role a { t[0] = 1.0; }
      role b { y[i] = t[0]; }                      #! local tensor t is named by role a and by role b #? role a names it here
    }""",
    "view_of_a_local": """    local t: f32[4];
    view u = reshape(t, 2, 2);
    roles {
      role a { t[0] = 1.0; }
      role b { y[i] = u[0, 0]; }                   #! local tensor t is named by role a and by role b
    }""",
}


@pytest.mark.parametrize("name", ENDS)
def test_ends(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, program(ENDS[name]))


DEADLOCKS = {
    "crossed": """    pipe p[1] { v: f32 };  pipe q[1] { v: f32 };
    roles {                       #! deadlock: role a waits at line 7 for an item of pipe q, role b waits at line 8 for an item of pipe p
      # Each waits for the other's first item.
      role a { get q as s { y[i] = s.v; }  put p { v = 1.0 }; }
      role b { get p as s { w[i] = s.v; }  put q { v = 1.0 }; }
    }""",
    "slots": """    pipe p[2] { v: f32 };  pipe q[2] { v: f32 };
    roles {                       #! deadlock: role a waits at line 6 for a free slot of pipe p, role b waits at line 7 for an item of pipe q #? for example where K is 3
      role a { for k in 0..K { put p { v = 1.0 }; } for k in 0..K { put q { v = 1.0 }; } }
      role b { for k in 0..K { get q as s { y[i] = s.v; } } for k in 0..K { get p as s { w[i] = s.v; } } }
    }""",
    "held": """    pipe p[1] { v: f32 };
    roles {                       #! deadlock: role a waits at line 6 for a free slot of pipe p, role b waits at line 7 for an item of pipe p
      role a { put p { v = 1.0 };  put p { v = 2.0 }; }
      role b { get p as s { get p as t { y[i] = s.v + t.v; } } }
    }""",
    "ring": """    pipe p[2] { v: f32 };  pipe q[2] { v: f32 };  pipe r[2] { v: f32 };
    roles {                       #! deadlock: role a waits at line 6 for an item of pipe r, role b waits at line 7 for an item of pipe p, role c waits at line 8 for an item of pipe q #? role c waits here for an item of pipe q
      role a { for k in 0..K { get r as s { y[i] = s.v; } put p { v = 1.0 }; } }
      role b { for k in 0..K { get p as s { put q { v = s.v }; } } }
      role c { for k in 0..K { get q as s { put r { v = s.v }; } } }
    }""",
    "by_condition": """    pipe p[1] { v: f32 };  pipe q[1] { v: f32 };
    roles {                       #! deadlock: role a waits at line 6 for a free slot of pipe p, role b waits at line 7 for an item of pipe q #? flag is true
      role a { if flag { for k in 0..2 { put p { v = 1.0 }; } } put q { v = 1.0 }; }
      role b { get q as s { y[i] = s.v; } if flag { for k in 0..2 { get p as s { w[i] = s.v; } } } }
    }""",
}


@pytest.mark.parametrize("name", DEADLOCKS)
def test_deadlock(tilec, tmp_path, name):
    check_wrong(tilec, tmp_path, program(DEADLOCKS[name]))


ALIVE = {
    "enough_slots": """    pipe p[3] { v: f32 };  pipe q[3] { v: f32 };
    roles {
      role a { for k in 0..3 { put p { v = 1.0 }; } for k in 0..3 { put q { v = 1.0 }; } }
      role b { for k in 0..3 { get q as s { y[i] = s.v; } } for k in 0..3 { get p as s { w[i] = s.v; } } }
    }""",
    "chain": """    pipe p[1] { v: f32 };  pipe q[1] { v: f32 };
    roles {
      role a { for k in 0..K { put p { v = 1.0 }; } }
      role b { for k in 0..K { get p as s { put q { v = s.v }; } } }
      role c { for k in 0..K { get q as s { y[i] = s.v; } } }
    }""",
    "two_consumers": """    pipe p[2] { v: f32 };
    roles {
      role a { for k in 0..K { put p { v = 1.0 }; } }
      role b { for k in 0..K { get p as s { y[i] = s.v; } } }
      role c { for k in 0..K { get p as s { w[i] = s.v; } } }
    }""",
    "there_and_back": """    pipe p[1] { v: f32 };  pipe q[1] { v: f32 };
    roles {
      role a { for k in 0..K { put p { v = 1.0 };  get q as s { y[i] = s.v; } } }
      role b { for k in 0..K { get p as s { put q { v = s.v }; } } }
    }""",
    "no_pipe": """    roles { role a { y[i] = 1.0; } role b { w[i] = 1.0; } }""",
    "pipe_of_no_role": """    pipe p[2] { v: f32 };
    roles { role a { y[i] = 1.0; } role b { w[i] = 1.0; } }""",
    "own_locals": """    roles {
      role a { local t: f32[4]; t[0] = 1.0; y[i] = t[0]; }
      role b { local t: f32[4]; t[0] = 1.0; w[i] = t[0]; }
    }""",
}


@pytest.mark.parametrize("name", ALIVE)
def test_alive(tilec, tmp_path, name):
    check_right(tilec, tmp_path, program(ALIVE[name]))


def test_many_roles_and_loops(tilec, tmp_path):
    """The exploration has a bound: pipes in a row, each with its own loop inside a loop."""
    n = 12
    pipes = " ".join(f"pipe p{j}[16] {{ v: f32 }};" for j in range(n))
    roles = [f"role r0 {{ for a in 0..K {{ for b in 0..E {{ put p0 {{ v = 1.0 }}; }} }} }}"]
    for j in range(1, n):
        roles.append(f"role r{j} {{ for a in 0..K {{ for b in 0..E {{ get p{j - 1} as s "
                     f"{{ put p{j} {{ v = s.v }}; }} }} }} }}")
    roles.append(f"role r{n} {{ for a in 0..K {{ for b in 0..E {{ get p{n - 1} as s "
                 "{ y[i] = s.v; } } } }")
    check_right(tilec, tmp_path, program(f"{pipes} roles {{ {' '.join(roles)} }}"))
