#include "compiler/interp/prepare.h"
#define S(n) void n(Preparer *p,const Op*o){prepare_error(p,o,#n);}
S(emit_roles) S(emit_pipe) S(emit_put) S(emit_get)
void run_get_end(Task *t, const Insn *i){(void)t;(void)i;}
size_t pipe_bytes(const PipeInfo*p){(void)p;return 8;}
__attribute__((weak)) void debugger_step(Debugger *d, Task *t, const Op *n){(void)d;(void)t;(void)n;}
