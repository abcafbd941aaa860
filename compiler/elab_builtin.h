/* The builtin operations, by file; shared between the elab_* files that handle calls. */
#ifndef TILE_ELAB_BUILTIN_H
#define TILE_ELAB_BUILTIN_H

#include "compiler/elab.h"

/* elab_call.c: arguments */
const Expr *call_named(const Expr *call, const char *name);
bool expr_is(const Expr *, const char *word);
Value *call_tile(Elab *, const Expr *call, int i);
/* A constant axis within the rank. */
bool call_axis(Elab *, const Expr *, const Type *, const char *name, int *axis);
bool check_args(Elab *, const Expr *call, const char *name, int min, int max, const char *allowed);

/* elab_builtin.c */
Term call_convert(Elab *, const Expr *call, DType to);
Term call_bits(Elab *, const Expr *call);
Term call_from_bits(Elab *, const Expr *call);
Term call_reshape(Elab *, const Expr *call);
Term call_trans(Elab *, const Expr *call);
Term call_squeeze(Elab *, const Expr *call);
Term call_concat(Elab *, const Expr *call);
Term call_iota(Elab *, const Expr *call);
Term call_fill(Elab *, const Expr *call);
Term call_size(Elab *, const Expr *call);
Term call_select(Elab *, const Expr *call);
Term call_take(Elab *, const Expr *call);
Term call_unary(Elab *, const char *name, const Expr *call, OpCode code);
Term call_minmax(Elab *, const char *name, const Expr *call, OpCode code);
Term call_fma(Elab *, const Expr *call);
Term call_copysign(Elab *, const Expr *call);
Term call_cdiv(Elab *, const char *name, const Expr *call, OpCode code);

/* elab_reduce.c */
Term call_sum(Elab *, const Expr *call);
Term call_reduce(Elab *, const char *name, const Expr *call, OpCode code);
Term call_any_all(Elab *, const char *name, const Expr *call, OpCode code);
Term call_topk(Elab *, const Expr *call);
Term call_classes(Elab *, const char *name, const Expr *call, OpCode code);
Term call_mma(Elab *, const Expr *call);
Term call_mma_scaled(Elab *, const Expr *call);

#endif
