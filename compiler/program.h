/* A program: the files of one compilation with all that they import, and the choice of variants. */
#ifndef TILE_PROGRAM_H
#define TILE_PROGRAM_H

#include "dsl/ast.h"

typedef struct TextList {
    const char **items;
    int count, capacity;
} TextList;

/* A file in memory. */
typedef struct HeldFile {
    const char *name, *text;
} HeldFile;

typedef struct Program {
    Arena *arena;
    Diag *diag;
    struct Interner *names;
    struct {
        Unit **items;
        int count, capacity;
    } units;
    struct {
        struct FileId *items;
        int count, capacity;
    } files;              /* that have been read */
    const HeldFile *held; /* instead of the disk, if there are any */
    int held_count;
    ItemList consts, enums, fns, kernels, schedules, instances;
} Program;

/* Loads `path` and its imports (relative to the importing file) and adds their items. Reports
 * unreadable files, import cycles and names declared twice. False after any error. */
bool program_load(Program *, const char *path);
/* The same for a text already in memory (tests, standard input). */
bool program_load_text(Program *, const char *name, const char *text, size_t length);
const Item *program_find(const ItemList *, Name);

/* Programs that the interpreter takes for `grid.resident`, which only a device knows. */
enum { INTERPRETER_RESIDENT = 4 };

/* A setting of a static, dim, schedule parameter or of a tensor's form. */
typedef enum SettingKind { SET_INT, SET_BOOL, SET_TYPE, SET_MEMBER, SET_FORMAT } SettingKind;
typedef struct Setting {
    Name name;
    SettingKind kind;
    int64_t integer;         /* INT, BOOL, MEMBER (its number), FORMAT (-1: none) */
    const Item *enumeration; /* MEMBER */
    DType dtype;
    bool run_time;           /* INT: a schedule parameter that is no constant (resident) */
    const struct Expr *expr; /* of one: what binds it */
} Setting;
typedef struct SettingList {
    Setting *items;
    int count, capacity;
} SettingList;

/* One choice of everything that is a constant of a variant. */
typedef struct Variant {
    SettingList statics;  /* every static but run-time dims */
    SettingList forms;    /* of tensors: absent (-1) or a Format; unlisted: row, present */
    SettingList params;   /* schedule parameters */
    const Item *schedule; /* NULL: none */
    bool presence_known;  /* unlisted optional tensors are present, not run-time tests */
} Variant;

const Setting *setting_find(const SettingList *, Name);

/* variant.c */

/* Calls `each` for every variant that `instances` gives (one default variant without it), with
 * every schedule's first legal parameters. Returns false if a message was printed. */
typedef void VariantFn(void *context, const Item *kernel, const Variant *);
bool variants_each(Program *, const Item *kernel, VariantFn *, void *context);
/* The same for what is built: a tensor whose forms are not listed is there in each that it may
 * have, and nothing is guessed; without the values it needs a kernel has no variant. */
bool variants_build(Program *, const Item *kernel, VariantFn *, void *context);
/* Do the statics all have values, by `instances` or a default? */
bool variants_known(const Program *, const Item *kernel);

/* The variant for a run: `given` settings by text, e.g. {"G", "128"}; dims among them are left to
 * the caller (returned in `rest` with all that names no static, form or parameter). `present` tells
 * whether an optional tensor is there; `known` may know an int static from a tensor's shape. */
typedef struct Given {
    const char *name, *text;
    bool used;
} Given;
typedef struct VariantRequest {
    Given *given;
    int ngiven;
    bool (*present)(void *, Name tensor);
    bool (*known)(void *, Name dim, int64_t *);
    void *context;
    const char *target; /* "sm90": a schedule for it; NULL: the first one */
} VariantRequest;
bool variant_choose(Program *, const Item *kernel, const VariantRequest *, Variant *out);
/* Whether a schedule names the target, or none. */
bool schedule_is_for(const Item *schedule, const char *target);

/* "bf16", "128", "none" */
const char *setting_text(Arena *, const Setting *);
/* formats.c: does the kernel ask for the format of the tensor, store(tensor)? */
bool asks_format(const Program *, const Item *kernel, Name tensor);

/* "T=bf16 G=128 BM=1", for messages. */
char *variant_text(Program *, const Variant *);

#endif
