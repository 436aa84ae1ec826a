#ifndef CFUZZER_H
#define CFUZZER_H

#include <stddef.h>
#include <stdint.h>

/// libFuzzer's loop over a function. Part of the sanitizer runtime.
int LLVMFuzzerRunDriver(
    int *count, char ***arguments, int (*function)(const uint8_t *bytes, size_t byteCount));

#endif
