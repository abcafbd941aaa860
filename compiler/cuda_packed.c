/* Products that stay bf16 on their way to e2m1.
 *
 * A bf16 times a power of two is a bf16, but for what is too small to be one, which e2m1 takes for
 * zero, and what is too large, which it takes for 6. So y = e2m1(f32(x) * inv) needs no f32: two
 * elements at a time are scaled, clamped and rounded. */
#include "compiler/cuda.h"

static const Value *through_reshapes(const Value *v)
{
    while (v->op && v->op->code == OP_RESHAPE)
        v = v->op->args[0];
    return v;
}

/* 1 / ceil_pow2(..), ceil_pow2(..), in any shape. */
static bool is_pow2(const Value *v)
{
    v = through_reshapes(v);
    const Op *op = v->op;
    uint64_t one = 0x3F800000;
    if (op && op->code == OP_BROADCAST)
        return is_pow2(op->args[0]);
    if (op && op->code == OP_DIV)
        return op->args[0]->op && op->args[0]->op->code == OP_CONST &&
               op->args[0]->op->bits == one && is_pow2(op->args[1]);
    return op && op->code == OP_CEIL_POW2 && v->type.dtype == DT_F32;
}

/* The bf16 tile of which v is the f32 form, in v's layout; NULL: there is none. */
static const Value *bf16_form(Cuda *c, const Value *v)
{
    const Value *cast = through_reshapes(v);
    const Op *op = cast->op;
    Layout l;
    if (!op || op->code != OP_CAST || op->args[0]->type.dtype != DT_BF16 || is_uniform(v) ||
        is_uniform(op->args[0]) || c->deferred[op->args[0]->id])
        return NULL;
    const Value *x = op->args[0];
    return layout_reshape(layout_of(c, x), &x->type, &v->type, &l) &&
                   layout_equal(&l, layout_of(c, v))
               ? x
               : NULL;
}

/* The store whose value is this product, converted to e2m1, element for element where it is. */
static bool goes_to_e2m1(Cuda *c, const Op *op)
{
    const Value *v = op->results[0];
    const Op *user = c->user[v->id];
    while (user && c->uses[v->id] == 1 && user->code == OP_RESHAPE) {
        v = user->results[0];
        user = c->user[v->id];
    }
    if (!user || c->uses[v->id] != 1 || user->code != OP_CAST ||
        user->results[0]->type.dtype != DT_E2M1 || c->uses[user->results[0]->id] != 1)
        return false;
    const Value *y = user->results[0];
    const Op *store = c->user[y->id];
    Layout l;
    return narrow_store(c, store) == user &&
           layout_reshape(layout_of(c, op->results[0]), &op->results[0]->type, &y->type, &l) &&
           layout_equal(&l, layout_of(c, y));
}

/* Neighbours in registers are neighbours along a dim that the scale does not have. */
static bool scales_pairs(const Layout *l, const Value *scale)
{
    for (int i = 0; i < l->count; i++)
        if (l->mode[i].owner == OWN_REG)
            return l->mode[i].dim >= 0 && l->mode[i].stride == 1 && l->mode[i].extent % 2 == 0 &&
                   (is_uniform(scale) || scale->type.dims[l->mode[i].dim] == 1);
    return false;
}

bool emit_packed_product(Cuda *c, const Op *op)
{
    const Value *r = op->results[0];
    if (op->code != OP_MUL || r->type.dtype != DT_F32 || is_uniform(r) || !goes_to_e2m1(c, op))
        return false;
    for (int k = 0; k < 2; k++) {
        const Value *scale = op->args[1 - k], *x = bf16_form(c, op->args[k]);
        if (!x || !is_pow2(scale) || !layout_equal(layout_of(c, r), layout_of(c, op->args[k])) ||
            !scales_pairs(layout_of(c, r), scale))
            continue;
        const char *name = new_name(c, r, "scaled");
        char *by = operand_text(c, scale, layout_of(c, r), "r");
        line(c, "uint16_t %s[%lld];", name, (long long)registers(c, r));
        line(c, "TILE_STEP(r, %lld, 2) tile_scale_pair_bf16(&%s[r], &%s[r], %s);",
             (long long)registers(c, r), name, c_name(c, x), by);
        c->name[r->id] = name;
        c->packed[r->id] = true;
        return true;
    }
    return false;
}

bool is_packed(const Cuda *c, const Value *v)
{
    return c->packed[through_reshapes(v)->id];
}
