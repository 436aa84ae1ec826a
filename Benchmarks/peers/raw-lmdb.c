// The ceiling: values of given sizes appended to LMDB, one a commit, and nothing else. What an
// engine on LMDB makes of the same batches is measured against it.
//
//   cc -O2 -o raw-lmdb raw-lmdb.c -llmdb -lpthread
//
// Prints one line of JSON. See `usage` below.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: raw-lmdb --directory DIR (--sizes FILE | --bytes N) [options]\n"
    "  --directory DIR      an existing directory without a database\n"
    "  --sizes FILE         bytes of one value a line, taken in turn, over and over\n"
    "  --bytes N            all values have N bytes\n"
    "  --seconds S          how long to write (default 5)\n"
    "  --default            two barriers a commit: fdatasync, and O_DSYNC for the meta page\n"
    "  --no-meta-sync       one barrier a commit; a commit is durable once the next one is\n"
    "                       (the default)\n"
    "  --prepare HOW        space ahead of the last page: none, fallocate or zero\n"
    "                       (default none)\n"
    "  --chunk BYTES        how much of it at a time (default 67108864)\n"
    "  --event-bytes N      bytes of one event (default 80)\n"
    "  --overhead N         bytes of a value that are no events (default 0)\n";

enum prepare { PREPARE_NONE, PREPARE_FALLOCATE, PREPARE_ZERO };

static struct {
    const char *directory, *sizes;
    size_t bytes, chunk, event_bytes, overhead;
    double seconds;
    bool is_default;
    enum prepare prepare;
} options = {.chunk = 64 << 20, .event_bytes = 80, .seconds = 5};

static uint64_t barriers;

// LMDB calls these; the count is of what really happened.
int fdatasync(int file) {
    barriers++;
    return (int)syscall(SYS_fdatasync, file);
}

int fsync(int file) {
    barriers++;
    return (int)syscall(SYS_fsync, file);
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "raw-lmdb: %s: %s\n", what, why);
    exit(1);
}

static void check(int status, const char *what) {
    if (status != 0) fail(what, mdb_strerror(status));
}

static void *grown(void *old, size_t bytes) {
    void *memory = realloc(old, bytes);
    if (!memory) fail("memory", "there is not enough of it");
    return memory;
}

static uint64_t microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

// MARK: - Options

static void wrong(const char *why) {
    fprintf(stderr, "raw-lmdb: %s\n%s", why, usage);
    exit(2);
}

static size_t number(const char *text, const char *option) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || *end || end == text || value > (1ull << 40) || *text == '-') {
        fprintf(stderr, "raw-lmdb: %s takes a whole number, not %s\n", option, text);
        exit(2);
    }
    return (size_t)value;
}

static enum prepare prepare_named(const char *name) {
    if (!strcmp(name, "none")) return PREPARE_NONE;
    if (!strcmp(name, "fallocate")) return PREPARE_FALLOCATE;
    if (!strcmp(name, "zero")) return PREPARE_ZERO;
    wrong("--prepare takes none, fallocate or zero");
    return PREPARE_NONE;
}

static void parse(int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        const char *option = arguments[i];
        if (!strcmp(option, "--help")) {
            fputs(usage, stdout);
            exit(0);
        }
        if (!strcmp(option, "--default")) {
            options.is_default = true;
            continue;
        }
        if (!strcmp(option, "--no-meta-sync")) {
            options.is_default = false;
            continue;
        }
        if (++i >= count) wrong("an option without its value, or an unknown one");
        const char *value = arguments[i];
        if (!strcmp(option, "--directory")) options.directory = value;
        else if (!strcmp(option, "--sizes")) options.sizes = value;
        else if (!strcmp(option, "--bytes")) options.bytes = number(value, option);
        else if (!strcmp(option, "--chunk")) options.chunk = number(value, option);
        else if (!strcmp(option, "--event-bytes")) options.event_bytes = number(value, option);
        else if (!strcmp(option, "--overhead")) options.overhead = number(value, option);
        else if (!strcmp(option, "--seconds")) options.seconds = strtod(value, NULL);
        else if (!strcmp(option, "--prepare")) options.prepare = prepare_named(value);
        else wrong("an unknown option");
    }
    if (!options.directory) wrong("--directory is missing");
    if (!options.sizes == !options.bytes) wrong("give either --sizes or --bytes");
    if (!options.event_bytes || !options.chunk) wrong("--event-bytes and --chunk are above 0");
    if (!(options.seconds > 0)) wrong("--seconds is above 0");
}

// The sizes of the values, taken in turn.
static size_t *read_sizes(size_t *count) {
    size_t *sizes = NULL;
    *count = 0;
    if (options.bytes) {
        sizes = grown(NULL, sizeof *sizes);
        sizes[(*count)++] = options.bytes;
        return sizes;
    }
    FILE *file = fopen(options.sizes, "r");
    if (!file) fail(options.sizes, strerror(errno));
    char line[64];
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (!*line) continue;
        sizes = grown(sizes, (*count + 1) * sizeof *sizes);
        sizes[*count] = number(line, options.sizes);
        if (!sizes[*count]) fail(options.sizes, "a value of no bytes");
        (*count)++;
    }
    fclose(file);
    if (!*count) fail(options.sizes, "no sizes in it");
    return sizes;
}

// MARK: - Space ahead

static int space_file = -1;
static uint64_t space_end;

// Blocks that exist already cost a commit no allocation; blocks that were written once cost it no
// change of the extent tree either.
static void prepare_space(uint64_t used) {
    if (options.prepare == PREPARE_NONE || used + options.chunk / 2 < space_end) return;
    if (space_end < used) space_end = used;
    if (options.prepare == PREPARE_FALLOCATE) {
        int status = posix_fallocate(space_file, (off_t)space_end, (off_t)options.chunk);
        if (status) fail("fallocate", strerror(status));
    } else {
        static char zeros[1 << 20];
        for (size_t done = 0; done < options.chunk;) {
            size_t part = options.chunk - done < sizeof zeros ? options.chunk - done : sizeof zeros;
            ssize_t written = pwrite(space_file, zeros, part, (off_t)(space_end + done));
            if (written <= 0) fail("write zeros", strerror(errno));
            done += (size_t)written;
        }
    }
    if (fdatasync(space_file)) fail("fdatasync", strerror(errno));
    space_end += options.chunk;
}

// MARK: - The run

struct result {
    double seconds;
    uint64_t commits, bytes, events;
    uint32_t *latencies;
};

static MDB_env *open_environment(MDB_dbi *table) {
    MDB_env *environment;
    check(mdb_env_create(&environment), "create");
    check(mdb_env_set_mapsize(environment, (size_t)1 << 40), "map size");
    check(mdb_env_set_maxdbs(environment, 16), "tables");
    unsigned flags = options.is_default ? 0 : MDB_NOMETASYNC;
    check(mdb_env_open(environment, options.directory, flags, 0600), options.directory);
    MDB_txn *transaction;
    check(mdb_txn_begin(environment, NULL, 0, &transaction), "begin");
    check(mdb_dbi_open(transaction, "batches", MDB_CREATE, table), "table");
    check(mdb_txn_commit(transaction), "commit");
    MDB_envinfo info;
    check(mdb_env_info(environment, &info), "info");
    if (info.me_last_txnid != 1) fail(options.directory, "there is a database in it already");
    char path[4096];
    snprintf(path, sizeof path, "%s/data.mdb", options.directory);
    space_file = open(path, O_WRONLY | O_CLOEXEC);
    if (space_file < 0) fail(path, strerror(errno));
    return environment;
}

static void append(MDB_env *environment, MDB_dbi table, uint64_t first, const char *bytes,
                   size_t count) {
    MDB_txn *transaction;
    check(mdb_txn_begin(environment, NULL, 0, &transaction), "begin");
    uint64_t big_endian = __builtin_bswap64(first);
    MDB_val key = {sizeof big_endian, &big_endian}, value = {count, NULL};
    check(mdb_put(transaction, table, &key, &value, MDB_APPEND | MDB_RESERVE), "put");
    memcpy(value.mv_data, bytes, count);
    check(mdb_txn_commit(transaction), "commit");
}

static struct result run(const size_t *sizes, size_t size_count, const char *source,
                         size_t spread) {
    MDB_dbi table;
    MDB_env *environment = open_environment(&table);
    MDB_stat status;
    check(mdb_env_stat(environment, &status), "stat");
    MDB_envinfo info;
    check(mdb_env_info(environment, &info), "info");
    prepare_space((info.me_last_pgno + 1) * status.ms_psize);
    struct result result = {0};
    size_t capacity = 0;
    uint64_t position = 1, start = microseconds(), previous = start, now = start;
    uint64_t end = start + (uint64_t)(options.seconds * 1e6);
    barriers = 0;
    while (now < end) {
        size_t count = sizes[result.commits % size_count];
        check(mdb_env_info(environment, &info), "info");
        prepare_space((info.me_last_pgno + 1) * status.ms_psize + count);
        size_t offset = (result.commits * 4099) % spread;
        append(environment, table, position, source + offset, count);
        size_t payload = count > options.overhead ? count - options.overhead : 0;
        size_t events = payload / options.event_bytes;
        position += events ? events : 1;
        if (result.commits == capacity) {
            capacity = capacity ? capacity * 2 : 65536;
            result.latencies = grown(result.latencies, capacity * sizeof *result.latencies);
        }
        // Without the meta page's barrier a commit may be answered once the next one is through.
        uint64_t begun = options.is_default ? now : previous;
        previous = now;
        now = microseconds();
        result.latencies[result.commits++] = (uint32_t)(now - begun);
        result.bytes += count;
        result.events += events;
    }
    if (!options.is_default) check(mdb_env_sync(environment, 1), "sync");
    result.seconds = (double)(microseconds() - start) / 1e6;
    mdb_env_close(environment);
    return result;
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void print(struct result result) {
    uint64_t syncs = barriers + (options.is_default ? result.commits : 0);
    qsort(result.latencies, result.commits, sizeof *result.latencies, ascending);
    const char *prepare[] = {"none", "fallocate", "zero"};
    printf("{\"seconds\":%.6f,\"mode\":\"%s\",\"prepare\":\"%s\",\"commits\":%llu,"
           "\"bytes\":%llu,\"events\":%llu,\"eventsPerSecond\":%.1f,\"commitsPerSecond\":%.1f,"
           "\"syncs\":%llu,\"p50\":%u,\"p99\":%u,\"max\":%u,\"lmdb\":\"%d.%d.%d\"}\n",
           result.seconds, options.is_default ? "default" : "noMetaSync",
           prepare[options.prepare], (unsigned long long)result.commits,
           (unsigned long long)result.bytes, (unsigned long long)result.events,
           (double)result.events / result.seconds, (double)result.commits / result.seconds,
           (unsigned long long)syncs, result.latencies[result.commits / 2],
           result.latencies[result.commits * 99 / 100], result.latencies[result.commits - 1],
           MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
}

int main(int count, char **arguments) {
    parse(count, arguments);
    size_t size_count, longest = 0, spread = 1 << 20;
    size_t *sizes = read_sizes(&size_count);
    for (size_t i = 0; i < size_count; i++) longest = sizes[i] > longest ? sizes[i] : longest;
    char *source = grown(NULL, longest + spread);
    uint64_t random = 0x9E3779B97F4A7C15;
    for (size_t i = 0; i < longest + spread; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        source[i] = (char)random;
    }
    print(run(sizes, size_count, source, spread));
    free(source);
    free(sizes);
    return 0;
}
