#ifndef CFAULTS_H
#define CFAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Stands between this process and the disk: the functions that open, write, size, name and wait for
// the disk are defined here, forward to the kernel, and on request count, hold, fail, shorten or
// keep a journal of the calls on chosen files. Linux with a dynamic C library only; elsewhere
// faults_available() is false.

enum faults_kind {
    faults_write = 0,    // pwrite, pwritev, write, writev to a file that is synced later
    faults_sync = 1,     // fdatasync, fsync, of files and of directories
    faults_durable = 2,  // a write that is its own sync (O_DSYNC)
    faults_open = 3,     // open, openat
    faults_map = 4,      // mmap of a file
    faults_size = 5,     // ftruncate, posix_fallocate
    faults_name = 6,     // rename, link, unlink, mkdir, rmdir
    faults_kind_count = 7
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

// Lets `times` writes take only half of what they were given, after `skip` whole ones.
void faults_shorten(int watch, uint64_t skip, uint64_t times);

// Makes every call of a kind take that much longer: a slow disk.
void faults_delay(int watch, int kind, unsigned microseconds);

// Holds calls of a kind back until they are released with `hold` false.
void faults_hold(int watch, int kind, bool hold);

// How many calls are held back now.
int faults_held(int watch);

// What a journal keeps of the calls that succeeded.
enum faults_step {
    faults_step_create = 1,       // path, inode: a file that was not there before
    faults_step_make = 2,         // path, inode: a directory
    faults_step_write = 3,        // inode, offset, bytes
    faults_step_resize = 4,       // inode, offset: the new size
    faults_step_extend = 5,       // inode, offset: the size is at least this
    faults_step_sync = 6,         // inode
    faults_step_rename = 7,       // path, other path
    faults_step_link = 8,         // path, other path
    faults_step_remove = 9,       // path
    faults_step_write_sync = 10,  // as write, and on disk when the call returned
};

// Keeps a journal from now on: one entry after the other, each a step (1 byte), then in this
// machine's order how many entries there were when the call began, the inode, the offset, and the
// lengths of path, other path and bytes (8 bytes each), then those three. What is written through
// maps is not in it.
void faults_journal(int watch);

// The entries so far: how many, and their bytes. Valid until the next call that is kept, so ask for
// the bytes when nothing is under way.
uint64_t faults_journal_count(int watch);
size_t faults_journal_bytes(int watch, const uint8_t **bytes);

// The kinds of the writes and syncs so far, in order; returns how many were stored.
size_t faults_order(int watch, uint8_t *kinds, size_t capacity);

#endif
