/* The command line: verbs and options are tables, from which parsing and help follow. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compiler/command.h"

#define VERSION "0.1"

enum {
    CHECK = 1,
    RUN = 2,
    DEBUG = 4,
    FMT = 8,
    EMIT = 16,
    BUILD = 32,
    LAYOUT = 64,
    MAX_THREADS = 1024
};

typedef struct Verb {
    unsigned bit;
    const char *name, *operands, *summary, *text;
    int least, most; /* operands; -1: any number */
    int (*run)(Command *);
} Verb;

/* clang-format off */
static const char check_text[] =
    "Checks names, types, shapes, effects and schedules of every kernel, in every variant that\n"
    "its instances list. Prints what is wrong, nothing if all is well. FILE may be - for standard\n"
    "input. With -s the one variant that `tilec run` would take is checked; -s w=none leaves an\n"
    "optional tensor w out.\n"
    "With --machine each variant also runs on the machine model, on sizes and values that are\n"
    "made up, dims that -s gives excepted: it must break no rule of the programming model, and\n"
    "give the interpreter's bits. What could not be run is said.\n"
    "With -d the operands are FILE [KERNEL]...\n";
static const char run_text[] =
    "Runs a kernel in the reference interpreter. KERNEL may be left out if FILE has only one.\n"
    "FILE may be tile IR, as `tilec check -d ir` prints it, if its name ends in .ir.\n"
    "Dims are read off the inputs; outputs are allocated by them. Statics take their default,\n"
    "schedule parameters the first legal choice of the first schedule, unless -s says otherwise.\n"
    "An optional tensor is present if -i or -o names it. Files hold elements of the size that the\n"
    "tensor has: bf16 2 bytes, e4m3, e5m2 and ue8m0 1 byte, e2m1 bytes of two elements.\n"
    "Default sums are added up as trees; with --plan in the order of a target's threads, as its\n"
    "first schedule lays out the tiles.\n"
    "Prints nothing but what the kernel prints.\n"
    "\n"
    "  tilec run per_token_cast.tile per_token_cast -s G=128 -i x=x.npy -o y=y.npy -o sf=sf.npy\n";
static const char debug_text[] =
    "Runs a kernel step by step; takes commands from the terminal or from standard input.\n"
    "Type help at its prompt. The arguments are those of tilec run.\n";
static const char emit_text[] =
    "Writes the CUDA of every variant that the instances list, a file each, into a folder; and\n"
    "for each FILE the C of its stub: X.h, X.c, X_code.c, which is compiled with the headers\n"
    "written beside it and linked with libtile_runtime.a.\n"
    "What is not lowered yet is an error at its line.\n"
    "\n"
    "  tilec emit kernels.tile/quant/per_token_cast.tile --arch sm90 -o cuda\n";
static const char build_text[] =
    "Builds a C library of every variant that the instances list: DIR/NAME.h, tile.h beside it,\n"
    "DIR/libNAME.a and DIR/libNAME.so. Needs a C compiler; machine code comes from NVRTC or nvcc,\n"
    "through the disk cache. Where neither is found the library carries CUDA text, which is\n"
    "compiled at the first call. With cpu among the targets it also runs in the interpreter,\n"
    "without a GPU. docs/host.md says how the library is used.\n"
    "\n"
    "  tilec build kernels.tile/quant/per_token_cast.tile --arch sm90,cpu -o out/cast\n";
static const char about_layout[] =
    "Says who holds which element of VALUE, and how it is loaded, stored and converted. VALUE is\n"
    "the name of a `let` or `var`, or a tensor, whose loaded and stored tiles are shown. Without\n"
    "VALUE all that have a layout are listed. With -o a picture is drawn, of VALUE or of all.\n"
    "The variant is the first of the instances that agrees with -s.\n"
    "\n"
    "  tilec layout kernels.tile/quant/per_token_cast.tile per_token_cast v -s G=32 -o v.svg\n";
static const char fmt_text[] =
    "Puts files into the one form: indentation, spaces, line breaks; comments stay. A file with\n"
    "syntax errors is left as it is. FILE may be -: from standard input to standard output.\n";

static const Verb verbs[] = {
    {CHECK, "check", "FILE...", "find everything that is wrong with programs", check_text, 1, -1,
     command_check},
    {RUN, "run", "FILE [KERNEL]", "run a kernel on tensors in .npy files", run_text, 1, 2,
     command_run},
    {DEBUG, "debug", "FILE [KERNEL]", "the same, step by step", debug_text, 1, 2, command_debug},
    {EMIT, "emit", "FILE...", "write the CUDA text of kernels", emit_text, 1, -1, command_emit},
    {BUILD, "build", "FILE...", "build a C library of kernels", build_text, 1, -1, command_build},
    {LAYOUT, "layout", "FILE [KERNEL [VALUE]]", "show which thread holds which element",
     about_layout, 1, 3, command_layout},
    {FMT, "fmt", "FILE...", "format programs in place", fmt_text, 1, -1, command_fmt},
};
enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

typedef struct Option Option;
typedef bool Take(Command *, const Option *, const char *value);
static Take take_setting, take_targets, take_input, take_output, take_seed, take_threads, take_dump,
            take_verbose, take_check, take_folder, take_arch, take_kernel, take_device, take_times,
            take_lines, take_plan, take_machine, take_pitch, take_offset, take_fill, take_batch,
            take_timeline, take_block, take_seeds;

struct Option {
    unsigned verbs;
    const char *name, *value, *help;
    Take *take;
};

static const Option options[] = {
    {CHECK | RUN | DEBUG | LAYOUT, "-s", "NAME=VALUE",
     "set a static, scalar, dim, schedule parameter, or a tensor's storage format", take_setting},
    {RUN | DEBUG, "-i", "NAME=FILE", "read tensor NAME from an .npy file; 'xs[0]=FILE' in a table",
     take_input},
    {RUN | DEBUG, "-o", "NAME=FILE", "write tensor NAME to an .npy file", take_output},
    {CHECK | RUN | DEBUG, "--seed", "N", "the order in which programs run (default 0)", take_seed},
    {CHECK, "--seeds", "N", "with --machine: run in N orders, from --seed on (default 3)",
     take_seeds},
    {RUN | DEBUG, "--threads", "N", "run programs on N threads (default: one a core)",
     take_threads},
    {CHECK, "-d", "ast|ir", "print the tree, or the tile IR of each variant", take_dump},
    {EMIT, "-o", "DIR", "the folder to write into; made if it is not there", take_folder},
    {LAYOUT, "-o", "PICTURE.svg", "draw a picture", take_folder},
    {EMIT, "--arch", "sm90|sm100", "the target", take_arch},
    {BUILD, "-o", "DIR/NAME", "the folder, made if it is not there, and the library's name",
     take_folder},
    {BUILD, "--arch", "A[,B]", "the targets: sm90, sm100, cpu", take_targets},
    {BUILD, "--threads", "N", "compile N kernels at a time (default: one a core)", take_threads},
    {EMIT | BUILD, "--kernel", "K", "only this kernel", take_kernel},
    {EMIT, "--lines", NULL, "the CUDA names the lines of the .tile file, for profilers",
     take_lines},
    {LAYOUT, "--arch", "sm90|sm100", "the target (default sm90)", take_arch},
    {RUN | DEBUG, "--plan", "sm90|sm100", "add up default sums as that target's threads do",
     take_plan},
    {RUN, "--device", "cpu|cuda", "run in the interpreter (default), or on the GPU", take_device},
    {CHECK | RUN, "--machine", "sm90|sm100",
     "run the CUDA text on the machine model of that target", take_machine},
    {RUN, "--timeline", "PICTURE.svg", "with --machine: draw what a block's warps and engines do",
     take_timeline},
    {RUN, "--block", "N", "the block that --timeline draws (default 0)", take_block},
    {RUN, "--time", "N", "with --device cuda: print the median time of N runs, beside a copy",
     take_times},
    {RUN, "--pitch", "NAME=N", "on the GPU, N elements from a row of a tensor to the next",
     take_pitch},
    {RUN, "--offset", "NAME=N", "on the GPU, it begins N elements behind an aligned address",
     take_offset},
    {RUN, "--fill", "BYTE", "what every byte of an output is at first (default 0)", take_fill},
    {RUN, "--batch", "FILE", "the runs that FILE has, a line each; stops where the GPU fails",
     take_batch},
    {FMT, "--check", NULL, "change nothing; exit code 1 if a file is not formatted", take_check},
    {CHECK | RUN | DEBUG | EMIT | BUILD, "-v", NULL, "say what was done", take_verbose},
};
enum { OPTION_COUNT = sizeof options / sizeof options[0] };
/* clang-format on */

static bool take_pair(Command *c, const Option *o, const char *value, PairList *list)
{
    const char *equals = strchr(value, '=');
    if (!equals || equals == value || !equals[1]) {
        usage_error(c, "%s %s: write %s %s", o->name, value, o->name, o->value);
        return false;
    }
    Pair p = {arena_text(c->arena, value, (size_t)(equals - value)), equals + 1};
    for (int i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, p.name) == 0) {
            usage_error(c, "%s %s is given twice", o->name, p.name);
            return false;
        }
    PUSH(c->arena, list, p);
    return true;
}

static bool take_setting(Command *c, const Option *o, const char *value)
{
    return take_pair(c, o, value, &c->settings);
}

static bool take_input(Command *c, const Option *o, const char *value)
{
    return take_pair(c, o, value, &c->inputs);
}

static bool take_output(Command *c, const Option *o, const char *value)
{
    return take_pair(c, o, value, &c->outputs);
}

static bool take_folder(Command *c, const Option *o, const char *value)
{
    (void)o;
    c->output = value;
    return true;
}

static bool take_target(Command *c, const Option *o, const char *value, const char **out)
{
    *out = value;
    if (strcmp(value, "sm90") == 0 || strcmp(value, "sm100") == 0)
        return true;
    usage_error(c, "%s %s: write %s %s", o->name, value, o->name, o->value);
    return false;
}

static bool take_arch(Command *c, const Option *o, const char *value)
{
    return take_target(c, o, value, &c->arch);
}

static bool take_targets(Command *c, const Option *o, const char *value)
{
    (void)o;
    c->arch = value;
    return true;
}

static bool take_plan(Command *c, const Option *o, const char *value)
{
    return take_target(c, o, value, &c->plan);
}

static bool take_kernel(Command *c, const Option *o, const char *value)
{
    (void)o;
    c->kernel = value;
    return true;
}

static bool take_device(Command *c, const Option *o, const char *value)
{
    c->device = value;
    if (strcmp(value, "cpu") == 0 || strcmp(value, "cuda") == 0)
        return true;
    usage_error(c, "%s %s: write %s %s", o->name, value, o->name, o->value);
    return false;
}

static bool take_machine(Command *c, const Option *o, const char *value)
{
    c->machine = value;
    if (strcmp(value, "sm90") == 0 || strcmp(value, "sm100") == 0)
        return true;
    usage_error(c, "%s %s: write %s %s", o->name, value, o->name, o->value);
    return false;
}

static bool take_number(Command *c, const Option *o, const char *value, uint64_t most,
                        uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(value, &end, 0);
    *out = n;
    if (value[0] >= '0' && value[0] <= '9' && !*end && !errno && n <= most)
        return true;
    usage_error(c, "%s %s: an integer from 0 to %" PRIu64 " is expected", o->name, value, most);
    return false;
}

static bool take_times(Command *c, const Option *o, const char *value)
{
    uint64_t n;
    if (!take_number(c, o, value, 100000, &n))
        return false;
    c->times = (int)n;
    return true;
}

static bool take_pitch(Command *c, const Option *o, const char *value)
{
    return take_pair(c, o, value, &c->pitches);
}

static bool take_offset(Command *c, const Option *o, const char *value)
{
    return take_pair(c, o, value, &c->offsets);
}

static bool take_fill(Command *c, const Option *o, const char *value)
{
    uint64_t n = 0;
    bool ok = take_number(c, o, value, 255, &n);
    c->fill = (int)n;
    return ok;
}

static bool take_batch(Command *c, const Option *o, const char *value)
{
    (void)o;
    c->batch = value;
    return true;
}

static bool take_timeline(Command *c, const Option *o, const char *value)
{
    (void)o;
    c->timeline = value;
    return true;
}

static bool take_block(Command *c, const Option *o, const char *value)
{
    return take_number(c, o, value, INT32_MAX, &c->block);
}

static bool take_seed(Command *c, const Option *o, const char *value)
{
    return take_number(c, o, value, UINT64_MAX, &c->seed);
}

static bool take_seeds(Command *c, const Option *o, const char *value)
{
    uint64_t n = 0;
    if (!take_number(c, o, value, 100000, &n))
        return false;
    c->seeds = (int)n;
    return n > 0 || (usage_error(c, "--seeds 0: at least one is needed"), false);
}

static bool take_threads(Command *c, const Option *o, const char *value)
{
    uint64_t n = 0;
    bool ok = take_number(c, o, value, MAX_THREADS, &n);
    c->threads = (int)n;
    return ok;
}

static bool take_dump(Command *c, const Option *o, const char *value)
{
    c->dump = value;
    if (strcmp(value, "ast") == 0 || strcmp(value, "ir") == 0)
        return true;
    usage_error(c, "%s %s: ast or ir is expected", o->name, value);
    return false;
}

static bool take_verbose(Command *c, const Option *o, const char *value)
{
    (void)o, (void)value;
    return c->verbose = true;
}

static bool take_lines(Command *c, const Option *o, const char *value)
{
    (void)o, (void)value;
    return c->lines = true;
}

static bool take_check(Command *c, const Option *o, const char *value)
{
    (void)o, (void)value;
    return c->check_only = true;
}

static void help_option(const char *name, const char *value, const char *help)
{
    char text[32];
    snprintf(text, sizeof text, "%s%s%s", name, value ? " " : "", value ? value : "");
    printf("  %-16s %s\n", text, help);
}

static void help(void)
{
    puts("tilec " VERSION ": GPU kernels written over tiles, checked and run on a CPU\n");
    puts("usage: tilec VERB ...\n");
    for (int i = 0; i < VERB_COUNT; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s %s", verbs[i].name, verbs[i].operands);
        printf("  %-28s %s\n", text, verbs[i].summary);
    }
    puts("\n  tilec VERB --help    what a verb takes\n"
         "  tilec --version      the version\n\n"
         "exit codes: 0 done, 1 an error in a program or file, 2 a wrong command line");
}

static void help_verb(const Verb *v)
{
    printf("usage: tilec %s %s [options]\n\n%s\n", v->name, v->operands, v->text);
    for (int i = 0; i < OPTION_COUNT; i++)
        if (options[i].verbs & v->bit)
            help_option(options[i].name, options[i].value, options[i].help);
    help_option("--help", NULL, "this text");
}

/* The option that `argument` begins with; *value is what is attached to it: -sG=1, --seed=3. */
static const Option *find_option(const Verb *v, const char *argument, const char **value)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        const Option *o = &options[i];
        size_t n = strlen(o->name);
        bool is_long = o->name[1] == '-';
        if (!(o->verbs & v->bit) || strncmp(argument, o->name, n) != 0)
            continue;
        *value = NULL;
        if (!argument[n])
            return o;
        if (!o->value || (is_long && argument[n] != '='))
            continue;
        *value = argument + n + is_long;
        return o;
    }
    return NULL;
}

static int unknown_option(Command *c, const Verb *v, const char *argument)
{
    const char *names[OPTION_COUNT];
    int n = 0;
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (options[i].verbs & v->bit)
            names[n++] = options[i].name;
        else if (strcmp(options[i].name, argument) == 0)
            return usage_error(c, "tilec %s takes no %s", v->name, argument);
    }
    const char *near = argument[1] == '-' ? diag_nearest(argument, names, n) : NULL;
    if (near)
        return usage_error(c, "unknown option %s; is %s meant?", argument, near);
    return usage_error(c, "unknown option %s", argument);
}

/* Reads the arguments behind the verb. -1: go on; else the exit code. */
static int read_arguments(Command *c, const Verb *v, int argc, char **argv)
{
    bool only_operands = false;
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i], *value = NULL;
        if (only_operands || a[0] != '-' || !a[1]) {
            PUSH(c->arena, &c->operands, a);
            continue;
        }
        if (strcmp(a, "--") == 0) {
            only_operands = true;
            continue;
        }
        if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) {
            help_verb(v);
            return 0;
        }
        const Option *o = find_option(v, a, &value);
        if (!o)
            return unknown_option(c, v, a);
        if (o->value && !value && ++i == argc)
            return usage_error(c, "%s needs %s", o->name, o->value);
        if (o->value && !value)
            value = argv[i];
        if (!o->take(c, o, value))
            return EXIT_USAGE;
    }
    if (c->operands.count < v->least && !c->batch)
        return usage_error(c, "usage: tilec %s %s", v->name, v->operands);
    if (v->most >= 0 && c->operands.count > v->most)
        return usage_error(c, "unexpected argument %s", c->operands.items[v->most]);
    return -1;
}

static int run_verb(Command *c, int argc, char **argv)
{
    const char *names[VERB_COUNT], *word = argv[1];
    if (argc < 2) {
        fputs("usage: tilec check|run|debug|emit|build|layout|fmt ...\ntry: tilec --help\n",
              stderr);
        return EXIT_USAGE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        help();
        return 0;
    }
    if (strcmp(word, "--version") == 0) {
        puts("tilec " VERSION);
        return 0;
    }
    for (int i = 0; i < VERB_COUNT; i++) {
        names[i] = verbs[i].name;
        if (strcmp(word, names[i]) != 0)
            continue;
        c->verb = names[i];
        int code = read_arguments(c, &verbs[i], argc - 2, argv + 2);
        return code >= 0 ? code : verbs[i].run(c);
    }
    const char *near = diag_nearest(word, names, VERB_COUNT);
    if (near)
        return usage_error(c, "unknown verb %s; is %s meant?", word, near);
    return usage_error(c, "unknown verb %s", word);
}

static bool wants_color(void)
{
    const char *term = getenv("TERM"), *none = getenv("NO_COLOR");
    return isatty(2) && !(none && *none) && !(term && strcmp(term, "dumb") == 0);
}

int main(int argc, char **argv)
{
    Arena arena = {0};
    Diag diag = {.arena = &arena, .out = stderr, .color = wants_color()};
    Command c = {.arena = &arena, .diag = &diag, .run_verb = run_verb};
    signal(SIGPIPE, SIG_IGN);
    int code = run_verb(&c, argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        if (errno != EPIPE)
            user_error("standard output: %s", strerror(errno));
        code = code ? code : EXIT_USER;
    }
    return code;
}
