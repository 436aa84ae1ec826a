#define _GNU_SOURCE
#include "CFaults.h"

#if defined(__linux__) && defined(__GLIBC__)

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    int held;
    size_t order_count;
    uint8_t order[order_max];
    bool record;
    uint64_t recorded;
    uint8_t *bytes;
    size_t byte_count, byte_max;
};

static struct watch watches[watch_max];
static atomic_int taken_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;

bool faults_available(void) { return true; }

static bool path_of(int file, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, path_max - 1);
    if (length <= 0) return false;
    path[length] = 0;
    return true;
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

void faults_record(int watch) {
    pthread_mutex_lock(&lock);
    watches[watch].record = true;
    pthread_mutex_unlock(&lock);
}

uint64_t faults_recorded_count(int watch) {
    pthread_mutex_lock(&lock);
    uint64_t count = watches[watch].recorded;
    pthread_mutex_unlock(&lock);
    return count;
}

size_t faults_recorded(int watch, const uint8_t **bytes) {
    pthread_mutex_lock(&lock);
    *bytes = watches[watch].bytes;
    size_t count = watches[watch].byte_count;
    pthread_mutex_unlock(&lock);
    return count;
}

static void keep(struct watch *w, const void *bytes, size_t count) {
    if (w->byte_count + count > w->byte_max) {
        w->byte_max = 2 * (w->byte_count + count);
        w->bytes = realloc(w->bytes, w->byte_max);
        if (!w->bytes) abort();
    }
    memcpy(w->bytes + w->byte_count, bytes, count);
    w->byte_count += count;
}

// Keeps a call that has succeeded.
static void record(int file, int kind, const struct iovec *parts, int count, int64_t offset) {
    if (atomic_load_explicit(&taken_count, memory_order_relaxed) == 0) return;
    char path[path_max];
    if (!path_of(file, path)) return;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < watch_max; i++) {
        struct watch *w = &watches[i];
        if (!w->taken || !w->record || strncmp(path, w->prefix, strlen(w->prefix)) != 0) continue;
        uint8_t byte = (uint8_t)kind;
        uint64_t length = 0;
        for (int part = 0; part < count; part++) length += parts[part].iov_len;
        keep(w, &byte, 1);
        keep(w, &offset, 8);
        keep(w, &length, 8);
        for (int part = 0; part < count; part++) keep(w, parts[part].iov_base, parts[part].iov_len);
        w->recorded++;
    }
    pthread_mutex_unlock(&lock);
}

size_t faults_order(int watch, uint8_t *kinds, size_t capacity) {
    pthread_mutex_lock(&lock);
    size_t count = watches[watch].order_count;
    if (count > capacity) count = capacity;
    memcpy(kinds, watches[watch].order, count);
    pthread_mutex_unlock(&lock);
    return count;
}

// The error the call must fail with, 0 to let it through.
static int consult(int file, int kind) {
    if (atomic_load_explicit(&taken_count, memory_order_relaxed) == 0) return 0;
    char path[path_max];
    if (!path_of(file, path)) return 0;
    if (kind == faults_write && (fcntl(file, F_GETFL) & O_DSYNC)) kind = faults_durable;

    int error = 0;
    unsigned delay = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < watch_max; i++) {
        struct watch *w = &watches[i];
        if (!w->taken || strncmp(path, w->prefix, strlen(w->prefix)) != 0) continue;
        if (w->delay[kind] > delay) delay = w->delay[kind];
        w->count[kind]++;
        if (w->order_count < order_max) w->order[w->order_count++] = (uint8_t)kind;
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

// Definitions in the executable come before the C library's for every library in the process.

int fdatasync(int file) {
    int error = consult(file, faults_sync);
    if (error) return errno = error, -1;
    int result = (int)syscall(SYS_fdatasync, file);
    if (result == 0) record(file, faults_sync, NULL, 0, 0);
    return result;
}

int fsync(int file) {
    int error = consult(file, faults_sync);
    if (error) return errno = error, -1;
    int result = (int)syscall(SYS_fsync, file);
    if (result == 0) record(file, faults_sync, NULL, 0, 0);
    return result;
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
    int error = consult(file, faults_write);
    if (error) return errno = error, -1;
    ssize_t result = syscall(SYS_pwrite64, file, bytes, count, offset);
    struct iovec part = {(void *)bytes, result > 0 ? (size_t)result : 0};
    if (result > 0) record(file, faults_write, &part, 1, offset);
    return result;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
    return pwrite(file, bytes, count, offset);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    int error = consult(file, faults_write);
    if (error) return errno = error, -1;
    off_t offset = lseek(file, 0, SEEK_CUR);
    ssize_t result = syscall(SYS_writev, file, parts, count);
    if (result > 0) record(file, faults_write, parts, count, offset);
    return result;
}

// The kernel takes the offset in two words; the second holds the upper half only on 32 bits.
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t offset) {
    int error = consult(file, faults_write);
    if (error) return errno = error, -1;
    ssize_t result = syscall(SYS_pwritev, file, parts, count, offset, 0);
    if (result > 0) record(file, faults_write, parts, count, offset);
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
void faults_delay(int watch, int kind, unsigned microseconds) {
    (void)watch; (void)kind; (void)microseconds;
}
void faults_hold(int watch, int kind, bool hold) { (void)watch; (void)kind; (void)hold; }
int faults_held(int watch) { (void)watch; return 0; }
void faults_record(int watch) { (void)watch; }
uint64_t faults_recorded_count(int watch) { (void)watch; return 0; }
size_t faults_recorded(int watch, const uint8_t **bytes) { (void)watch; *bytes = 0; return 0; }
size_t faults_order(int watch, uint8_t *kinds, size_t capacity) {
    (void)watch; (void)kinds; (void)capacity; return 0;
}

#endif
