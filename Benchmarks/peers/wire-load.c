// A load generator for Holdfast's wire: one thread, epoll, non-blocking sockets.
//
//   cc -O2 -o wire-load wire-load.c
//   wire-load bulk   --port P --project NAME [--connections N] [--window LINES] [--users N]
//                    [--seconds S] [--prime]
//   wire-load signed --port P --project NAME --id SECRETID --key SECRETKEY [--connections N]
//                    [--users N] [--seconds S]
//   wire-load hello  --port P [--path /] [--connections N] [--seconds S]
//
// bulk streams reconnect lines to POST /v1/commands and counts the lines that come back; --prime
// gives every user a session first. signed sends ApplyConcurrent, signed beforehand with
// TC3-HMAC-SHA256, one at a time on each connection; hello does the same with a plain GET. Each
// prints one line of JSON. Latency is from the moment a line or request is queued for sending until
// its answer has been read. --id and --key make bulk sign its requests; without them it is anonymous.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
    fprintf(stderr, "wire-load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// ---- SHA-256 and HMAC, as in FIPS 180-4 and 198-1

typedef struct { uint32_t h[8]; uint64_t length; uint8_t block[64]; size_t fill; } sha256;

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))

static void sha_block(sha256 *s, const uint8_t *p) {
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (ROR(a, 7) ^ ROR(a, 18) ^ a >> 3) + w[i - 7]
            + (ROR(b, 17) ^ ROR(b, 19) ^ b >> 10);
    }
    memcpy(v, s->h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = v[7] + (ROR(v[4], 6) ^ ROR(v[4], 11) ^ ROR(v[4], 25))
            + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + w[i];
        uint32_t t2 = (ROR(v[0], 2) ^ ROR(v[0], 13) ^ ROR(v[0], 22))
            + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof v[0]);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) s->h[i] += v[i];
}

static void sha_begin(sha256 *s) {
    static const uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->h, h, sizeof h);
    s->length = s->fill = 0;
}

static void sha_add(sha256 *s, const void *data, size_t count) {
    const uint8_t *p = data;
    s->length += count;
    while (count--) {
        s->block[s->fill++] = *p++;
        if (s->fill == 64) sha_block(s, s->block), s->fill = 0;
    }
}

static void sha_end(sha256 *s, uint8_t out[32]) {
    uint64_t bits = s->length * 8;
    sha_add(s, "\x80", 1);
    while (s->fill != 56) sha_add(s, "", 1);
    uint8_t tail[8];
    for (int i = 0; i < 8; i++) tail[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha_add(s, tail, 8);
    for (int i = 0; i < 32; i++) out[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}

static void sha(const void *data, size_t count, uint8_t out[32]) {
    sha256 s;
    sha_begin(&s);
    sha_add(&s, data, count);
    sha_end(&s, out);
}

static void hmac(const void *key, size_t keyCount, const char *text, uint8_t out[32]) {
    uint8_t pad[64] = {0}, inner[32];
    sha256 s;
    if (keyCount > 64) sha(key, keyCount, pad); else memcpy(pad, key, keyCount);
    for (int i = 0; i < 64; i++) pad[i] ^= 0x36;
    sha_begin(&s), sha_add(&s, pad, 64), sha_add(&s, text, strlen(text)), sha_end(&s, inner);
    for (int i = 0; i < 64; i++) pad[i] ^= 0x36 ^ 0x5c;
    sha_begin(&s), sha_add(&s, pad, 64), sha_add(&s, inner, 32), sha_end(&s, out);
}

static void hex(const uint8_t *in, char out[65]) {
    for (int i = 0; i < 32; i++) sprintf(out + 2 * i, "%02x", in[i]);
}

// ---- Options

static const char *mode, *project = "bench", *path = "/", *secretId, *secretKey;
static int port, connectionCount = 8, window = 2048, isPriming;
static double seconds = 5;
static uint32_t users = 1000000;

static void options(int argc, char **argv) {
    if (argc < 2) die("usage: wire-load bulk|signed|hello --port P ...");
    mode = argv[1];
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "--prime")) { isPriming = 1; continue; }
        if (i + 1 == argc) die("an option lacks its value");
        char *name = argv[i], *value = argv[++i];
        if (!strcmp(name, "--port")) port = atoi(value);
        else if (!strcmp(name, "--project")) project = value;
        else if (!strcmp(name, "--path")) path = value;
        else if (!strcmp(name, "--id")) secretId = value;
        else if (!strcmp(name, "--key")) secretKey = value;
        else if (!strcmp(name, "--connections")) connectionCount = atoi(value);
        else if (!strcmp(name, "--window")) window = atoi(value);
        else if (!strcmp(name, "--users")) users = (uint32_t)atoi(value);
        else if (!strcmp(name, "--seconds")) seconds = atof(value);
        else die("unknown option");
    }
    if (!port || connectionCount < 1 || window < 1 || users < 1) die("an option is out of bounds");
}

// Headers of a request signed with TC3, ending in a blank line.
static int signedHead(
    char *out, size_t room, const char *target, const char *type, const char *action,
    const char *body, const char *length
) {
    char date[16], host[32], canonical[1024], text[512], digest[65], scope[64];
    uint8_t hash[32], key[32];
    time_t t = time(NULL);
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&t));
    sprintf(host, "127.0.0.1:%d", port);
    const char *payload = body ? body : "UNSIGNED-PAYLOAD";
    sha(payload, strlen(payload), hash), hex(hash, digest);
    int count = snprintf(
        canonical, sizeof canonical,
        "POST\n%s\n\ncontent-type:%s\nhost:%s\n\ncontent-type;host\n%s", target, type, host,
        digest);
    sha(canonical, (size_t)count, hash), hex(hash, digest);
    snprintf(scope, sizeof scope, "%s/car/tc3_request", date);
    snprintf(text, sizeof text, "TC3-HMAC-SHA256\n%ld\n%s\n%s", (long)t, scope, digest);
    char first[256];
    int firstCount = snprintf(first, sizeof first, "TC3%s", secretKey);
    hmac(first, (size_t)firstCount, date, key);
    hmac(key, 32, "car", key);
    hmac(key, 32, "tc3_request", key);
    hmac(key, 32, text, hash), hex(hash, digest);
    return snprintf(
        out, room,
        "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nX-TC-Action: %s\r\n"
        "X-TC-Version: 2022-01-10\r\nX-TC-Timestamp: %ld\r\n%s"
        "Authorization: TC3-HMAC-SHA256 Credential=%s/%s, SignedHeaders=content-type;host, "
        "Signature=%s\r\n%s\r\n\r\n",
        target, host, type, action, (long)t,
        body ? "" : "X-TC-Content-SHA256: UNSIGNED-PAYLOAD\r\n", secretId, scope, digest, length);
}

// ---- Latencies: buckets a 32nd of a power of two wide

static uint64_t buckets[64 * 32];

static void count(uint64_t ns) {
    if (ns < 32) { buckets[ns]++; return; }
    int top = 63 - __builtin_clzll(ns);
    buckets[(top - 4) * 32 + (int)(ns >> (top - 5) & 31)]++;
}

static double percentile(double share) {
    uint64_t total = 0, sum = 0;
    for (int i = 0; i < 64 * 32; i++) total += buckets[i];
    for (int i = 0; i < 64 * 32; i++) {
        sum += buckets[i];
        if (sum && (double)sum >= share * (double)total) {
            if (i < 32) return i / 1e6;
            return (double)((uint64_t)(32 + i % 32) << (i / 32 - 1)) / 1e6;
        }
    }
    return 0;
}

// ---- Connections

typedef struct {
    int fd, isWaiting;                  // for room to write
    char *out; size_t outCount, outSent, outRoom;
    char *in; size_t inCount, inRoom;
    // of a chunked reply
    int isHeadRead; size_t chunkLeft; int chunkState;
    char line[4096]; size_t lineCount;
    uint64_t *sentAt; uint64_t sent, answered;
} connection;

static connection *connections;
static int poller;
static uint64_t answered, refused, failed;
static int isRunning = 1;

static void connectAll(size_t outRoom) {
    poller = epoll_create1(0);
    connections = calloc((size_t)connectionCount, sizeof *connections);
    for (int i = 0; i < connectionCount; i++) {
        connection *c = &connections[i];
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (struct sockaddr *)&a, sizeof a)) die("cannot connect");
        int one = 1;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        c->outRoom = outRoom, c->out = malloc(outRoom);
        c->inRoom = 1 << 18, c->in = malloc(c->inRoom);
        c->sentAt = calloc((size_t)window, sizeof *c->sentAt);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
    }
}

static void flush(connection *c) {
    while (c->outSent < c->outCount) {
        ssize_t n = send(c->fd, c->out + c->outSent, c->outCount - c->outSent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) die("cannot send");
        c->outSent += (size_t)n;
    }
    if (c->outSent == c->outCount) c->outSent = c->outCount = 0;
    int isWaiting = c->outCount > 0;
    if (isWaiting != c->isWaiting) {
        c->isWaiting = isWaiting;
        struct epoll_event e = {
            .events = EPOLLIN | (isWaiting ? EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    }
}

static void append(connection *c, const void *bytes, size_t n) {
    if (c->outCount + n > c->outRoom) die("the buffer is too small");
    memcpy(c->out + c->outCount, bytes, n);
    c->outCount += n;
}

// ---- bulk

static uint64_t seed = 88172645463325252u;

static uint32_t randomUser(void) {
    seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
    return (uint32_t)((seed >> 32) * users >> 32);
}

static uint32_t primed;
static int primeStep;

// The next line, or 0 when there is none (priming is over).
static size_t nextLine(char *out) {
    uint32_t user;
    const char *action;
    if (isPriming) {
        if (primed == users) {
            if (primeStep == 1) return 0;
            primed = 0, primeStep = 1;
        }
        user = primed++, action = primeStep ? "createSession" : "apply";
    } else {
        user = randomUser(), action = "reconnect";
    }
    char *p = out;
    p = stpcpy(stpcpy(stpcpy(p, "{\"action\":\""), action), "\",\"user\":\"user");
    for (int i = 11; i >= 0; i--) p[i] = (char)('0' + user % 10), user /= 10;
    p += 12;
    *p++ = '"';
    if (!(isPriming && primeStep)) p = stpcpy(stpcpy(stpcpy(p, ",\"project\":\""), project), "\"");
    *p++ = '}', *p++ = '\n';
    return (size_t)(p - out);
}

// Fills the window with one chunk.
static void fillBulk(connection *c) {
    if (c->outCount || !isRunning) return;
    size_t start = c->outCount;
    c->outCount += 8;                                   // "XXXXXX\r\n"
    uint64_t t = now();
    while (c->sent - c->answered < (uint64_t)window && c->outCount - start < 60000) {
        size_t n = nextLine(c->out + c->outCount);
        if (!n) break;
        c->outCount += n;
        c->sentAt[c->sent++ % (uint64_t)window] = t;
    }
    size_t n = c->outCount - start - 8;
    if (!n) { c->outCount = start; return; }
    char size[24];
    sprintf(size, "%06zx\r\n", n);
    memcpy(c->out + start, size, 8);
    append(c, "\r\n", 2);
    flush(c);
}

static void takeLine(connection *c, const char *line, size_t n, uint64_t t) {
    if (n > 8 && !memcmp(line, "{\"line\":", 8)) {
        size_t i = 8;
        while (i < n && line[i] >= '0' && line[i] <= '9') i++;
        if (n - i > 9 && !memcmp(line + i, ",\"error\":", 9)) {
            if (!refused++) fprintf(stderr, "wire-load: %.*s\n", (int)n, line);
        }
    } else {
        fprintf(stderr, "wire-load: %.*s\n", (int)n, line);
        die("the stream ended");
    }
    if (c->answered == c->sent) die("more answers than lines");
    count(t - c->sentAt[c->answered++ % (uint64_t)window]);
    answered++;
}

static void takeData(connection *c, const char *p, size_t n, uint64_t t) {
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t part = end ? (size_t)(end - p) : n;
        if (end && !c->lineCount) {
            takeLine(c, p, part, t);
        } else {
            if (c->lineCount + part > sizeof c->line) die("an answer is too long");
            memcpy(c->line + c->lineCount, p, part);
            c->lineCount += part;
            if (end) takeLine(c, c->line, c->lineCount, t), c->lineCount = 0;
        }
        if (end) part++;
        p += part, n -= part;
    }
}

// Takes chunks apart: state 0 reads a size, 1 the rest of its line, 2 data, 3 the CR LF after it.
static void takeChunks(connection *c, const char *p, size_t n) {
    uint64_t t = now();
    while (n) {
        if (c->chunkState == 2) {
            size_t part = n < c->chunkLeft ? n : c->chunkLeft;
            takeData(c, p, part, t);
            p += part, n -= part, c->chunkLeft -= part;
            if (!c->chunkLeft) c->chunkState = 3;
            continue;
        }
        char b = *p++;
        n--;
        if (b == '\n') {
            if (c->chunkState == 3) c->chunkState = 0, c->chunkLeft = 0;
            else if (c->chunkLeft) c->chunkState = 2;
            else die("the server ended the stream");
        } else if (c->chunkState == 0 && b != '\r') {
            int digit = b <= '9' ? b - '0' : (b | 32) - 'a' + 10;
            c->chunkLeft = c->chunkLeft << 4 | (size_t)digit;
        }
    }
}

static void readBulk(connection *c) {
    for (int i = 0; i < 8; i++) {
        ssize_t n = recv(c->fd, c->in + c->inCount, c->inRoom - c->inCount - 1, 0);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) die("the connection ended");
        char *p = c->in;
        size_t count = c->inCount + (size_t)n;
        if (!c->isHeadRead) {
            c->in[count] = 0;
            c->inCount = count;
            char *end = strstr(c->in, "\r\n\r\n");
            if (!end) return;
            if (memcmp(c->in, "HTTP/1.1 200", 12)) errno = 0, fputs(c->in, stderr), die("refused");
            c->isHeadRead = 1, c->inCount = 0;
            p = end + 4, count -= (size_t)(p - c->in);
        }
        takeChunks(c, p, count);
    }
}

static void startBulk(connection *c) {
    char head[2048];
    const char *type = "application/x-ndjson", *chunked = "Transfer-Encoding: chunked";
    int n = secretId
        ? signedHead(head, sizeof head, "/v1/commands", type, "Commands", NULL, chunked)
        : snprintf(
            head, sizeof head,
            "POST /v1/commands HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: %s\r\n%s\r\n\r\n",
            port, type, chunked);
    append(c, head, (size_t)n);
    flush(c);
}

// ---- signed, hello

static char **requests;
static size_t *requestCounts, requestCount, nextRequest;

static void prepareRequests(void) {
    char head[2048], body[512], length[64];
    requestCount = strcmp(mode, "signed") ? 1 : users < 100000 ? users : 100000;
    requests = calloc(requestCount, sizeof *requests);
    requestCounts = calloc(requestCount, sizeof *requestCounts);
    for (size_t i = 0; i < requestCount; i++) {
        int n;
        body[0] = 0;
        if (strcmp(mode, "signed")) {
            n = snprintf(
                head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", path, port);
        } else {
            if (!secretId || !secretKey) die("--id and --key are wanted");
            // As the vendor's Python SDK writes it.
            sprintf(
                body, "{\"UserId\": \"user%012zu\", \"UserIp\": \"203.0.113.7\", "
                "\"ProjectId\": \"%s\"}", i, project);
            sprintf(length, "Content-Length: %zu", strlen(body));
            n = signedHead(
                head, sizeof head, "/", "application/json", "ApplyConcurrent", body, length);
        }
        requests[i] = malloc((size_t)n + strlen(body) + 1);
        requestCounts[i] = (size_t)n + strlen(body);
        memcpy(requests[i], head, (size_t)n);
        strcpy(requests[i] + n, body);
    }
}

static void ask(connection *c) {
    if (!isRunning) return;
    size_t i = nextRequest++ % requestCount;
    append(c, requests[i], requestCounts[i]);
    c->sentAt[0] = now();
    flush(c);
}

static void readReply(connection *c) {
    ssize_t n = recv(c->fd, c->in + c->inCount, c->inRoom - c->inCount - 1, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) die("the connection ended");
    c->inCount += (size_t)n;
    c->in[c->inCount] = 0;
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) return;
    char *length = strcasestr(c->in, "\ncontent-length:");
    size_t whole = (size_t)(end + 4 - c->in) + (length ? strtoul(length + 16, NULL, 10) : 0);
    if (c->inCount < whole) return;
    if (memcmp(c->in + 9, "200", 3)) failed++;
    if (strstr(end, "\"Error\"") && !refused++) fprintf(stderr, "wire-load: %s\n", end + 4);
    count(now() - c->sentAt[0]);
    answered++;
    c->inCount = 0;
    ask(c);
}

// ---- Running

static uint64_t cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run(double length, int isBulk) {
    uint64_t end = now() + (uint64_t)(length * 1e9);
    struct epoll_event events[256];
    while (now() < end) {
        int n = epoll_wait(poller, events, 256, 100);
        for (int i = 0; i < n; i++) {
            connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) flush(c);
            if (events[i].events & ~(unsigned)EPOLLOUT) isBulk ? readBulk(c) : readReply(c);
            if (isBulk) fillBulk(c);
        }
        if (isPriming && primeStep && primed == users) {
            uint64_t open = 0;
            for (int i = 0; i < connectionCount; i++)
                open += connections[i].sent - connections[i].answered;
            if (!open) return;
        }
    }
}

int main(int argc, char **argv) {
    options(argc, argv);
    int isBulk = !strcmp(mode, "bulk");
    if (!isBulk) prepareRequests();
    connectAll(isBulk ? 1 << 16 : 4096);
    for (int i = 0; i < connectionCount; i++) isBulk ? startBulk(&connections[i]) : (void)0;
    if (isBulk) for (int i = 0; i < connectionCount; i++) fillBulk(&connections[i]);
    else for (int i = 0; i < connectionCount; i++) ask(&connections[i]);
    if (isBulk && isPriming) {
        run(600, 1);
        fprintf(stderr, "wire-load: %u users primed\n", users);
        isPriming = 0;
        for (int i = 0; i < connectionCount; i++) fillBulk(&connections[i]);
    }
    run(1, isBulk);                                     // warm
    memset(buckets, 0, sizeof buckets);
    answered = refused = failed = 0;
    uint64_t start = now(), startCPU = cpu();
    run(seconds, isBulk);
    double length = (double)(now() - start) / 1e9;
    printf(
        "{\"mode\":\"%s\",\"connections\":%d,\"window\":%d,\"users\":%u,\"seconds\":%.3f,"
        "\"count\":%llu,\"perSecond\":%.0f,\"p50ms\":%.3f,\"p99ms\":%.3f,\"refused\":%llu,"
        "\"failed\":%llu,\"clientCPUShare\":%.3f}\n",
        mode, connectionCount, isBulk ? window : 1, users, length, (unsigned long long)answered,
        (double)answered / length, percentile(0.5), percentile(0.99),
        (unsigned long long)refused, (unsigned long long)failed,
        (double)(cpu() - startCPU) / 1e9 / length);
    return 0;
}
