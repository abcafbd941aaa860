/* Quantises a tensor with a library of `tilec build`: on a GPU if there is one, else on the CPU. */
#include <stdio.h>
#include "cast.h"

enum { M = 5, K = 4096, G = 128 };

int main(void)
{
    static float x[M][K], sf[M][K / G];
    int64_t wide[] = {M, K}, narrow[] = {M, K / G};
    tile_context *c = NULL;
    void *at[3];
    if (tile_context_create(0, &c) != TILE_OK && tile_context_create(TILE_CPU, &c) != TILE_OK)
        return puts(tile_error(NULL)), 1;
    const tile_device_info *gpu = tile_context_device(c);
    DLDevice device = {gpu->arch == TILE_ARCH_CPU ? kDLCPU : kDLCUDA, gpu->ordinal};
    for (int i = 0; i < M * K; i++)
        x[i / K][i % K] = (float)(i % 1000 - 500);
    tile_alloc(c, sizeof x, &at[0]), tile_alloc(c, M * K, &at[1]), tile_alloc(c, sizeof sf, &at[2]);
    tile_upload(c, at[0], x, sizeof x);
    DLTensor in = {at[0], device, 2, {kDLFloat, 32, 1}, wide, NULL, 0};
    DLTensor out = {at[1], device, 2, {kDLFloat8_e4m3fn, 8, 1}, wide, NULL, 0};
    DLTensor scales = {at[2], device, 2, {kDLFloat, 32, 1}, narrow, NULL, 0};
    if (tk_per_token_cast(c, &in, &out, &scales, G, false, NULL) != TILE_OK)
        return puts(tile_error(c)), 1;
    tile_download(c, sf, at[2], sizeof sf);
    printf("%s: scale of the first block %.9g\n", gpu->name, sf[0][0]);
    return tile_free(c, at[0]), tile_free(c, at[1]), tile_free(c, at[2]), tile_context_free(c), 0;
}
