/* probe HOST PORT APP NAME
 *
 * One player that does parse: it reads chunks, finds the stamp in each audio and video body and tells how
 * old it is when the last byte of the message has come. As `probe-tls` it speaks TLS. Commands on stdin, one
 * JSON line each on stdout ("ready" comes by itself):
 *   mark    messages, payload bytes and raw bytes since the last mark, with the ages; all start anew
 *   sample  forget the ages so far
 *   ages    median, 99th percentile and largest age since "mark" or "sample", in ms, of pictures and of
 *           sound, and the longest time between two messages
 *   quit
 */
#include "load.h"

enum { STREAMS = 64, HEAD_BYTES = 64, BUFFER_BYTES = 1 << 22, MOST_AGES = 1 << 20 };

struct chunk_stream {
    uint32_t length, have;
    uint8_t type;
    bool extended;
    uint8_t head[HEAD_BYTES]; /* all of a body that matters here */
};

static struct chunk_stream streams[STREAMS];
static uint32_t chunk_size = 128;
static uint64_t messages, payload_bytes, marked_bytes, acknowledged;
static struct ages {
    int64_t *at;
    size_t count;
} pictures, sounds;
static int64_t last_ns, gap_ns;
static struct peer peer;

static uint32_t number(const uint8_t *at, int size) {
    uint32_t value = 0;
    for (int i = 0; i < size; i++) value = value << 8 | at[i];
    return value;
}

static void answer(int type, uint16_t event, uint32_t value) {
    struct bytes out = {0}, body = {0};
    if (type == 4) put_number(&body, event, 2);
    put_number(&body, value, 4);
    put_message(&out, 2, 0, type, 0, &body, 128);
    say(&peer, &out);
    free(out.data), free(body.data);
}

static void take_message(const struct chunk_stream *s) {
    if (s->type == 1) chunk_size = number(s->head, 4);
    if (s->type == 4 && number(s->head, 2) == 6) answer(4, 7, number(s->head + 2, 4));
    if (s->type != TYPE_AUDIO && s->type != TYPE_VIDEO) return;
    const uint8_t *stamp = s->head + (s->type == TYPE_VIDEO ? VIDEO_STAMP_OFFSET : AUDIO_STAMP_OFFSET);
    if (s->length < HEAD_BYTES || memcmp(stamp, STAMP_ID, STAMP_ID_BYTES) != 0) return;
    char digits[17] = {0};
    memcpy(digits, stamp + STAMP_ID_BYTES, 16);
    int64_t now = now_ns();
    struct ages *ages = s->type == TYPE_VIDEO ? &pictures : &sounds;
    if (ages->count < MOST_AGES) ages->at[ages->count++] = now - (int64_t)strtoull(digits, NULL, 16);
    if (last_ns && now - last_ns > gap_ns) gap_ns = now - last_ns;
    last_ns = now;
    messages++;
    payload_bytes += s->length;
}

/* Reads one whole chunk (RTMP 1.0, 5.3.1); 0: it is not all there yet. */
static size_t take_chunk(const uint8_t *data, size_t size) {
    static const size_t header_bytes[4] = {11, 7, 3, 0};
    if (size < 1) return 0;
    int format = data[0] >> 6, id = data[0] & 63;
    if (id < 2) errno = 0, die("probe: chunk stream over 63");
    struct chunk_stream *s = &streams[id];
    size_t at = 1 + header_bytes[format];
    if (size < at) return 0;
    uint32_t length = format < 2 ? number(data + 4, 3) : s->length;
    bool extended = format < 3 ? number(data + 1, 3) == 0xffffff : s->extended;
    at += extended ? 4 : 0;
    uint32_t left = length - s->have, part = left < chunk_size ? left : chunk_size;
    if (size < at + part) return 0;
    s->length = length, s->extended = extended;
    if (format < 2) s->type = data[7];
    if (s->have < HEAD_BYTES) {
        uint32_t room = HEAD_BYTES - s->have;
        memcpy(s->head + s->have, data + at, part < room ? part : room);
    }
    s->have += part;
    if (s->have == s->length) s->have = 0, take_message(s);
    return at + part;
}

static void dialogue(const char *host, int port, const char *app, const char *name, struct bytes *rest) {
    /* Speaks like a load player, and keeps what came after S2 to be parsed from there on. */
    static uint8_t buffer[1 << 16];
    struct dialogue talk = {0};
    play_dialogue(&talk, app, name);
    peer.fd = connect_from(host, port, 0);
    fcntl(peer.fd, F_SETFL, 0);
    sleep_until_ns(now_ns() + 1000000);
    if (secure(&peer) < 0 || !say(&peer, &talk.say[0])) die("connect");
    while (peer.state != PEER_READY) {
        size_t skip = peer.received < HANDSHAKE_BYTES ? HANDSHAKE_BYTES - peer.received : 0;
        ssize_t n = peer_receive(&peer, buffer, sizeof buffer);
        if (n <= 0 || !advance(&peer, &talk, buffer, (size_t)n)) die("play was refused");
        if ((size_t)n > skip) put(rest, buffer + skip, (size_t)n - skip);
    }
    fcntl(peer.fd, F_SETFL, O_NONBLOCK);
}

static void parse(struct bytes *buffer) {
    size_t at = 0, used;
    while ((used = take_chunk(buffer->data + at, buffer->size - at))) at += used;
    drop_front(buffer, at);
}

static int by_age(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double age_ms(const struct ages *ages, double share) {
    return ages->count ? (double)ages->at[(size_t)(share * (double)(ages->count - 1))] / 1e6 : 0;
}

static void print_ages(const char *event) {
    qsort(pictures.at, pictures.count, sizeof *pictures.at, by_age);
    qsort(sounds.at, sounds.count, sizeof *sounds.at, by_age);
    printf("{\"event\": \"%s\", \"ages\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
           "\"sound_p50_ms\": %.3f, \"sound_p99_ms\": %.3f, \"gap_ms\": %.3f, \"messages\": %llu, "
           "\"payload_bytes\": %llu, \"raw_bytes\": %llu}\n",
           event, pictures.count, age_ms(&pictures, 0.5), age_ms(&pictures, 0.99), age_ms(&pictures, 1),
           age_ms(&sounds, 0.5), age_ms(&sounds, 0.99), (double)gap_ns / 1e6, (unsigned long long)messages,
           (unsigned long long)payload_bytes, (unsigned long long)(peer.received - marked_bytes));
}

static void forget_ages(void) {
    pictures.count = sounds.count = 0, gap_ns = last_ns = 0;
}

static void obey(const char *command) {
    if (strcmp(command, "sample") == 0) {
        forget_ages();
        printf("{\"event\": \"sample\"}\n");
    } else if (strcmp(command, "mark") == 0) {
        print_ages("mark");
        forget_ages();
        messages = payload_bytes = 0, marked_bytes = peer.received;
    } else if (strcmp(command, "ages") == 0) {
        print_ages("ages");
    } else {
        exit(0);
    }
}

static void watch(int poller, int fd) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

static void receive(struct bytes *buffer) {
    ssize_t n;
    do {
        n = peer_receive(&peer, buffer->data + buffer->size, buffer->room - buffer->size);
        if (n == 0 || (n < 0 && errno != EAGAIN)) die("the server closed the probe");
        if (n < 0) return;
        buffer->size += (size_t)n, peer.received += (uint64_t)n;
        if (peer.received > acknowledged + ACK_WINDOW_BYTES) {
            acknowledged = peer.received;
            answer(3, 0, (uint32_t)peer.received);
        }
        parse(buffer);
    } while (peer_pending(&peer));
}

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "usage: probe HOST PORT APP NAME\n"), 2;
    prepare_process();
    prepare_tls();
    struct bytes buffer = {.data = malloc(BUFFER_BYTES), .room = BUFFER_BYTES};
    pictures.at = malloc(sizeof *pictures.at * MOST_AGES);
    sounds.at = malloc(sizeof *sounds.at * MOST_AGES);
    dialogue(argv[1], atoi(argv[2]), argv[3], argv[4], &buffer);
    listen_to_commands();
    printf("{\"event\": \"ready\"}\n");
    run_before_others();
    int poller = epoll_create1(EPOLL_CLOEXEC);
    watch(poller, 0), watch(poller, peer.fd);
    parse(&buffer);
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(poller, &event, 1, -1) == 1 && event.data.fd == 0) {
            for (char *command; (command = next_command());) obey(command);
            continue;
        }
        receive(&buffer);
    }
}
