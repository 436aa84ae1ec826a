// The one header LMDB has. Everything Swift cannot import from it would be wrapped here, with the
// reason.
#include <lmdb.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
// Linux's own fallocate stands behind _GNU_SOURCE, which Swift does not set; posix_fallocate writes
// block by block where the file system cannot do it.
static inline long clmdb_fallocate(int file, off_t start, off_t length) {
    return syscall(SYS_fallocate, file, 0, start, length);
}
#endif
