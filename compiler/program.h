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

/* A setting of a static, dim, schedule parameter or of a tensor's form. */
typedef enum SettingKind { SET_INT, SET_BOOL, SET_TYPE, SET_MEMBER, SET_FORMAT } SettingKind;
typedef struct Setting {
    Name name;
    SettingKind kind;
    int64_t integer;         /* INT, BOOL, MEMBER (its number), FORMAT (-1: none) */
    const Item *enumeration; /* MEMBER */
    DType dtype;
    bool run_time;           /* INT: a schedule parameter that is no constant: it depends on */
    const struct Expr *expr; /* dims or grid.resident, by this */
} Setting;
typedef struct SettingList {
    Setting *items;
    int count, capacity;
} SettingList;

/* What a number of the schedule's words is in the variant: warps(D // 512). */
typedef struct WordNumber {
    const struct Expr *expr;
    int64_t value;
} WordNumber;
typedef struct NumberList {
    WordNumber *items;
    int count, capacity;
} NumberList;

/* One choice of everything that is a constant of a variant. */
typedef struct Variant {
    SettingList statics;     /* every static but run-time dims */
    SettingList forms;       /* of tensors: absent (-1) or a Format; unlisted: row, present */
    SettingList params;      /* schedule parameters */
    NumberList numbers;      /* of the schedule's words */
    const Item *schedule;    /* NULL: none */
    const struct Expr *when; /* the calls that the schedule is for, a matter of run-time values; */
    int number;              /* it is asked as this one, after those before it; NULL: takes all */
} Variant;

typedef struct VariantList {
    Variant *items;
    int count, capacity;
} VariantList;

const Setting *setting_find(const SettingList *, Name);
/* The number that a word of the variant's schedule has as an argument; false: it is none. */
bool variant_number(const Variant *, const struct Expr *, int64_t *);

/* variant.c */

/* Calls `each` for every variant that `instances` gives (one default variant without it), with
 * the first legal parameters of each schedule for the target that a call of it may take, in
 * written order (NULL: of every schedule). Returns false if a message was printed. */
typedef void VariantFn(void *context, const Item *kernel, const Variant *);
bool variants_each(Program *, const Item *kernel, const char *target, VariantFn *, void *context);
/* The same for what is built: a tensor whose forms are not listed is there in each that it may
 * have, and nothing is guessed; without the values it needs a kernel has no variant. */
bool variants_build(Program *, const Item *kernel, const char *target, VariantFn *, void *context);
/* A copy into the list: those that VariantFn is called with are used again for the next ones. */
void variant_keep(Arena *, VariantList *, const Variant *);
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
    const char *target; /* "sm90": schedules for it; NULL: for the first one's target */
    bool dims_given;    /* dims and scalars in `given` are those of the run, and decide on `when` */
} VariantRequest;
/* With each schedule that a call may take, in written order; all but the last have a `when`. */
bool variant_choose_all(Program *, const Item *kernel, const VariantRequest *, VariantList *out);
/* With the first of them. */
bool variant_choose(Program *, const Item *kernel, const VariantRequest *, Variant *out);
/* Whether a schedule names the target, or none. */
bool schedule_is_for(const Item *schedule, const char *target);
/* The target of the kernel's first schedule: what the interpreter runs is scheduled for. */
const char *schedule_first_target(const Program *, const Item *kernel);
/* Do the kernel's schedules depend on the call? */
bool schedules_have_when(const Program *, const Item *kernel);

/* "bf16", "128", "none" */
const char *setting_text(Arena *, const Setting *);
/* formats.c: does the kernel ask for the format of the tensor, store(tensor)? */
bool asks_format(const Program *, const Item *kernel, Name tensor);

/* "T=bf16 G=128 BM=1", for messages. */
char *variant_text(Program *, const Variant *);

#endif
