/* How messages call element types, devices and the numbers of a variant's key. */
#include "runtime/call.h"

#include <stdio.h>

static const struct {
    const char *name;
    int bits;
} types[TILE_TYPE_COUNT] = {
#define TYPE(type, name, bits) [type] = {name, bits},
    TILE_TYPE_TABLE(TYPE)
#undef TYPE
};

const char *tile__dtype_name(int dtype)
{
    return (unsigned)dtype < TILE_TYPE_COUNT ? types[dtype].name : "no element type";
}

int tile__dtype_bits(int dtype)
{
    return types[dtype].bits;
}

const char *tile__form_name(int form)
{
    static const char *const names[TILE_FORMS] = {"row", "col_pad16", "ue8m0x4"};
    return (unsigned)form < TILE_FORMS ? names[form] : "none";
}

void tile__dlpack_name(DLDataType t, char text[NAME_SIZE])
{
    static const struct {
        int code;
        const char *name;
        bool sized; /* the name ends in the number of bits */
    } names[] = {
        {kDLInt, "int", true},
        {kDLUInt, "uint", true},
        {kDLFloat, "float", true},
        {kDLBfloat, "bfloat", true},
        {kDLBool, "bool", false},
        {kDLFloat8_e4m3fn, "float8_e4m3fn", false},
        {kDLFloat8_e5m2, "float8_e5m2", false},
        {kDLFloat8_e8m0fnu, "float8_e8m0fnu", false},
        {kDLFloat4_e2m1fn, "float4_e2m1fn", false},
    };
    char lanes[16] = "";
    if (t.lanes != 1) {
        snprintf(lanes, sizeof lanes, "x%d", t.lanes);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code != t.code) {
            continue;
        }
        if (names[i].sized) {
            snprintf(text, NAME_SIZE, "%s%d%s", names[i].name, t.bits, lanes);
        } else {
            snprintf(text, NAME_SIZE, "%s%s%s", names[i].name, t.lanes == 1 ? "" : "_", lanes);
        }
        return;
    }
    snprintf(text, NAME_SIZE, "DLPack type %d of %d bits%s%s", t.code, t.bits,
             t.lanes == 1 ? "" : " ", lanes);
}

void tile__device_name(DLDevice d, char text[NAME_SIZE])
{
    switch ((int)d.device_type) {
    case kDLCPU:
        snprintf(text, NAME_SIZE, "the CPU");
        break;
    case kDLCUDA:
        snprintf(text, NAME_SIZE, "GPU %d", d.device_id);
        break;
    case kDLCUDAHost:
        snprintf(text, NAME_SIZE, "the CPU (pinned)");
        break;
    case kDLCUDAManaged:
        snprintf(text, NAME_SIZE, "managed memory");
        break;
    default:
        snprintf(text, NAME_SIZE, "DLPack device %d:%d", (int)d.device_type, d.device_id);
    }
}

/* The parameter whose form is in a slot behind the statics. */
static const tile_param *form_param(const tile_kernel *k, int slot)
{
    int at = k->static_count;
    for (int i = 0; i < k->param_count; i++) {
        if (k->params[i].kind != TILE_PARAM_SCALAR && at++ == slot) {
            return &k->params[i];
        }
    }
    return &k->params[0];
}

const char *tile__key_name(const tile_kernel *k, int slot)
{
    return slot < k->static_count ? k->statics[slot].name : form_param(k, slot)->name;
}

void tile__key_text(const tile_kernel *k, int slot, int64_t value, char text[NAME_SIZE])
{
    const tile_static *s = slot < k->static_count ? &k->statics[slot] : NULL;
    if (!s) {
        snprintf(text, NAME_SIZE, "%s", tile__form_name((int)value));
    } else if (s->kind == TILE_STATIC_BOOL) {
        snprintf(text, NAME_SIZE, "%s", value ? "true" : "false");
    } else if (s->kind == TILE_STATIC_TYPE) {
        snprintf(text, NAME_SIZE, "%s", tile__dtype_name((int)value));
    } else if (s->kind == TILE_STATIC_ENUM && value >= 0 && value < s->member_count) {
        snprintf(text, NAME_SIZE, "%s", s->members[value]);
    } else {
        snprintf(text, NAME_SIZE, "%lld", (long long)value);
    }
}
