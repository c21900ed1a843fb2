/* floor [--flush-ms 0] [--kbps 2650]
 *
 * What the network stack alone costs: one loop that makes the stream's bytes at the stream's cadence and gives
 * them to every socket with one send, at each message (several when late) or once per flush interval. It answers players with
 * canned bytes and parses nothing. Commands on stdin as for `publishers`; prints its port first.
 */
#include "load.h"

enum { OUT_CHUNK_BYTES = 65536, EVENTS = 256, HEADER_BYTES = 12 };

struct player {
    int fd;
    uint8_t step;      /* 0 handshake, 1 connect, 2 createStream, 3 play, 4 gets media */
    size_t received;
    struct bytes unsent;
};

enum { PLAYS = 4 };

static const char *const ASKED[] = {NULL, "connect", "createStream", "play"};
static struct bytes answers[PLAYS];
static struct player *players[1 << 16]; /* by descriptor */
static int order[1 << 16], playing;     /* descriptors that get media */
static struct media media;
static struct bytes images[3], pending;
static struct cadence place;
static uint64_t messages, payload_bytes;
static int64_t worst_delay_ns;
static int poller, listener;

static void make_answers(void) {
    struct bytes b = {0};
    put_number(&answers[0], 3, 1);
    put_number(&answers[0], 0, 8);
    for (int i = 0; i < HANDSHAKE_BYTES - 9; i++) put_number(&answers[0], i & 0xff, 1);
    put_control(&answers[1], 5, ACK_WINDOW_BYTES);
    put_control(&answers[1], 1, OUT_CHUNK_BYTES);
    amf_command(&b, "_result", 1), amf_null(&b), amf_null(&b);
    put_command(&answers[1], 0, &b);
    amf_command(&b, "_result", 2), amf_null(&b), amf_number(&b, 1);
    put_command(&answers[2], 0, &b);
    amf_command(&b, "onStatus", 0), amf_null(&b);
    put_number(&b, 0x03, 1);
    put_key(&b, "level"), amf_string(&b, "status");
    put_key(&b, "code"), amf_string(&b, "NetStream.Play.Start");
    put_number(&b, 0x000009, 3);
    put_command(&answers[3], 1, &b);
    free(b.data);
}

static void lose(struct player *p) {
    for (int i = 0; i < playing; i++)
        if (order[i] == p->fd) order[i] = order[--playing];
    players[p->fd] = NULL;
    close(p->fd);
    free(p->unsent.data);
    free(p);
}

static void greet(void) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        players[fd] = calloc(1, sizeof **players);
        players[fd]->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static void hear(struct player *p) {
    static uint8_t buffer[1 << 14];
    ssize_t n = recv(p->fd, buffer, sizeof buffer, 0);
    if (n <= 0) return lose(p);
    p->received += (size_t)n;
    if (p->step == PLAYS) return; /* an acknowledgement */
    if (p->step == 0 ? p->received < 1537 : !holds(buffer, (size_t)n, ASKED[p->step], strlen(ASKED[p->step]))) return;
    send(p->fd, answers[p->step].data, answers[p->step].size, MSG_NOSIGNAL);
    if (++p->step == PLAYS) order[playing++] = p->fd;
}

static void give_rest(struct player *p, const struct bytes *data, size_t sent) {
    put(&p->unsent, data->data + sent, data->size - sent);
    ssize_t n = send(p->fd, p->unsent.data, p->unsent.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) drop_front(&p->unsent, (size_t)n);
}

/* The loop whose cost is the floor. */
static void give_to_all(const struct bytes *data) {
    for (int i = 0; i < playing; i++) {
        struct player *p = players[order[i]];
        if (p->unsent.size) {
            give_rest(p, data, 0);
            continue;
        }
        ssize_t n = send(p->fd, data->data, data->size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) continue; /* epoll tells of it */
        if (n < (ssize_t)data->size) give_rest(p, data, n < 0 ? 0 : (size_t)n);
    }
}

static struct bytes chunked(const struct bytes *body, int type) {
    struct bytes out = {0};
    put_message(&out, 4, 0, type, 1, body, OUT_CHUNK_BYTES);
    return out;
}

static void make_message(bool video, bool keyframe, uint32_t timestamp, int64_t stamp_ns) {
    struct bytes *image = &images[video ? keyframe : 2];
    const struct bytes *body = video ? (keyframe ? &media.keyframe : &media.inter) : &media.audio;
    image->data[1] = (uint8_t)(timestamp >> 16), image->data[2] = (uint8_t)(timestamp >> 8);
    image->data[3] = (uint8_t)timestamp;
    put_stamp(image->data + HEADER_BYTES + (video ? VIDEO_STAMP_OFFSET : AUDIO_STAMP_OFFSET), stamp_ns);
    put(&pending, image->data, image->size);
    messages++;
    payload_bytes += body->size;
}

static void flush(void) {
    if (!pending.size) return;
    give_to_all(&pending);
    pending.size = 0;
}

/* Makes what is due, with the time it was due as its stamp, and flushes; returns when to come again. */
static int64_t run_due(int64_t start_ns, int64_t flush_ns) {
    int64_t now = now_ns(), due;
    while ((due = start_ns + next_due(&place)) <= now) {
        bool video = video_is_next(&place);
        if (now - due - flush_ns > worst_delay_ns) worst_delay_ns = now - due - flush_ns;
        make_message(video, video && place.video % KEYFRAME_EVERY == 0, (uint32_t)(next_due(&place) / 1000000), due);
        if (video) place.video++;
        else place.audio++;
    }
    flush();
    return flush_ns ? start_ns + ((now_ns() - start_ns) / flush_ns + 1) * flush_ns : due;
}

static void poll_sockets(int64_t until_ns) {
    struct epoll_event events[EVENTS];
    int n = 0;
    do { /* an acknowledgement must not bring the next flush forward, a command may */
        int64_t left = until_ns - now_ns();
        struct timespec wait = {.tv_sec = 0, .tv_nsec = left > 0 ? left : 0};
        n = epoll_pwait2(poller, events, EVENTS, &wait, NULL);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == 0) return;
            if (events[i].data.fd == listener) greet();
            else if (players[events[i].data.fd]) hear(players[events[i].data.fd]);
        }
    } while (n > 0);
}

static void print_mark(void) {
    printf("{\"event\": \"mark\", \"publishers\": 1, \"lost\": 0, \"messages\": %llu, \"payload_bytes\": %llu, "
           "\"worst_delay_ms\": %.3f}\n",
           (unsigned long long)messages, (unsigned long long)payload_bytes, (double)worst_delay_ns / 1e6);
    messages = payload_bytes = 0;
    worst_delay_ns = 0;
}

static void listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0) die("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int fd = 0; fd <= listener; fd += listener) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
    printf("{\"event\": \"ready\", \"port\": %d}\n", ntohs(address.sin_port));
}

int main(int argc, char **argv) {
    prepare_process();
    listen_to_commands();
    int64_t flush_ns = atoi(option(argc, argv, "--flush-ms", "0")) * (int64_t)1000000;
    media = make_media(atoi(option(argc, argv, "--kbps", "2650")));
    images[0] = chunked(&media.inter, TYPE_VIDEO);
    images[1] = chunked(&media.keyframe, TYPE_VIDEO);
    images[2] = chunked(&media.audio, TYPE_AUDIO);
    make_answers();
    listen_on_loopback();
    bool runs = false;
    int64_t start_ns = 0;
    for (;;) {
        poll_sockets(runs ? run_due(start_ns, flush_ns) : now_ns() + 10000000);
        for (char *command; (command = next_command());) {
            if (strcmp(command, "run") == 0) runs = true, start_ns = now_ns() - next_due(&place);
            else if (strcmp(command, "hold") == 0 || strcmp(command, "trickle") == 0) runs = false;
            else if (strcmp(command, "key") == 0) continue;
            else if (strcmp(command, "mark") == 0) print_mark();
            else return 0;
        }
    }
}
