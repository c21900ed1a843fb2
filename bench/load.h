/* What the load tools share: the clock, canned RTMP bytes, a synthetic stream and its cadence, and
 * the line protocol on stdin and stdout through which the bench steers them. */
#ifndef HEADEND_BENCH_LOAD_H
#define HEADEND_BENCH_LOAD_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    HANDSHAKE_BYTES = 1 + 1536 + 1536,
    CLIENT_CHUNK_BYTES = 4096, /* what OBS announces */
    ACK_WINDOW_BYTES = 2500000,
    TYPE_AUDIO = 8,
    TYPE_VIDEO = 9,
    STAMP_ID_BYTES = 16,
    STAMP_BYTES = 32,        /* 16 bytes that say "a stamp follows", 16 hexadecimal digits */
    VIDEO_STAMP_OFFSET = 12, /* 5 of the FLV video header, 4 length, 3 of the SEI message */
    AUDIO_STAMP_OFFSET = 4,  /* 2 of the FLV audio header, 2 of the AAC data stream element */
};

static const char STAMP_ID[STAMP_ID_BYTES + 1] = "headend-bench-ns";

static inline void die(const char *what) {
    fprintf(stderr, "%s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static inline int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void sleep_until_ns(int64_t due) {
    struct timespec t = {.tv_sec = due / 1000000000, .tv_nsec = due % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static inline void prepare_process(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

/* A probe that waits for its turn behind the load measures the load: refused without privileges, and then lived with. */
static inline void run_before_others(void) {
    struct sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) setpriority(PRIO_PROCESS, 0, -10);
}

static inline const char *option(int argc, char **argv, const char *name, const char *otherwise) {
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    return otherwise;
}

/* ---- bytes ------------------------------------------------------------------------------- */

struct bytes {
    uint8_t *data;
    size_t size, room;
};

static inline void put(struct bytes *b, const void *data, size_t size) {
    if (b->size + size > b->room) {
        b->room = 2 * (b->size + size);
        b->data = realloc(b->data, b->room);
        if (!b->data) die("realloc");
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static inline void drop_front(struct bytes *b, size_t size) {
    b->size -= size;
    memmove(b->data, b->data + size, b->size);
}

static inline void put_number(struct bytes *b, uint64_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
        uint8_t byte = (uint8_t)(value >> shift);
        put(b, &byte, 1);
    }
}

static inline void put_key(struct bytes *b, const char *text) {
    put_number(b, strlen(text), 2);
    put(b, text, strlen(text));
}

static inline void amf_string(struct bytes *b, const char *text) {
    put_number(b, 0x02, 1);
    put_key(b, text);
}

static inline void amf_number(struct bytes *b, double value) {
    uint64_t bits;
    memcpy(&bits, &value, 8);
    put_number(b, 0x00, 1);
    put_number(b, bits, 8);
}

static inline void amf_null(struct bytes *b) { put_number(b, 0x05, 1); }

static inline void amf_command(struct bytes *b, const char *name, double transaction) {
    amf_string(b, name);
    amf_number(b, transaction);
}

/* Appends one message as chunks, the first with a type 0 header (RTMP 1.0, 5.3.1). */
static inline void put_message(struct bytes *out, int chunk_stream, uint32_t timestamp, int type, int stream,
                               const struct bytes *body, size_t chunk) {
    put_number(out, chunk_stream, 1);
    put_number(out, timestamp, 3);
    put_number(out, body->size, 3);
    put_number(out, type, 1);
    uint8_t little[4] = {(uint8_t)stream, 0, 0, 0};
    put(out, little, 4);
    for (size_t at = 0; at < body->size; at += chunk) {
        if (at) put_number(out, 0xc0 | chunk_stream, 1);
        put(out, body->data + at, body->size - at < chunk ? body->size - at : chunk);
    }
}

static inline void put_control(struct bytes *out, int type, uint32_t value) {
    struct bytes body = {0};
    put_number(&body, value, 4);
    put_message(out, 2, 0, type, 0, &body, 128);
    free(body.data);
}

static inline void put_command(struct bytes *out, int stream, struct bytes *body) {
    put_message(out, 3, 0, 20, stream, body, CLIENT_CHUNK_BYTES);
    body->size = 0;
}

/* ---- a client's dialogue, without parsing ------------------------------------------------- */

enum { STEPS = 4 };

/* What to send at each step, and the bytes in the answer that end it; step 0 ends with S2. */
struct dialogue {
    struct bytes say[STEPS];
    char hear[STEPS][32];
    size_t hear_size[STEPS];
};

enum peer_state { PEER_TALKS, PEER_READY, PEER_CLOSED };

struct peer {
    int fd;
    uint8_t state, step;
    uint8_t carried;    /* bytes of `carry`, the end of what was searched last */
    bool refused;
    uint8_t carry[31];
    uint64_t received; /* decrypted */
    void *tls;
};

#include "load_tls.h"

static inline void hear_result(struct dialogue *d, int step, double transaction) {
    struct bytes b = {0};
    put(&b, "_result", 7);
    amf_number(&b, transaction);
    memcpy(d->hear[step], b.data, b.size);
    d->hear_size[step] = b.size;
    free(b.data);
}

static inline void hear_text(struct dialogue *d, int step, const char *text) {
    d->hear_size[step] = strlen(text);
    memcpy(d->hear[step], text, strlen(text));
}

static inline void begin_dialogue(struct dialogue *d, const char *app, const char *flash_version) {
    char url[300];
    snprintf(url, sizeof url, "rtmp://127.0.0.1/%s", app);
    put_number(&d->say[0], 3, 1); /* C0, C1: time and zero, then filler */
    put_number(&d->say[0], 0, 8);
    for (int i = 0; i < 1528; i++) put_number(&d->say[0], (7 * i + 3) & 0xff, 1);
    for (int i = 0; i < 1536; i++) put_number(&d->say[1], 0, 1); /* C2; no server compares it */
    put_control(&d->say[1], 1, CLIENT_CHUNK_BYTES);
    struct bytes b = {0};
    amf_command(&b, "connect", 1);
    put_number(&b, 0x03, 1);
    put_key(&b, "app"), amf_string(&b, app);
    put_key(&b, "flashVer"), amf_string(&b, flash_version);
    put_key(&b, "tcUrl"), amf_string(&b, url);
    put_number(&b, 0x000009, 3);
    put_command(&d->say[1], 0, &b);
    hear_result(d, 1, 1);
    free(b.data);
}

static inline void play_dialogue(struct dialogue *d, const char *app, const char *name) {
    begin_dialogue(d, app, "LNX 9,0,124,2");
    struct bytes b = {0};
    amf_command(&b, "createStream", 2), amf_null(&b);
    put_command(&d->say[2], 0, &b);
    hear_result(d, 2, 2);
    amf_command(&b, "play", 4), amf_null(&b), amf_string(&b, name), amf_number(&b, -2000);
    put_command(&d->say[3], 1, &b);
    hear_text(d, 3, "NetStream.Play.Start");
    free(b.data);
}

static inline void flv_dialogue(struct dialogue *d, const char *app, const char *name) {
    char request[400];
    int size = snprintf(request, sizeof request, "GET /%s/%s.flv HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", app, name);
    put(&d->say[STEPS - 1], request, (size_t)size);
    hear_text(d, STEPS - 1, "HTTP/1.1 200 ");
}

static inline void publish_dialogue(struct dialogue *d, const char *app, const char *name) {
    begin_dialogue(d, app, "FMLE/3.0 (compatible; FMSc/1.0)");
    struct bytes b = {0};
    amf_command(&b, "releaseStream", 2), amf_null(&b), amf_string(&b, name);
    put_command(&d->say[2], 0, &b);
    amf_command(&b, "FCPublish", 3), amf_null(&b), amf_string(&b, name);
    put_command(&d->say[2], 0, &b);
    amf_command(&b, "createStream", 4), amf_null(&b);
    put_command(&d->say[2], 0, &b);
    hear_result(d, 2, 4);
    amf_command(&b, "publish", 5), amf_null(&b), amf_string(&b, name), amf_string(&b, "live");
    put_command(&d->say[3], 1, &b);
    hear_text(d, 3, "NetStream.Publish.Start");
    free(b.data);
}

/* Local ports end at about 28 000 for one address; 127/8 has others. */
static inline int connect_from(const char *host, int port, int index) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket");
    int on = 1, receive_bytes = 1 << 20; /* cut to net.core.rmem_max: a keyframe fits the window */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (index >= 20000) {
        setsockopt(fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &on, sizeof on);
        address.sin_addr.s_addr = htonl(0x7f000001 + (uint32_t)index / 20000);
        if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
    }
    address.sin_port = htons((uint16_t)port);
    inet_pton(AF_INET, host, &address.sin_addr);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) die("connect");
    return fd;
}

static inline bool say(const struct peer *p, const struct bytes *b) {
    return peer_send(p, b->data, b->size) == (ssize_t)b->size;
}

static inline bool holds(const uint8_t *data, size_t size, const char *text, size_t text_size) {
    return memmem(data, size, text, text_size) != NULL;
}

/* Gives a peer in PEER_TALKS what it received; answers and moves it on. False: the peer is lost. */
static inline bool advance(struct peer *p, const struct dialogue *d, const uint8_t *data, size_t size) {
    uint64_t before = p->received;
    p->received += size;
    if (p->step == 0) {
        if (p->received < HANDSHAKE_BYTES) return true;
        size_t used = HANDSHAKE_BYTES - before;
        data += used, size -= used;
        p->step = 1;
        if (!say(p, &d->say[1])) return false;
    }
    static uint8_t joined[sizeof p->carry + (1 << 18)];
    memcpy(joined, p->carry, p->carried);
    memcpy(joined + p->carried, data, size);
    size_t total = p->carried + size;
    if (holds(joined, total, "\x02\x00\x05" "error", 8)) p->refused = true;
    if (p->refused) return false;
    if (holds(joined, total, d->hear[p->step], d->hear_size[p->step])) {
        p->carried = 0;
        if (++p->step == STEPS) p->state = PEER_READY;
        else return say(p, &d->say[p->step]);
        return true;
    }
    p->carried = total < sizeof p->carry ? (uint8_t)total : sizeof p->carry;
    memcpy(p->carry, joined + total - p->carried, p->carried);
    return true;
}

/* ---- the stream: 30 video and 43 audio messages a second, a keyframe every 2 s ------------- */

static const uint8_t AVC_HEADER[] = { /* avcC of a 1280x720 High 3.1 stream by x264 */
    0x17, 0, 0, 0, 0, 0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x6a, 0x02, 0x02, 0x02, 0x80, 0x00, 0x00, 0x03, 0x00, 0x80, 0x00, 0x00, 0x1e, 0x07, 0x8c,
    0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00};
static const uint8_t AAC_HEADER[] = {0xaf, 0x00, 0x12, 0x10}; /* LC, 44.1 kHz, stereo */

enum { KEYFRAME_EVERY = 60, KEYFRAME_WEIGHT = 8, FRAMES_PER_SECOND = 30 };

static inline void put_stamp(uint8_t *at, int64_t clock_ns) {
    static const char digits[] = "0123456789abcdef";
    memcpy(at, STAMP_ID, STAMP_ID_BYTES);
    for (int i = 0; i < 16; i++) at[STAMP_ID_BYTES + i] = digits[(clock_ns >> (60 - 4 * i)) & 15];
}

static inline void put_filler(struct bytes *b, size_t size) {
    uint32_t noise = 1;
    for (size_t i = 0; i < size; i++) {
        noise = noise * 1103515245 + 12345;
        put_number(b, 1 + (noise >> 16) % 255, 1); /* no zero: no start code, no emulation bytes */
    }
}

/* A picture: the stamp in an SEI message (user data unregistered), then one slice of noise. */
static inline struct bytes picture(bool keyframe, size_t size) {
    struct bytes b = {0};
    put_number(&b, keyframe ? 0x17 : 0x27, 1);
    put_number(&b, 0x01000000, 4);
    put_number(&b, 3 + STAMP_BYTES + 1, 4);
    put_number(&b, 0x060500 | STAMP_BYTES, 3);
    for (int i = 0; i < STAMP_BYTES; i++) put_number(&b, '0', 1);
    put_number(&b, 0x80, 1);
    size_t slice = size > b.size + 5 ? size - b.size - 4 : 1;
    put_number(&b, slice, 4);
    put_number(&b, keyframe ? 0x65 : 0x41, 1);
    put_filler(&b, slice - 1);
    return b;
}

/* An AAC frame: the stamp in a data stream element (ISO 14496-3, 4.4.2.5), then noise. */
static inline struct bytes sound(size_t size) {
    struct bytes b = {0};
    put_number(&b, 0xaf018100 | STAMP_BYTES, 4);
    for (int i = 0; i < STAMP_BYTES; i++) put_number(&b, '0', 1);
    if (size > b.size) put_filler(&b, size - b.size);
    return b;
}

struct media {
    struct bytes keyframe, inter, audio;
};

static inline struct media make_media(int total_kbps) {
    int audio_kbps = total_kbps >= 1000 ? 128 : 64;
    double video_bytes_per_gop = (total_kbps - audio_kbps) * 125.0 * KEYFRAME_EVERY / FRAMES_PER_SECOND;
    size_t inter = (size_t)(video_bytes_per_gop / (KEYFRAME_EVERY - 1 + KEYFRAME_WEIGHT));
    return (struct media){
        .keyframe = picture(true, KEYFRAME_WEIGHT * inter),
        .inter = picture(false, inter),
        .audio = sound((size_t)(audio_kbps * 125.0 * 1024 / 44100)),
    };
}

/* Place in the stream; due times are ns of media time. */
struct cadence {
    int64_t video, audio;
};

static inline int64_t video_due(const struct cadence *c) { return c->video * 1000000000 / FRAMES_PER_SECOND; }
static inline int64_t audio_due(const struct cadence *c) { return c->audio * 1024 * 1000000000 / 44100; }
static inline bool video_is_next(const struct cadence *c) { return video_due(c) <= audio_due(c); }

static inline int64_t next_due(const struct cadence *c) {
    return video_is_next(c) ? video_due(c) : audio_due(c);
}

/* ---- line protocol -------------------------------------------------------------------------- */

/* Reads one command from stdin (set non-blocking); NULL when there is none. At the end: "quit". */
static inline char *next_command(void) {
    static char line[128];
    static size_t filled;
    for (;;) {
        ssize_t n = read(0, line + filled, 1);
        if (n == 0) return strcpy(line, "quit");
        if (n < 0) return NULL;
        if (line[filled] == '\n' || filled == sizeof line - 2) {
            line[filled] = 0;
            filled = 0;
            return line;
        }
        filled++;
    }
}

static inline void listen_to_commands(void) { fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK); }

#endif
