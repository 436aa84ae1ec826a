#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

// Counts what this thread asks of the C library's allocator, in the executable that links this:
// malloc, calloc, realloc, aligned_alloc and posix_memalign. Linux with a dynamic C library only;
// elsewhere allocations_available() is false.

bool allocations_available(void);

// Calls of this thread since it began.
uint64_t allocations_count(void);

#endif
