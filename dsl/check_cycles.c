/* There is no recursion: the graph of functions and consts that name each other has no cycle. */
#include "dsl/scope.h"

typedef struct Edge {
    int to;
    Pos pos;
} Edge;
typedef struct EdgeList {
    Edge *items;
    int count, capacity;
} EdgeList;

typedef struct Node {
    int state;
    EdgeList edges;
} Node;
enum { NEW_NODE, OPEN_NODE, DONE_NODE };

/* A node that is being visited, and its next edge. */
typedef struct Visit {
    int node, next;
} Visit;

static void collect_stmts(Scope *s, EdgeList *to, const StmtList *list);

static void collect_name(Scope *s, EdgeList *to, Name name, Pos pos)
{
    const Entry *e = scope_lookup(s, name);
    if (e && (e->kind == NAME_FN || e->kind == NAME_FILE_CONST))
        PUSH(s->arena, to, ((Edge){(int)(e - s->entries.items), pos}));
}

static void collect_expr(Scope *s, EdgeList *to, const Expr *x)
{
    if (!x)
        return;
    if (x->kind == E_NAME)
        collect_name(s, to, x->name, x->pos);
    if (x->kind == E_CALL && x->a->kind == E_NAME)
        collect_name(s, to, x->a->name, x->pos);
    else
        collect_expr(s, to, x->a);
    collect_expr(s, to, x->b);
    collect_expr(s, to, x->c);
    for (int i = 0; i < x->args.count; i++)
        collect_expr(s, to, x->args.items[i]);
}

static void collect_stmt(Scope *s, EdgeList *to, const Stmt *st)
{
    collect_expr(s, to, st->target);
    collect_expr(s, to, st->value);
    collect_expr(s, to, st->part);
    collect_expr(s, to, st->parts);
    for (int i = 0; i < st->ranges.count; i++) {
        collect_expr(s, to, st->ranges.items[i].lo);
        collect_expr(s, to, st->ranges.items[i].hi);
        collect_expr(s, to, st->ranges.items[i].step);
    }
    for (int i = 0; i < st->inits.count; i++)
        collect_expr(s, to, st->inits.items[i].value);
    for (int i = 0; i < st->roles.count; i++)
        collect_stmts(s, to, &st->roles.items[i].body);
    collect_stmts(s, to, &st->body);
    collect_stmts(s, to, &st->orelse);
}

static void collect_stmts(Scope *s, EdgeList *to, const StmtList *list)
{
    for (int i = 0; i < list->count; i++)
        collect_stmt(s, to, list->items[i]);
}

static void cycle(Check *c, const Entry *e, Pos pos)
{
    if (e->kind == NAME_FN)
        check_report(c, pos, "write a loop", "%s calls itself: there is no recursion", e->name);
    else
        check_report(c, e->item->pos, NULL, "const %s is defined by itself", e->name);
}

/* Depth first from one node, without recursion: the graph may be deep. */
static void visit(Check *c, Node *nodes, int from)
{
    struct {
        Visit *items;
        int count, capacity;
    } path = {0};
    nodes[from].state = OPEN_NODE;
    PUSH(c->scope.arena, &path, ((Visit){from, 0}));
    while (path.count > 0) {
        Visit *v = &path.items[path.count - 1];
        Node *n = &nodes[v->node];
        if (v->next == n->edges.count) {
            n->state = DONE_NODE;
            path.count--;
            continue;
        }
        Edge e = n->edges.items[v->next++];
        if (nodes[e.to].state == OPEN_NODE) {
            cycle(c, &c->scope.entries.items[e.to], e.pos);
        } else if (nodes[e.to].state == NEW_NODE) {
            nodes[e.to].state = OPEN_NODE;
            PUSH(c->scope.arena, &path, ((Visit){e.to, 0}));
        }
    }
}

void check_cycles(Check *c)
{
    Scope *s = &c->scope;
    int count = s->entries.count;
    Node *nodes = NEW_ARRAY(s->arena, Node, count);
    for (int i = 0; i < count; i++) {
        collect_expr(s, &nodes[i].edges, s->entries.items[i].item->value);
        collect_stmts(s, &nodes[i].edges, &s->entries.items[i].item->body);
    }
    for (int i = 0; i < count && !diag_full(s->diag); i++)
        if (nodes[i].state == NEW_NODE)
            visit(c, nodes, i);
}
