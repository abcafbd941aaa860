/* Inside bind: what the values of a kernel's header are while its dims become known. */
#ifndef TILE_BIND_H
#define TILE_BIND_H

#include "compiler/interp/interp.h"

typedef enum FormKind {
    FORM_NONE,   /* not evaluated: no scalar, or in a branch not taken */
    FORM_KNOWN,  /* bits: the element's code, an i64 for dims */
    FORM_AFFINE, /* scale * dim + offset, the dim not yet known */
    FORM_HARD,   /* depends on `dim` in another way, or on several */
    FORM_FAULT   /* message: evaluation failed */
} FormKind;

typedef struct Form {
    FormKind kind;
    uint64_t bits;
    int dim; /* index in Binder.dims */
    int64_t scale, offset;
    const char *message;
} Form;

/* A dim or a host scalar. */
typedef struct Unknown {
    const Op *op;
    bool known;
    uint64_t bits;
    const char *origin; /* "x" the tensor that shows it, "-s" */
} Unknown;

typedef struct FormSlot {
    const Value *value;
    Form form;
} FormSlot;

typedef struct Binder {
    Arena *arena;
    Diag *diag;
    const Kernel *kernel;
    const Shape *given;
    int ngiven;
    Unknown *dims; /* every OP_DIM and OP_SCALAR of the body, in order */
    int ndims;
    FormSlot *slots; /* by value, open addressing */
    size_t slot_count;
} Binder;

/* bind_eval.c. Evaluates all header values with the dims that are known now. */
void bind_evaluate(Binder *);
/* The form of a header value after bind_evaluate. */
Form bind_form(const Binder *, const Value *);
/* The value as source-like text: "cdiv(K, 128)". */
const char *bind_text(const Binder *, const Value *);
/* The first dim or scalar that the value depends on, after index `from`; -1: none. */
int bind_dependency(const Binder *, const Value *, int from);

#endif
