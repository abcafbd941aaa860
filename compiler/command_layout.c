/* tilec layout: who holds which element of a value, in words or as a picture. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/picture.h"

typedef struct Layouts {
    Command *command;
    Program program;
    const Item *kernel;
    Variant variant;
    Lowered low;
    Movements movements;
    Subjects subjects;
    bool uniform; /* VALUE is a name, but of something that all threads hold */
} Layouts;

/* ---- which variant ---- */

/* The first variant of the instances that -s does not speak against. */
typedef struct Choice {
    Command *command;
    Program *program;
    PairList settings; /* those of -s, then what the instance adds */
    bool found;
} Choice;

static const char *setting_given(const PairList *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return list->items[i].value;
    return NULL;
}

static void consider(void *context, const Item *kernel, const Variant *v)
{
    Choice *k = context;
    Arena *a = k->command->arena;
    const SettingList *lists[2] = {&v->statics, &v->forms};
    PairList settings = {0};
    Arena scratch = {0};
    if (k->found)
        return;
    for (int i = 0; i < k->command->settings.count; i++)
        PUSH(a, &settings, k->command->settings.items[i]);
    for (int l = 0; l < 2; l++)
        for (int i = 0; i < lists[l]->count; i++) {
            const Setting *s = &lists[l]->items[i];
            const char *text = setting_text(a, s), *given = setting_given(&settings, s->name);
            Pair pair = {s->name, text};
            if (given && strcmp(given, text) != 0)
                return;
            if (!given)
                PUSH(a, &settings, pair);
        }
    /* What the compiler guessed need not be right. */
    k->found = elaborate(&scratch, k->command->diag, k->program, kernel, v);
    k->settings = settings;
    arena_free(&scratch);
}

static bool is_present(void *context, Name name)
{
    const char *given = setting_given(context, name);
    return !given || strcmp(given, "none") != 0;
}

static bool choose_by_settings(Layouts *l)
{
    Command *c = l->command;
    VariantRequest request = {settings_given(c), c->settings.count, is_present, NULL,
                              &c->settings,      c->arch,           true};
    return variant_choose(&l->program, l->kernel, &request, &l->variant);
}

/* Without instances -s may say all there is to say. */
static bool choose_variant(Layouts *l)
{
    Command *c = l->command;
    Choice choice = {.command = c, .program = &l->program};
    if (!settings_known(c, &l->program, l->kernel, NULL))
        return false;
    if (!program_find(&l->program.instances, l->kernel->name.name)) {
        Diag saved = *c->diag;
        c->diag->out = NULL;
        bool good = choose_by_settings(l);
        *c->diag = saved;
        if (good)
            return true;
    }
    if (!variants_each(&l->program, l->kernel, c->arch, consider, &choice))
        return false;
    if (choice.found)
        c->settings = choice.settings;
    return choose_by_settings(l);
}

/* Lowers the kernel; the emitter notes what it moves, its text is dropped. */
static bool lower(Layouts *l)
{
    Command *c = l->command;
    Host *host;
    Kernel *k = elaborate(c->arena, c->diag, &l->program, l->kernel, &l->variant);
    l->low = (Lowered){.arena = c->arena,
                       .diag = c->diag,
                       .kernel = k,
                       .program = &l->program,
                       .variant = &l->variant,
                       .movements = &l->movements};
    return k && lower_kernel(&l->low) && emit_cuda(&l->low, c->arch, &host);
}

/* ---- what has a name ---- */

static void add_subject(Layouts *l, const Subject *s)
{
    for (int i = 0; i < l->subjects.count; i++) {
        const Subject *o = &l->subjects.items[i];
        if (strcmp(o->name, s->name) == 0 && o->line == s->line && !o->access == !s->access &&
            type_equal(&o->type, &s->type) && layout_equal(&o->layout, &s->layout))
            return;
    }
    PUSH(l->command->arena, &l->subjects, *s);
}

static void add_named(Layouts *l, const PhasePlan *phase, const Region *r, const char *wanted)
{
    for (const Op *op = r->first; op; op = op->next) {
        for (int i = 0; i < op->nregions; i++)
            add_named(l, phase, op->regions[i], wanted);
        if (op->code != OP_BIND || (wanted && strcmp(op->name, wanted) != 0))
            continue;
        const Value *v = op->args[0];
        int line, column;
        pos_line(op->pos, &line, &column);
        if (v->type.kind != TY_TILE || is_uniform(v) || !l->low.placed[v->id]) {
            l->uniform = true;
            continue;
        }
        Subject s = {op->name, line, v, v->type, l->low.layout[v->id], phase->unit, NULL};
        add_subject(l, &s);
    }
}

static const Region *body_of(const PhasePlan *phase)
{
    return phase->par->regions[phase->par->nregions - 1];
}

static const PhasePlan *phase_of(const Layouts *l, const Value *v)
{
    const Region *r = v->op ? v->op->parent : v->region;
    for (int i = 0; i < l->low.nphases; i++)
        if (is_below_region(r, body_of(&l->low.phases[i])))
            return &l->low.phases[i];
    return &l->low.phases[0];
}

static void find_subjects(Layouts *l, const char *wanted)
{
    for (const Op *op = l->low.kernel->body->first; op; op = op->next)
        l->uniform |= wanted && op->code == OP_BIND && strcmp(op->name, wanted) == 0;
    for (int i = 0; i < l->low.nphases; i++)
        add_named(l, &l->low.phases[i], body_of(&l->low.phases[i]), wanted);
    for (int i = 0; i < l->movements.count; i++) {
        const Movement *m = &l->movements.items[i];
        if (!m->tensor || (wanted && strcmp(m->tensor, wanted) != 0))
            continue;
        Subject s = {m->tensor, m->line, m->value, m->type, m->from, phase_of(l, m->value)->unit,
                     m};
        add_subject(l, &s);
    }
}

static bool nothing_found(Layouts *l, const char *wanted)
{
    const char *kernel = l->kernel->name.name;
    if (!wanted)
        return user_error("%s: has no tile that threads share out", kernel);
    if (l->uniform)
        return user_error(
            "%s: %s has no layout: it is a scalar or constant, the same in all threads", kernel,
            wanted);
    TextList names = {0};
    l->subjects.count = 0;
    find_subjects(l, NULL);
    for (int i = 0; i < l->subjects.count; i++) {
        const char *name = l->subjects.items[i].name;
        bool seen = false;
        for (int k = 0; k < names.count; k++)
            seen |= strcmp(names.items[k], name) == 0;
        if (!seen)
            PUSH(l->command->arena, &names, name);
    }
    return user_error("%s: has no value or tensor %s with a layout; it has %s", kernel, wanted,
                      join_texts(l->command->arena, &names));
}

/* ---- showing ---- */

static void list_subjects(const Layouts *l)
{
    Arena *a = l->command->arena;
    int width = 0;
    for (int i = 0; i < l->subjects.count; i++) {
        int n = (int)strlen(subject_title(a, &l->subjects.items[i]));
        width = n > width ? n : width;
    }
    for (int i = 0; i < l->subjects.count; i++) {
        const Subject *s = &l->subjects.items[i];
        printf("%-*s  %s\n", width, subject_title(a, s), layout_text(a, &s->layout));
    }
}

static bool is_conversion_of(const Movement *m, const Subject *s)
{
    return m->way == MOVE_SHARED &&
           (m->value == s->value || (s->access && same_elements(m->value, s->value)));
}

static void print_lines(const TextList *lines)
{
    for (int i = 0; i < lines->count; i++)
        printf("  %s\n", lines->items[i]);
}

static void print_subjects(const Layouts *l)
{
    Arena *a = l->command->arena;
    for (int i = 0; i < l->subjects.count; i++) {
        const Subject *s = &l->subjects.items[i];
        TextList lines = explain_subject(a, &l->movements, s);
        printf("%s%s\n", i ? "\n" : "", subject_title(a, s));
        print_lines(&lines);
        for (int k = 0; k < l->movements.count; k++)
            if (is_conversion_of(&l->movements.items[k], s)) {
                lines = explain_shared(a, &l->movements.items[k]);
                printf("  through shared memory, line %d:\n", l->movements.items[k].line);
                print_lines(&lines);
            }
    }
}

static void draw_subjects(const Layouts *l, Picture *p)
{
    picture_text(p, 16, 22, 13, "start",
                 arena_format(p->arena, "%s for %s: %s", l->kernel->name.name, l->command->arch,
                              variant_text((Program *)&l->program, (Variant *)&l->variant)));
    for (int i = 0; i < l->subjects.count; i++) {
        const Subject *s = &l->subjects.items[i];
        TextList words = explain_subject(p->arena, &l->movements, s);
        picture_tile(p, s, &words);
        for (int k = 0; k < l->movements.count; k++)
            if (is_conversion_of(&l->movements.items[k], s)) {
                words = explain_shared(p->arena, &l->movements.items[k]);
                picture_shared(p, &l->movements.items[k], &words);
            }
    }
}

static bool write_picture(const Layouts *l, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    Picture p = {.arena = l->command->arena, .body = open_memstream(&text, &length)};
    draw_subjects(l, &p);
    fclose(p.body);
    FILE *f = fopen(path, "w");
    bool good = f &&
                fprintf(
                    f,
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" width=\"%d\" "
                    "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"DejaVu Sans Mono, "
                    "monospace\">\n<rect width=\"100%%\" height=\"100%%\" "
                    "fill=\"#ffffff\"/>\n%s</svg>\n",
                    p.width + 16, p.height + 16, p.width + 16, p.height + 16, text) > 0;
    int why = errno;
    if (f && fclose(f) != 0) {
        good = false;
        why = errno;
    }
    free(text);
    return good || user_error("%s: %s", path, strerror(why));
}

int command_layout(Command *c)
{
    Layouts l = {.command = c};
    const char *wanted = c->operands.count > 2 ? c->operands.items[2] : NULL;
    if (!c->arch)
        c->arch = "sm90";
    if (!load_program(c, &l.program, c->operands.items[0]))
        return EXIT_USER;
    l.kernel = pick_kernel(c, &l.program, c->operands.count > 1 ? c->operands.items[1] : NULL);
    if (!l.kernel || !choose_variant(&l) || !lower(&l))
        return EXIT_USER;
    find_subjects(&l, wanted);
    if (l.subjects.count == 0)
        return nothing_found(&l, wanted), EXIT_USER;
    if (c->output)
        return write_picture(&l, c->output) ? 0 : EXIT_USER;
    if (wanted)
        print_subjects(&l);
    else
        list_subjects(&l);
    return 0;
}
