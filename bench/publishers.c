/* publishers HOST PORT APP NAME COUNT [--kbps 2650]
 *
 * COUNT encoders in one process: NAME alone, or NAME0, NAME1, … Each sends sequence headers, one
 * keyframe and then, until told otherwise, an audio message now and then. Every body carries the clock of
 * its sending. Commands on stdin, one JSON line each on stdout ("ready" comes by itself):
 *   run     real time, one send per message, encoders spread over the frame interval
 *   hold    send nothing
 *   trickle one audio message in 4 s, so that nobody takes the encoder for dead
 *   key     one keyframe now: some servers send a new player nothing before
 *   mark    what was sent since the last mark, and the longest delay of a message (socket full, late turn)
 *   end     unpublish, then quit
 *   quit    quit without a word
 */
#include "load.h"

enum mode { TRICKLE, RUN, HOLD };

struct publisher {
    struct peer peer;
    struct dialogue talk;
    struct cadence place;
    struct bytes unsent;
    int64_t phase_ns;
    uint32_t last_timestamp;
};

static struct media media;
static struct publisher *publishers;
static int count;
static uint64_t messages, payload_bytes, lost;
static int64_t worst_delay_ns;
/* One image of each message, patched for each sending: the kernel copies it at once. */
static struct bytes images[3];

static const int64_t TRICKLE_NS = 4000000000; /* a stream silent for 5 s is taken for lost */

enum { HEADER_BYTES = 8 }; /* type 1, as OBS: all media on one chunk stream */

static void flush(struct publisher *p) {
    ssize_t n = send(p->peer.fd, p->unsent.data, p->unsent.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) drop_front(&p->unsent, (size_t)n);
    else if (n < 0 && errno != EAGAIN) p->peer.state = PEER_CLOSED, lost++;
}

static void write_bytes(struct publisher *p, const uint8_t *data, size_t size) {
    ssize_t n = p->unsent.size ? 0 : send(p->peer.fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) {
        p->peer.state = PEER_CLOSED, lost++;
        return;
    }
    if (n < 0) n = 0;
    if ((size_t)n < size) put(&p->unsent, data + n, size - (size_t)n);
}

static struct bytes chunked(const struct bytes *body, int type) {
    struct bytes out = {0};
    put_number(&out, 0x44, 1); /* type 1 header, chunk stream 4 */
    put_number(&out, 0, 3);
    put_number(&out, body->size, 3);
    put_number(&out, type, 1);
    for (size_t at = 0; at < body->size; at += CLIENT_CHUNK_BYTES) {
        if (at) put_number(&out, 0xc4, 1);
        size_t left = body->size - at;
        put(&out, body->data + at, left < CLIENT_CHUNK_BYTES ? left : CLIENT_CHUNK_BYTES);
    }
    return out;
}

static void send_media(struct publisher *p, bool video, bool keyframe, uint32_t timestamp) {
    struct bytes *image = &images[video ? keyframe : 2];
    const struct bytes *body = video ? (keyframe ? &media.keyframe : &media.inter) : &media.audio;
    uint32_t delta = timestamp - p->last_timestamp;
    p->last_timestamp = timestamp;
    image->data[1] = (uint8_t)(delta >> 16), image->data[2] = (uint8_t)(delta >> 8), image->data[3] = (uint8_t)delta;
    put_stamp(image->data + HEADER_BYTES + (video ? VIDEO_STAMP_OFFSET : AUDIO_STAMP_OFFSET), now_ns());
    write_bytes(p, image->data, image->size);
    messages++;
    payload_bytes += body->size;
}

static void send_headers(struct publisher *p) {
    struct bytes out = {0}, body = {0};
    amf_string(&body, "@setDataFrame");
    amf_string(&body, "onMetaData");
    put_number(&body, 0x0800000004, 5);
    put_key(&body, "width"), amf_number(&body, 1280);
    put_key(&body, "height"), amf_number(&body, 720);
    put_key(&body, "videocodecid"), amf_number(&body, 7);
    put_key(&body, "audiocodecid"), amf_number(&body, 10);
    put_number(&body, 0x000009, 3);
    put_message(&out, 4, 0, 18, 1, &body, CLIENT_CHUNK_BYTES);
    body.size = 0, put(&body, AVC_HEADER, sizeof AVC_HEADER);
    put_message(&out, 4, 0, TYPE_VIDEO, 1, &body, CLIENT_CHUNK_BYTES);
    body.size = 0, put(&body, AAC_HEADER, sizeof AAC_HEADER);
    put_message(&out, 4, 0, TYPE_AUDIO, 1, &body, CLIENT_CHUNK_BYTES);
    write_bytes(p, out.data, out.size);
    free(out.data), free(body.data);
    send_media(p, true, true, 0);
    p->place.video = 1;
}

static void join_all(const char *host, int port) {
    static uint8_t buffer[1 << 16];
    int poller = epoll_create1(EPOLL_CLOEXEC), started = 0, ready = 0;
    while (ready < count) {
        for (; started < count && started < ready + 64; started++) {
            publishers[started].peer.fd = connect_from(host, port, started);
            struct epoll_event event = {.events = EPOLLOUT, .data.u64 = (uint64_t)started};
            epoll_ctl(poller, EPOLL_CTL_ADD, publishers[started].peer.fd, &event);
        }
        struct epoll_event event;
        if (epoll_wait(poller, &event, 1, 30000) != 1) die("no answer to publish");
        struct publisher *p = &publishers[event.data.u64];
        if (event.events & EPOLLOUT) {
            say(&p->peer, &p->talk.say[0]);
            event.events = EPOLLIN;
            epoll_ctl(poller, EPOLL_CTL_MOD, p->peer.fd, &event);
            continue;
        }
        ssize_t n = recv(p->peer.fd, buffer, sizeof buffer, 0);
        if (n <= 0 || !advance(&p->peer, &p->talk, buffer, (size_t)n)) die("publish was refused");
        if (p->peer.state != PEER_READY) continue;
        epoll_ctl(poller, EPOLL_CTL_DEL, p->peer.fd, NULL);
        send_headers(p);
        ready++;
    }
    close(poller);
}

/* Sends what is due; returns when the next message is. */
static int64_t send_due(int64_t start_ns) {
    int64_t soonest = INT64_MAX;
    for (int i = 0; i < count; i++) {
        struct publisher *p = &publishers[i];
        if (p->peer.state != PEER_READY) continue;
        if (p->unsent.size) flush(p);
        int64_t due, now = now_ns();
        while ((due = start_ns + p->phase_ns + next_due(&p->place)) <= now && p->peer.state == PEER_READY) {
            if (now - due > worst_delay_ns) worst_delay_ns = now - due;
            if (p->unsent.size) break;
            bool video = video_is_next(&p->place);
            uint32_t timestamp = (uint32_t)(next_due(&p->place) / 1000000);
            send_media(p, video, video && p->place.video % KEYFRAME_EVERY == 0, timestamp);
            if (video) p->place.video++;
            else p->place.audio++;
        }
        soonest = due < soonest ? due : soonest;
    }
    return soonest;
}

static void send_keyframes(void) {
    for (int i = 0; i < count; i++) send_media(&publishers[i], true, true, publishers[i].last_timestamp);
}

/* The media clock goes on from where it stopped, so timestamps show no gap. */
static int64_t media_start_ns(void) {
    int64_t place = 0;
    for (int i = 0; i < count; i++)
        if (next_due(&publishers[i].place) > place) place = next_due(&publishers[i].place);
    return now_ns() + 1000000 - place;
}

static void unpublish_all(const char *name) {
    struct bytes out = {0}, body = {0};
    amf_command(&body, "FCUnpublish", 6), amf_null(&body), amf_string(&body, name);
    put_command(&out, 0, &body);
    amf_command(&body, "deleteStream", 7), amf_null(&body), amf_number(&body, 1);
    put_command(&out, 0, &body);
    for (int i = 0; i < count; i++) write_bytes(&publishers[i], out.data, out.size);
}

static void read_answers(void) {
    for (int i = 0; i < count; i++)
        while (recv(publishers[i].peer.fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT) > 0) {
        }
}

static void print_mark(const char *event) {
    printf("{\"event\": \"%s\", \"publishers\": %d, \"lost\": %llu, \"messages\": %llu, \"payload_bytes\": %llu, "
           "\"worst_delay_ms\": %.3f}\n",
           event, count, (unsigned long long)lost, (unsigned long long)messages, (unsigned long long)payload_bytes,
           (double)worst_delay_ns / 1e6);
    messages = payload_bytes = 0;
    worst_delay_ns = 0;
}

static void create_publishers(const char *app, const char *name) {
    publishers = calloc((size_t)count, sizeof *publishers);
    for (int i = 0; i < count; i++) {
        char own[200];
        if (count == 1) snprintf(own, sizeof own, "%s", name);
        else snprintf(own, sizeof own, "%s%d", name, i);
        publish_dialogue(&publishers[i].talk, app, own);
        publishers[i].phase_ns = (int64_t)i * 33333333 / count;
    }
}

int main(int argc, char **argv) {
    if (argc < 6) return fprintf(stderr, "usage: publishers HOST PORT APP NAME COUNT\n"), 2;
    prepare_process();
    listen_to_commands();
    media = make_media(atoi(option(argc, argv, "--kbps", "2650")));
    images[0] = chunked(&media.inter, TYPE_VIDEO);
    images[1] = chunked(&media.keyframe, TYPE_VIDEO);
    images[2] = chunked(&media.audio, TYPE_AUDIO);
    count = atoi(argv[5]);
    create_publishers(argv[3], argv[4]);
    join_all(argv[1], atoi(argv[2]));
    print_mark("ready");
    run_before_others();
    enum mode mode = TRICKLE;
    int64_t start_ns = 0, next_trickle_ns = 0, next_read_ns = 0;
    for (;;) {
        int64_t wake_ns = now_ns() + 10000000;
        if (mode == RUN) {
            int64_t due = send_due(start_ns);
            wake_ns = due < wake_ns ? due : wake_ns;
            /* With many encoders a message is due at every moment: one turn a millisecond is exact enough. */
            if (count > 1 && wake_ns < now_ns() + 1000000) wake_ns = now_ns() + 1000000;
        } else {
            bool sends = mode == TRICKLE && now_ns() >= next_trickle_ns;
            if (sends) next_trickle_ns = now_ns() + TRICKLE_NS;
            for (int i = 0; i < count; i++) {
                if (sends) send_media(&publishers[i], false, false, publishers[i].last_timestamp);
                if (publishers[i].unsent.size) flush(&publishers[i]);
            }
        }
        for (char *command; (command = next_command());) {
            if (strcmp(command, "run") == 0) mode = RUN, start_ns = media_start_ns();
            else if (strcmp(command, "hold") == 0) mode = HOLD;
            else if (strcmp(command, "trickle") == 0) mode = TRICKLE;
            else if (strcmp(command, "key") == 0) send_keyframes();
            else if (strcmp(command, "mark") == 0) print_mark("mark");
            else if (strcmp(command, "end") == 0) return unpublish_all(argv[4]), read_answers(), 0;
            else return 0;
        }
        if (now_ns() >= next_read_ns) next_read_ns = now_ns() + 1000000000, read_answers();
        sleep_until_ns(wake_ns);
    }
}
