// Load of SRT, and the least that a server of SRT has to do, over bare libsrt.
//
//   srt_load publish PORT COUNT KBPS FILE   callers that send FILE, MPEG-TS, over and over
//   srt_load play PORT COUNT                callers that read live/b0 and count what comes
//   srt_load idle PORT COUNT                callers that publish nothing
//   srt_load churn PORT COUNT               one caller after the other, COUNT times
//   srt_load floor PORT                     a listener: what publishers send goes to all that play
//
// Each prints one line once all is connected, and one for each line of stdin: bytes so far.
#include <arpa/inet.h>
#include <poll.h>
#include <srt/srt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 1316, MOST = 4096 };

static int64_t bytes;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static struct sockaddr_in local(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, srt_getlasterror_str());
    exit(1);
}

static void answer(void) {
    struct pollfd in = {.fd = 0, .events = POLLIN};
    if (poll(&in, 1, 0) <= 0) return;
    char line[64];
    if (!fgets(line, sizeof line, stdin)) exit(0);
    printf("{\"bytes\": %lld}\n", (long long)bytes);
    fflush(stdout);
}

static SRTSOCKET call(int port, const char *id) {
    struct sockaddr_in a = local(port);
    SRTSOCKET s = srt_create_socket();
    srt_setsockflag(s, SRTO_STREAMID, id, strlen(id));
    if (srt_connect(s, (struct sockaddr *)&a, sizeof a) == SRT_ERROR) fail(id);
    int no = 0;
    srt_setsockflag(s, SRTO_RCVSYN, &no, sizeof no);
    srt_setsockflag(s, SRTO_SNDSYN, &no, sizeof no);
    return s;
}

static void ready(int count) {
    printf("{\"connected\": %d}\n", count);
    fflush(stdout);
}

static void publish(SRTSOCKET *s, int count, int kbps, const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) { perror(path); exit(1); }
    fseek(f, 0, SEEK_END);
    long size = ftell(f) / PAYLOAD * PAYLOAD;
    rewind(f);
    char *data = malloc(size);
    if (fread(data, 1, size, f) != (size_t)size) { perror(path); exit(1); }
    double begin = now(), each = PAYLOAD * 8 / (kbps * 1000.0);
    for (int64_t n = 0;; n++) {
        for (int i = 0; i < count; i++) {  // spread over the interval of a message
            double wait = begin + (n + (double)i / count) * each - now();
            if (wait > 0.0005) usleep(wait * 1e6);
            if (srt_sendmsg(s[i], data + n * PAYLOAD % size, PAYLOAD, -1, 1) > 0) bytes += PAYLOAD;
        }
        answer();
    }
}

static int drain(SRTSOCKET s, char *room) {
    int got = srt_recvmsg(s, room, PAYLOAD + 200);
    if (got > 0) bytes += got;
    return got;
}

static void play(SRTSOCKET *s, int count) {
    int e = srt_epoll_create(), in = SRT_EPOLL_IN;
    for (int i = 0; i < count; i++) srt_epoll_add_usock(e, s[i], &in);
    SRT_EPOLL_EVENT found[MOST];
    char room[2048];
    for (;;) {
        int n = srt_epoll_uwait(e, found, MOST, 100);
        for (int i = 0; i < n; i++) while (drain(found[i].fd, room) > 0) {}
        answer();
        usleep(2000);
    }
}

static void serve(int port) {
    struct sockaddr_in a = local(port);
    SRTSOCKET l = srt_create_socket();
    int no = 0, in = SRT_EPOLL_IN, count = 0;
    srt_setsockflag(l, SRTO_RCVSYN, &no, sizeof no);
    srt_setsockflag(l, SRTO_SNDSYN, &no, sizeof no);
    if (srt_bind(l, (struct sockaddr *)&a, sizeof a) || srt_listen(l, 1024)) fail("listen");
    int e = srt_epoll_create();
    srt_epoll_add_usock(e, l, &in);
    SRTSOCKET players[MOST];
    SRT_EPOLL_EVENT found[MOST];
    char room[2048];
    ready(0);
    for (;;) {
        int n = srt_epoll_uwait(e, found, MOST, 100);
        for (int i = 0; i < n; i++) {
            if (found[i].fd == l) {
                SRTSOCKET s;
                while ((s = srt_accept(l, 0, 0)) >= 0) {
                    char id[513] = "";
                    int size = 512;
                    srt_getsockflag(s, SRTO_STREAMID, id, &size);
                    if (!strncmp(id, "read:", 5) && count < MOST) players[count++] = s;
                    else srt_epoll_add_usock(e, s, &in);
                }
                continue;
            }
            int got;
            while ((got = drain(found[i].fd, room)) > 0)
                for (int p = 0; p < count; p++) srt_sendmsg(players[p], room, got, -1, 1);
        }
        answer();
        usleep(2000);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    const char *what = argv[1];
    int port = atoi(argv[2]), count = argc > 3 ? atoi(argv[3]) : 0;
    srt_startup();
    srt_setloglevel(0);
    if (!strcmp(what, "floor")) serve(port);
    SRTSOCKET *s = calloc(count + 1, sizeof *s);
    int is_play = !strcmp(what, "play");
    for (int i = 0; i < count; i++) {
        char id[64];
        snprintf(id, sizeof id, "%s:live/b%d", is_play ? "read" : "publish", is_play ? 0 : i);
        s[i] = call(port, id);
        if (!strcmp(what, "churn")) srt_close(s[i]);
    }
    ready(count);
    if (is_play) play(s, count);
    if (!strcmp(what, "publish")) publish(s, count, atoi(argv[4]), argv[5]);
    for (;;) { answer(); usleep(20000); }
}
