#include "compiler/interp/interp_internal.h"
bool shadow_new(Memory *m){(void)m;return true;}
void shadow_free(Memory *m){(void)m;}
bool shadow_access(Task *t, const Insn *i, Memory *m, AccessKind k, int64_t e, int64_t c, int64_t s){(void)t;(void)i;(void)m;(void)k;(void)e;(void)c;(void)s;return true;}
