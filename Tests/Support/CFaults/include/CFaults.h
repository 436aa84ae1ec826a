#ifndef CFAULTS_H
#define CFAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Stands between this process and the disk: the functions that write and wait for the disk are
// defined here, forward to the kernel, and on request count, hold or fail the calls on chosen
// files. Linux with a dynamic C library only; elsewhere faults_available() is false.

enum faults_kind {
    faults_write = 0,    // pwrite, pwritev, writev to a file that is synced later
    faults_sync = 1,     // fdatasync, fsync
    faults_durable = 2,  // a write that is its own sync (O_DSYNC): LMDB's meta page
    faults_kind_count = 3
};

bool faults_available(void);

// Watches the files whose path begins with `prefix`. Returns a handle of 0 and more, -1 if all are
// taken. Let go of it with faults_unwatch.
int faults_watch(const char *prefix);
void faults_unwatch(int watch);

// Calls of a kind since the watch began, failed ones included.
uint64_t faults_count(int watch, int kind);

// Fails `times` calls of a kind with `error`, after letting `skip` more of them through.
void faults_fail(int watch, int kind, uint64_t skip, uint64_t times, int error);

// Makes every call of a kind take that much longer: a slow disk.
void faults_delay(int watch, int kind, unsigned microseconds);

// Holds calls of a kind back until they are released with `hold` false.
void faults_hold(int watch, int kind, bool hold);

// How many calls are held back now.
int faults_held(int watch);

// Keeps what the calls on one watch write, and where, and when they wait for the disk: one entry
// after the other, each a kind (1 byte), an offset and a length (8 bytes each, this machine's
// order), and the bytes written; a wait has no bytes. A watch of one file alone makes sense of it.
void faults_record(int watch);

// The entries so far: how many, and their bytes. Valid until the next call that is recorded, so ask
// for the bytes when nothing is under way.
uint64_t faults_recorded_count(int watch);
size_t faults_recorded(int watch, const uint8_t **bytes);

// The kinds of the calls so far, in order; returns how many were stored.
size_t faults_order(int watch, uint8_t *kinds, size_t capacity);

#endif
