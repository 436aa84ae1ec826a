#define _GNU_SOURCE
#include "CFaults.h"

#if defined(__linux__) && defined(__GLIBC__)

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { watch_max = 16, order_max = 4096, path_max = 512 };

struct watch {
    bool taken;
    char prefix[path_max];
    uint64_t count[faults_kind_count];
    uint64_t skip[faults_kind_count];
    uint64_t times[faults_kind_count];
    int error[faults_kind_count];
    bool hold[faults_kind_count];
    unsigned delay[faults_kind_count];
    uint64_t short_skip, short_times;
    int held;
    size_t order_count;
    uint8_t order[order_max];
    bool journal;
    uint64_t entry_count;
    uint8_t *bytes;
    size_t byte_count, byte_max;
};

static struct watch watches[watch_max];
static atomic_int taken_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

bool faults_available(void) { return true; }

static bool is_idle(void) {
    return atomic_load_explicit(&taken_count, memory_order_relaxed) == 0;
}

static bool path_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, path_max - 1);
    if (length <= 0) return false;
    path[length] = 0;
    return true;
}

static bool covers(const struct watch *w, const char *path) {
    return w->taken && strncmp(path, w->prefix, strlen(w->prefix)) == 0;
}

int faults_watch(const char *prefix) {
    int found = -1;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < watch_max && found < 0; i++) {
        if (watches[i].taken) continue;
        memset(&watches[i], 0, sizeof watches[i]);
        snprintf(watches[i].prefix, path_max, "%s", prefix);
        watches[i].taken = true;
        atomic_fetch_add(&taken_count, 1);
        found = i;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

void faults_unwatch(int watch) {
    pthread_mutex_lock(&lock);
    memset(watches[watch].hold, 0, sizeof watches[watch].hold);
    watches[watch].taken = false;
    free(watches[watch].bytes);
    watches[watch].bytes = NULL;
    atomic_fetch_sub(&taken_count, 1);
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
}

uint64_t faults_count(int watch, int kind) {
    pthread_mutex_lock(&lock);
    uint64_t count = watches[watch].count[kind];
    pthread_mutex_unlock(&lock);
    return count;
}

void faults_fail(int watch, int kind, uint64_t skip, uint64_t times, int error) {
    pthread_mutex_lock(&lock);
    watches[watch].skip[kind] = skip;
    watches[watch].times[kind] = times;
    watches[watch].error[kind] = error;
    pthread_mutex_unlock(&lock);
}

void faults_shorten(int watch, uint64_t skip, uint64_t times) {
    pthread_mutex_lock(&lock);
    watches[watch].short_skip = skip;
    watches[watch].short_times = times;
    pthread_mutex_unlock(&lock);
}

void faults_delay(int watch, int kind, unsigned microseconds) {
    pthread_mutex_lock(&lock);
    watches[watch].delay[kind] = microseconds;
    pthread_mutex_unlock(&lock);
}

void faults_hold(int watch, int kind, bool hold) {
    pthread_mutex_lock(&lock);
    watches[watch].hold[kind] = hold;
    pthread_cond_broadcast(&released);
    pthread_mutex_unlock(&lock);
}

int faults_held(int watch) {
    pthread_mutex_lock(&lock);
    int held = watches[watch].held;
    pthread_mutex_unlock(&lock);
    return held;
}

size_t faults_order(int watch, uint8_t *kinds, size_t capacity) {
    pthread_mutex_lock(&lock);
    size_t count = watches[watch].order_count;
    if (count > capacity) count = capacity;
    memcpy(kinds, watches[watch].order, count);
    pthread_mutex_unlock(&lock);
    return count;
}

// The journal.

void faults_journal(int watch) {
    pthread_mutex_lock(&lock);
    watches[watch].journal = true;
    pthread_mutex_unlock(&lock);
}

uint64_t faults_journal_count(int watch) {
    pthread_mutex_lock(&lock);
    uint64_t count = watches[watch].entry_count;
    pthread_mutex_unlock(&lock);
    return count;
}

size_t faults_journal_bytes(int watch, const uint8_t **bytes) {
    pthread_mutex_lock(&lock);
    *bytes = watches[watch].bytes;
    size_t count = watches[watch].byte_count;
    pthread_mutex_unlock(&lock);
    return count;
}

static void keep(struct watch *w, const void *bytes, size_t count) {
    if (count == 0) return;
    if (w->byte_count + count > w->byte_max) {
        w->byte_max = 2 * (w->byte_count + count);
        w->bytes = realloc(w->bytes, w->byte_max);
        if (!w->bytes) abort();
    }
    memcpy(w->bytes + w->byte_count, bytes, count);
    w->byte_count += count;
}

struct entry {
    uint8_t step;
    uint64_t begun[watch_max];
    const char *path, *other;
    uint64_t inode, offset;
    const struct iovec *parts;
    int part_count;
    size_t byte_count;
};

// What is known of a call before it is made.
static void begin_entry(struct entry *e, int step) {
    memset(e, 0, sizeof *e);
    e->step = (uint8_t)step;
    if (is_idle()) return;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < watch_max; i++) e->begun[i] = watches[i].entry_count;
    pthread_mutex_unlock(&lock);
}

// Keeps a call that has succeeded, on the file of that path.
static void end_entry(struct entry *e, const char *watched) {
    if (is_idle()) return;
    int cause = errno;
    const char *path = e->path ? e->path : "", *other = e->other ? e->other : "";
    pthread_mutex_lock(&lock);
    for (int i = 0; i < watch_max; i++) {
        struct watch *w = &watches[i];
        if (!w->journal || !covers(w, watched)) continue;
        uint64_t words[6] = {e->begun[i], e->inode, e->offset, strlen(path), strlen(other),
                             e->byte_count};
        keep(w, &e->step, 1);
        keep(w, words, sizeof words);
        keep(w, path, words[3]);
        keep(w, other, words[4]);
        size_t left = e->byte_count;
        for (int part = 0; part < e->part_count && left > 0; part++) {
            size_t count = e->parts[part].iov_len < left ? e->parts[part].iov_len : left;
            keep(w, e->parts[part].iov_base, count);
            left -= count;
        }
        w->entry_count++;
    }
    pthread_mutex_unlock(&lock);
    errno = cause;
}

static void end_file_entry(struct entry *e, int file) {
    if (is_idle()) return;
    int cause = errno;
    char path[path_max];
    struct stat status;
    if (path_of(file, path) && fstat(file, &status) == 0) {
        e->inode = status.st_ino;
        end_entry(e, path);
    }
    errno = cause;
}

// The error the call must fail with, 0 to let it through.
static int consult_path(const char *path, int kind) {
    if (is_idle()) return 0;
    int error = 0;
    unsigned delay = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < watch_max; i++) {
        struct watch *w = &watches[i];
        if (!covers(w, path)) continue;
        if (w->delay[kind] > delay) delay = w->delay[kind];
        w->count[kind]++;
        if (kind <= faults_durable && w->order_count < order_max)
            w->order[w->order_count++] = (uint8_t)kind;
        w->held++;
        while (w->hold[kind]) pthread_cond_wait(&released, &lock);
        w->held--;
        if (w->times[kind] == 0) continue;
        if (w->skip[kind] > 0) {
            w->skip[kind]--;
            continue;
        }
        w->times[kind]--;
        error = w->error[kind];
    }
    pthread_mutex_unlock(&lock);
    if (delay > 0) usleep(delay);
    return error;
}

static bool is_durable(int file) { return (fcntl(file, F_GETFL) & O_DSYNC) != 0; }

static int consult(int file, int kind) {
    if (is_idle()) return 0;
    char path[path_max];
    if (!path_of(file, path)) return 0;
    if (kind == faults_write && is_durable(file)) kind = faults_durable;
    return consult_path(path, kind);
}

// How many of so many bytes a write may take.
static size_t allowed(int file, size_t count) {
    if (is_idle() || count < 2) return count;
    char path[path_max];
    if (!path_of(file, path)) return count;
    size_t allowed = count;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < watch_max; i++) {
        struct watch *w = &watches[i];
        if (!covers(w, path) || w->short_times == 0) continue;
        if (w->short_skip > 0) {
            w->short_skip--;
            continue;
        }
        w->short_times--;
        allowed = count / 2;
    }
    pthread_mutex_unlock(&lock);
    return allowed;
}

static size_t length_of(const struct iovec *parts, int count) {
    size_t length = 0;
    for (int part = 0; part < count; part++) length += parts[part].iov_len;
    return length;
}

static void begin_write(struct entry *e, int file) {
    begin_entry(e, faults_step_write);
    if (!is_idle() && is_durable(file)) e->step = faults_step_write_sync;
}

static void end_write(
    struct entry *e, int file, const struct iovec *parts, int count, int64_t offset,
    ssize_t result
) {
    if (result <= 0) return;
    e->offset = (uint64_t)offset;
    e->parts = parts;
    e->part_count = count;
    e->byte_count = (size_t)result;
    end_file_entry(e, file);
}

// Definitions in the executable come before the C library's for every library in the process.

static int synchronise(int file, long call) {
    int error = consult(file, faults_sync);
    if (error) return errno = error, -1;
    struct entry e;
    begin_entry(&e, faults_step_sync);
    int result = (int)syscall(call, file);
    if (result == 0) end_file_entry(&e, file);
    return result;
}

int fdatasync(int file) { return synchronise(file, SYS_fdatasync); }
int fsync(int file) { return synchronise(file, SYS_fsync); }

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    int error = consult(file, faults_write);
    if (error) return errno = error, -1;
    struct entry e;
    begin_write(&e, file);
    ssize_t result = syscall(SYS_pwrite64, file, bytes, allowed(file, count), offset);
    struct iovec part = {(void *)bytes, count};
    end_write(&e, file, &part, 1, offset, result);
    return result;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return pwrite(file, bytes, count, offset);
}

ssize_t write(int file, const void *bytes, size_t count) {
    if (is_idle()) return syscall(SYS_write, file, bytes, count);
    int error = consult(file, faults_write);
    if (error) return errno = error, -1;
    struct entry e;
    begin_write(&e, file);
    off_t offset = lseek(file, 0, SEEK_CUR);
    ssize_t result = syscall(SYS_write, file, bytes, allowed(file, count));
    struct iovec part = {(void *)bytes, count};
    end_write(&e, file, &part, 1, offset, result);
    return result;
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    if (is_idle()) return syscall(SYS_writev, file, parts, count);
    int error = consult(file, faults_write);
    if (error) return errno = error, -1;
    struct entry e;
    begin_write(&e, file);
    off_t offset = lseek(file, 0, SEEK_CUR);
    size_t length = length_of(parts, count), take = allowed(file, length);
    ssize_t result = take == length ? syscall(SYS_writev, file, parts, count)
                                    : syscall(SYS_write, file, parts[0].iov_base,
                                              take < parts[0].iov_len ? take : parts[0].iov_len);
    end_write(&e, file, parts, count, offset, result);
    return result;
}

// The kernel takes the offset in two words; the second holds the upper half only on 32 bits.
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    int error = consult(file, faults_write);
    if (error) return errno = error, -1;
    struct entry e;
    begin_write(&e, file);
    size_t length = length_of(parts, count), take = allowed(file, length);
    ssize_t result = take == length ? syscall(SYS_pwritev, file, parts, count, offset, 0)
                                    : syscall(SYS_pwrite64, file, parts[0].iov_base,
                                              take < parts[0].iov_len ? take : parts[0].iov_len,
                                              offset);
    end_write(&e, file, parts, count, offset, result);
    return result;
}

// Sizes.

int ftruncate(int file, off_t size) {
    int error = consult(file, faults_size);
    if (error) return errno = error, -1;
    struct entry e;
    begin_entry(&e, faults_step_resize);
    e.offset = (uint64_t)size;
    int result = (int)syscall(SYS_ftruncate, file, size);
    if (result == 0) end_file_entry(&e, file);
    return result;
}

int posix_fallocate(int file, off_t offset, off_t length) {
    int error = consult(file, faults_size);
    if (error) return error;
    struct entry e;
    begin_entry(&e, faults_step_extend);
    e.offset = (uint64_t)(offset + length);
    int result = (int)syscall(SYS_fallocate, file, 0, offset, length);
    if (result != 0) {
        // Where the file system has no such call, a hole does for tests.
        if (errno != EOPNOTSUPP) return errno;
        struct stat status;
        if (fstat(file, &status) != 0) return errno;
        if (status.st_size < offset + length &&
            syscall(SYS_ftruncate, file, offset + length) != 0)
            return errno;
    }
    end_file_entry(&e, file);
    return 0;
}

// Opening and mapping.

static int open_file(int directory, const char *path, int flags, mode_t mode) {
    if (is_idle()) return (int)syscall(SYS_openat, directory, path, flags, mode);
    int error = consult_path(path, faults_open);
    if (error) return errno = error, -1;
    struct entry e;
    begin_entry(&e, faults_step_create);
    struct stat status;
    int cause = errno;
    bool is_new = (flags & O_CREAT) && fstatat(directory, path, &status, 0) != 0;
    bool is_cut = !is_new && (flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY;
    errno = cause;
    int file = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (file >= 0 && is_new) {
        e.path = path;
        end_file_entry(&e, file);
    } else if (file >= 0 && is_cut) {
        e.step = faults_step_resize;
        end_file_entry(&e, file);
    }
    return file;
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return open_file(AT_FDCWD, path, flags, mode);
}

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset) {
    int error = file >= 0 ? consult(file, faults_map) : 0;
    if (error) return errno = error, MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
}

// Names.

// Both calls take the same arguments.
static int pair_names(int step, long call, const char *from, const char *to) {
    int error = consult_path(to, faults_name);
    if (error) return errno = error, -1;
    struct entry e;
    begin_entry(&e, step);
    int result = (int)syscall(call, AT_FDCWD, from, AT_FDCWD, to, 0);
    e.path = from;
    e.other = to;
    if (result == 0) end_entry(&e, to);
    return result;
}

int rename(const char *from, const char *to) {
    return pair_names(faults_step_rename, SYS_renameat2, from, to);
}

int link(const char *from, const char *to) {
    return pair_names(faults_step_link, SYS_linkat, from, to);
}

static int remove_name(const char *path, int flags) {
    int error = consult_path(path, faults_name);
    if (error) return errno = error, -1;
    struct entry e;
    begin_entry(&e, faults_step_remove);
    e.path = path;
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, flags);
    if (result == 0) end_entry(&e, path);
    return result;
}

int unlink(const char *path) { return remove_name(path, 0); }
int rmdir(const char *path) { return remove_name(path, AT_REMOVEDIR); }

int mkdir(const char *path, mode_t mode) {
    int error = consult_path(path, faults_name);
    if (error) return errno = error, -1;
    struct entry e;
    begin_entry(&e, faults_step_make);
    int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    struct stat status;
    if (result == 0 && !is_idle() && stat(path, &status) == 0) {
        e.path = path;
        e.inode = status.st_ino;
        end_entry(&e, path);
    }
    return result;
}

#else

bool faults_available(void) { return false; }
int faults_watch(const char *prefix) { (void)prefix; return -1; }
void faults_unwatch(int watch) { (void)watch; }
uint64_t faults_count(int watch, int kind) { (void)watch; (void)kind; return 0; }
void faults_fail(int watch, int kind, uint64_t skip, uint64_t times, int error) {
    (void)watch; (void)kind; (void)skip; (void)times; (void)error;
}
void faults_shorten(int watch, uint64_t skip, uint64_t times) {
    (void)watch; (void)skip; (void)times;
}
void faults_delay(int watch, int kind, unsigned microseconds) {
    (void)watch; (void)kind; (void)microseconds;
}
void faults_hold(int watch, int kind, bool hold) { (void)watch; (void)kind; (void)hold; }
int faults_held(int watch) { (void)watch; return 0; }
void faults_journal(int watch) { (void)watch; }
uint64_t faults_journal_count(int watch) { (void)watch; return 0; }
size_t faults_journal_bytes(int watch, const uint8_t **bytes) {
    (void)watch; *bytes = 0; return 0;
}
size_t faults_order(int watch, uint8_t *kinds, size_t capacity) {
    (void)watch; (void)kinds; (void)capacity; return 0;
}

#endif
