#include "compiler/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    NpyInfo info = {0};
    char error[NPY_ERROR_SIZE];
    npy_parse((const char *)data, size, &info, error);
    return 0;
}
