/* Which file of -i and -o belongs to which tensor, and whether it suits it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/command.h"

/* ---- names on the command line ---- */

/* "xs[3]" into name and entry. */
static bool split_name(RunPlan *plan, const char *text, RunFile *f)
{
    const char *bracket = strchr(text, '[');
    *f = (RunFile){.name = text, .entry = -1, .fd = -1, .tensor = -1};
    if (!bracket)
        return true;
    char *end = NULL;
    bool digit = bracket[1] >= '0' && bracket[1] <= '9';
    long n = digit ? strtol(bracket + 1, &end, 10) : -1;
    if (bracket == text || n < 0 || n > 1000000 || strcmp(end, "]") != 0)
        return false;
    f->name = arena_text(plan->arena, text, (size_t)(bracket - text));
    f->entry = (int)n;
    return true;
}

static int split_names(RunPlan *plan, const PairList *pairs, RunFileList *files, const char *option)
{
    for (int i = 0; i < pairs->count; i++) {
        const Pair *p = &pairs->items[i];
        RunFile f;
        if (!split_name(plan, p->name, &f))
            return usage_error(plan->command, "%s %s: write a table's entry as 'xs[0]'", option,
                               p->name);
        f.path = p->value;
        for (int k = 0; k < files->count; k++)
            if (strcmp(files->items[k].name, f.name) == 0 && files->items[k].entry == f.entry)
                return usage_error(plan->command, "%s %s is given twice", option, p->name);
        PUSH(plan->arena, files, f);
    }
    return 0;
}

static int check_outputs_differ(RunPlan *plan)
{
    const RunFileList *out = &plan->outputs;
    for (int i = 0; i < out->count; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(out->items[i].path, out->items[k].path) == 0 &&
                strncmp(out->items[i].path, "/dev/", 5) != 0)
                return usage_error(plan->command, "%s and %s would both be written to %s",
                                   out->items[k].name, out->items[i].name, out->items[i].path);
    return 0;
}

int run_open_files(RunPlan *plan)
{
    Command *c = plan->command;
    int code = split_names(plan, &c->inputs, &plan->inputs, "-i");
    if (!code)
        code = split_names(plan, &c->outputs, &plan->outputs, "-o");
    if (!code)
        code = check_outputs_differ(plan);
    if (code)
        return code;
    for (int i = 0; i < plan->inputs.count; i++) {
        RunFile *f = &plan->inputs.items[i];
        char error[NPY_ERROR_SIZE];
        f->fd = npy_open(f->path, &f->info, error);
        if (f->fd < 0) {
            user_error("%s: %s", f->path, error);
            code = EXIT_USER;
        }
    }
    return code;
}

static bool list_names(const RunFileList *files, Name tensor)
{
    for (int i = 0; i < files->count; i++)
        if (strcmp(files->items[i].name, tensor) == 0)
            return true;
    return false;
}

bool run_is_named(void *context, Name tensor)
{
    const RunPlan *plan = context;
    return list_names(&plan->inputs, tensor) || list_names(&plan->outputs, tensor);
}

/* ---- dims before the variant is chosen ---- */

/* Two e2m1 to a byte, unless the file has ml_dtypes' own elements: one code a byte. */
static bool is_packed(const NpyInfo *info)
{
    return info->kind != 'V';
}

static const char *static_text(const RunPlan *plan, Name name)
{
    for (int i = 0; i < plan->command->settings.count; i++)
        if (strcmp(plan->command->settings.items[i].name, name) == 0)
            return plan->command->settings.items[i].value;
    for (int i = 0; i < plan->item->statics.count; i++) {
        const Static *s = &plan->item->statics.items[i];
        if (s->name.name == name && s->init && s->init->kind == E_NAME)
            return s->init->name;
    }
    return NULL;
}

/* Is the element type called `name` e2m1, looking through `type` statics? */
static bool is_e2m1(const RunPlan *plan, Name name)
{
    const char *text = static_text(plan, name), *next = text ? static_text(plan, text) : NULL;
    return strcmp(next ? next : text ? text : name, "e2m1") == 0;
}

static bool dim_from(const RunPlan *plan, const Param *p, const RunFile *f, Name dim,
                     int64_t *value)
{
    const Expr *x = p->type;
    if (x->kind == E_CALL && x->args.count == 2)
        x = x->args.items[1];
    if (x->kind != E_INDEX || x->args.count != f->info.rank)
        return false;
    for (int i = 0; i < x->args.count; i++) {
        const Expr *e = x->args.items[i];
        if (e->kind != E_NAME || e->name != dim)
            continue;
        bool last = i + 1 == x->args.count;
        bool half = last && x->a->kind == E_NAME && is_e2m1(plan, x->a->name) &&
                    is_packed(&f->info);
        *value = f->info.shape[i];
        return !half || !__builtin_mul_overflow(*value, 2, value);
    }
    return false;
}

bool run_knows_dim(void *context, Name dim, int64_t *value)
{
    const RunPlan *plan = context;
    for (int i = 0; i < plan->item->params.count; i++) {
        const Param *p = &plan->item->params.items[i];
        for (int k = 0; k < plan->inputs.count; k++)
            if (strcmp(plan->inputs.items[k].name, p->name.name) == 0 &&
                dim_from(plan, p, &plan->inputs.items[k], dim, value))
                return true;
    }
    return false;
}

/* ---- files and tensors ---- */

static const Expr *declared_type(const RunPlan *plan, const char *name)
{
    for (int i = 0; plan->item && i < plan->item->params.count; i++) {
        const Param *p = &plan->item->params.items[i];
        if (strcmp(p->name.name, name) == 0)
            return p->type;
    }
    return NULL;
}

const char *run_declared(RunPlan *plan, const Op *tensor)
{
    const Type *t = &tensor->results[0]->type;
    const Expr *x = declared_type(plan, tensor->name);
    bool table = x && x->kind == E_CALL && x->args.count == 2;
    const Expr *of = table ? x->args.items[1] : x;
    if (!of || of->kind != E_INDEX)
        return type_text(plan->arena, t);
    const char *text = arena_format(plan->arena, "%s[", dtype_info[t->dtype].name);
    for (int i = 0; i < of->args.count; i++)
        text = arena_format(plan->arena, "%s%s%s", text, i ? ", " : "",
                            expr_text(plan->arena, of->args.items[i]));
    if (!table)
        return arena_format(plan->arena, "%s]", text);
    return arena_format(plan->arena, "table(%s, %s])", expr_text(plan->arena, x->args.items[0]),
                        text);
}

const char *shape_text(Arena *a, int rank, const int64_t *extent)
{
    const char *text = "";
    for (int i = 0; i < rank; i++)
        text = arena_format(a, "%s%s%" PRId64, text, i ? ", " : "", extent[i]);
    return arena_format(a, "(%s%s)", text, rank == 1 ? "," : "");
}

static const char *entry_text(const RunPlan *plan, const RunFile *f)
{
    return f->entry < 0 ? f->name : arena_format(plan->arena, "%s[%d]", f->name, f->entry);
}

RunFile *run_file_of(RunFileList *files, int tensor, int entry)
{
    for (int i = 0; i < files->count; i++) {
        RunFile *f = &files->items[i];
        if (f->tensor == tensor && (f->entry < 0 ? 0 : f->entry) == entry)
            return f;
    }
    return NULL;
}

/* The names that -i and -o may give, of optional tensors too. */
static TextList tensor_names(RunPlan *plan)
{
    TextList names = {0};
    for (int i = 0; plan->item && i < plan->item->params.count; i++)
        if (plan->item->params.items[i].dir != DIR_SCALAR)
            PUSH(plan->arena, &names, plan->item->params.items[i].name.name);
    for (int i = 0; !plan->item && i < plan->nbindings; i++)
        if (plan->bindings[i].tensor->tensor->dir != PARAM_SCRATCH)
            PUSH(plan->arena, &names, plan->bindings[i].tensor->name);
    return names;
}

static bool no_such_tensor(RunPlan *plan, const RunFile *f, const char *option)
{
    TextList names = tensor_names(plan);
    const char *near = diag_nearest(f->name, names.items, names.count);
    if (declared_type(plan, f->name))
        return user_error("%s %s: %s is no tensor; set it by -s", option, f->name, f->name);
    return user_error("%s %s: %s has no tensor %s%s%s; it has %s", option, f->name,
                      plan->kernel->name, f->name, near ? ", is meant: " : "", near ? near : "",
                      join_texts(plan->arena, &names));
}

static bool find_tensors(RunPlan *plan, RunFileList *files, const char *option)
{
    bool ok = true;
    for (int i = 0; i < files->count; i++) {
        RunFile *f = &files->items[i];
        for (int k = 0; k < plan->nbindings; k++) {
            const Op *t = plan->bindings[k].tensor;
            if (strcmp(t->name, f->name) == 0 && t->tensor->dir != PARAM_SCRATCH)
                f->tensor = k;
        }
        if (f->tensor < 0) {
            ok = no_such_tensor(plan, f, option);
            continue;
        }
        const Op *t = plan->bindings[f->tensor].tensor;
        bool table = t->results[0]->type.kind == TY_TABLE;
        if (table && f->entry < 0)
            ok = user_error("%s %s: %s is a table: write %s '%s[0]=FILE'", option, f->name, f->name,
                            option, f->name);
        else if (!table && f->entry >= 0)
            ok = user_error("%s %s: %s is no table, it is %s", option, entry_text(plan, f), f->name,
                            run_declared(plan, t));
        else if (strcmp(option, "-o") == 0 && t->tensor->dir == PARAM_IN)
            ok = user_error("-o %s: %s is an input, nothing is written to it", f->name, f->name);
    }
    return ok;
}

/* numpy's name of what the file has. */
static const char *file_type(Arena *a, const NpyInfo *info)
{
    switch (info->kind) {
    case 'b':
        return "bool";
    case 'i':
        return arena_format(a, "int%d", 8 * info->size);
    case 'u':
        return arena_format(a, "uint%d", 8 * info->size);
    case 'f':
        return info->size == 1 ? "float8_e5m2" : arena_format(a, "float%d", 8 * info->size);
    default:
        return arena_format(a, "%d-byte elements", info->size);
    }
}

/* Numbers of another kind in elements of the right size: legal, and hardly ever meant. */
static bool is_surprising(DType t, const NpyInfo *info)
{
    bool is_int = dtype_is_int(t) || t == DT_BOOL;
    bool plain = t == DT_F32 || t == DT_F64 || t == DT_F16;
    if (info->kind == 'f')
        return !(plain || t == DT_TF32 || t == DT_E5M2) || (t == DT_F16 && info->size != 2);
    if (info->kind == 'b')
        return t != DT_BOOL && t != DT_U8;
    return info->kind == 'i' && !is_int && plain;
}

static bool check_elements(RunPlan *plan, const RunFile *f, const Op *t)
{
    const Type *type = &t->results[0]->type;
    const char *name = dtype_info[type->dtype].name;
    if (f->info.size != dtype_info[type->dtype].size)
        return user_error("%s: %s is %s: %d-byte elements are expected, the file has %s", f->path,
                          entry_text(plan, f), name, dtype_info[type->dtype].size,
                          file_type(plan->arena, &f->info));
    if (f->info.rank != type->rank)
        return user_error("%s: %s is %s: %d %s expected, the file has shape %s", f->path,
                          entry_text(plan, f), run_declared(plan, t), type->rank,
                          type->rank == 1 ? "axis is" : "axes are",
                          shape_text(plan->arena, f->info.rank, f->info.shape));
    if (is_surprising(type->dtype, &f->info))
        fprintf(stderr, "tilec: %s: warning: %s is %s, the file has %s: its bits are taken as %s\n",
                f->path, entry_text(plan, f), name, file_type(plan->arena, &f->info), name);
    return true;
}

/* The shape of the tensor in the file: elements, not bytes of two. */
static bool logical_shape(RunPlan *plan, const RunFile *f, int64_t *extent)
{
    const Type *t = &plan->bindings[f->tensor].tensor->results[0]->type;
    memcpy(extent, f->info.shape, sizeof f->info.shape);
    if (t->dtype != DT_E2M1 || !is_packed(&f->info) || t->rank == 0)
        return true;
    return !__builtin_mul_overflow(extent[t->rank - 1], 2, &extent[t->rank - 1]) ||
           user_error("%s: the shape is too large", f->path);
}

/* The entries of a table: from 0 on with no hole, all of one shape. */
static bool check_table(RunPlan *plan, int tensor)
{
    const RunFile *first = NULL, *last = NULL;
    for (int i = 0; i < plan->inputs.count; i++) {
        const RunFile *f = &plan->inputs.items[i];
        if (f->tensor == tensor && (!last || f->entry > last->entry))
            last = f;
    }
    for (int e = 0; last && e <= last->entry; e++) {
        const RunFile *f = run_file_of(&plan->inputs, tensor, e);
        if (!f)
            return user_error("%s[%d] is missing: entries up to %s[%d] are given", last->name, e,
                              last->name, last->entry);
        first = first ? first : f;
        size_t bytes = (size_t)f->info.rank * sizeof f->info.shape[0];
        if (f->info.rank != first->info.rank || memcmp(f->info.shape, first->info.shape, bytes))
            return user_error("%s: %s has shape %s, %s has %s: the entries of a table have one "
                              "shape",
                              f->path, entry_text(plan, f),
                              shape_text(plan->arena, f->info.rank, f->info.shape),
                              entry_text(plan, first),
                              shape_text(plan->arena, first->info.rank, first->info.shape));
    }
    return true;
}

static bool missing_input(RunPlan *plan, const Op *t)
{
    bool inout = t->tensor->dir == PARAM_INOUT;
    return user_error("%s %s is missing: it is %s; give -i %s=FILE.npy", inout ? "inout" : "input",
                      t->name, run_declared(plan, t), t->name);
}

void run_list_tensors(RunPlan *plan)
{
    int n = 0;
    for (const Op *op = plan->kernel->body->first; op; op = op->next)
        n += op->code == OP_TENSOR;
    plan->bindings = NEW_ARRAY(plan->arena, Binding, n);
    plan->nbindings = n;
    n = 0;
    for (const Op *op = plan->kernel->body->first; op; op = op->next)
        if (op->code == OP_TENSOR)
            plan->bindings[n++].tensor = op;
}

bool run_match_files(RunPlan *plan)
{
    run_list_tensors(plan);
    bool ok = find_tensors(plan, &plan->inputs, "-i");
    ok = find_tensors(plan, &plan->outputs, "-o") && ok;
    for (int i = 0; i < plan->inputs.count; i++) {
        const RunFile *f = &plan->inputs.items[i];
        if (f->tensor >= 0)
            ok = check_elements(plan, f, plan->bindings[f->tensor].tensor) && ok;
    }
    for (int k = 0; k < plan->nbindings; k++) {
        const Op *t = plan->bindings[k].tensor;
        bool needed = t->tensor->dir == PARAM_IN || t->tensor->dir == PARAM_INOUT;
        if (t->results[0]->type.kind == TY_TABLE)
            ok = check_table(plan, k) && ok;
        else if (needed && !list_names(&plan->inputs, t->name))
            ok = missing_input(plan, t);
    }
    return ok;
}

Shape *run_shapes(RunPlan *plan, int *count)
{
    Shape *shapes = NEW_ARRAY(plan->arena, Shape, plan->nbindings + 1);
    *count = 0;
    for (int k = 0; k < plan->nbindings; k++) {
        Shape *s = &shapes[*count];
        for (int i = 0; i < plan->inputs.count; i++) {
            const RunFile *f = &plan->inputs.items[i];
            if (f->tensor != k)
                continue;
            s->tensor = plan->bindings[k].tensor;
            int entries = f->entry < 0 ? 1 : f->entry + 1;
            s->entries = entries > s->entries ? entries : s->entries;
            s->rank = f->info.rank;
            if (!logical_shape(plan, f, s->extent))
                return NULL;
        }
        *count += s->tensor != NULL;
    }
    return shapes;
}

/* ---- dims ---- */

/* Are all scalars there? Then dims are what went wrong. */
static bool has_scalars(const RunPlan *plan)
{
    for (const Op *op = plan->kernel->body->first; op; op = op->next) {
        bool found = op->code != OP_SCALAR;
        for (int i = 0; i < plan->narguments; i++)
            found |= strcmp(plan->arguments[i].name, op->name ? op->name : "") == 0;
        if (!found)
            return false;
    }
    return true;
}

static void note_inputs(RunPlan *plan, const Shape *shapes, int count)
{
    if (!has_scalars(plan))
        return;
    for (int i = 0; i < count; i++) {
        const Shape *s = &shapes[i];
        for (int k = 0; k < plan->inputs.count; k++) {
            const RunFile *f = &plan->inputs.items[k];
            if (plan->bindings[f->tensor].tensor != s->tensor || f->entry > 0)
                continue;
            diag_note(plan->diag, (Pos){0}, "%s is %s, %s has shape %s", f->name,
                      run_declared(plan, s->tensor), f->path,
                      shape_text(plan->arena, f->info.rank, f->info.shape));
        }
    }
}

static bool check_entries(RunPlan *plan)
{
    bool ok = true;
    for (int k = 0; k < plan->nbindings; k++) {
        const Op *t = plan->bindings[k].tensor;
        int entries = plan->solution.entries[k];
        bool table = t->results[0]->type.kind == TY_TABLE;
        bool needed = t->tensor->dir == PARAM_IN || t->tensor->dir == PARAM_INOUT;
        if (table && needed && entries > 0 && !list_names(&plan->inputs, t->name))
            ok = user_error("%s is missing: it is %s with %d %s; give -i '%s[0]=FILE.npy' and so "
                            "on",
                            t->name, run_declared(plan, t), entries,
                            entries == 1 ? "entry" : "entries", t->name);
    }
    for (int i = 0; i < plan->outputs.count; i++) {
        const RunFile *f = &plan->outputs.items[i];
        int entries = plan->solution.entries[f->tensor];
        if (f->entry >= entries)
            ok = user_error("-o %s: %s has %d %s", entry_text(plan, f), f->name, entries,
                            entries == 1 ? "entry" : "entries");
    }
    return ok;
}

bool run_solve(RunPlan *plan)
{
    int count = 0;
    Shape *shapes = run_shapes(plan, &count);
    if (!shapes)
        return false;
    if (!bind_solve(plan->arena, plan->diag, plan->kernel, shapes, count, plan->arguments,
                    plan->narguments, &plan->solution)) {
        note_inputs(plan, shapes, count);
        return false;
    }
    plan->arguments = plan->solution.arguments;
    plan->narguments = plan->solution.narguments;
    return !plan->solution.taken || check_entries(plan);
}
