/* handshakes HOST PORT [--per-second 300] [--version 13|12] [--resume 1]
 *
 * TLS clients that come at a steady rate, shake hands, say goodbye and close. With --resume 1 all but the first
 * ask to go on with the first one's session (TLS 1.2 tickets). Commands on stdin, one JSON line each on stdout:
 *   run     begin
 *   hold    begin no more
 *   mark    handshakes done, resumed and failed since the last mark, and their longest time; counts start anew
 *   quit
 */
#include "load.h"

enum { EVENTS = 256, MOST = 4096 };

struct client {
    struct peer peer;
    int64_t started_ns;
};

static struct client *clients[1 << 16]; /* by descriptor */
static SSL_SESSION *session;
static int port, resumes, open_now;
static const char *host;
static uint64_t done, resumed, failed;
static int64_t longest_ns;
static int poller;

static void watch(int fd, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(poller, operation, fd, &event) != 0) die("epoll_ctl");
}

static void end(struct client *c) {
    clients[c->peer.fd] = NULL;
    peer_close(&c->peer);
    free(c);
    open_now--;
}

static void begin(void) {
    if (resumes && !session && open_now) return; /* the first one's is still to come */
    if (open_now == MOST) { /* the server is far behind */
        failed++;
        return;
    }
    struct client *c = calloc(1, sizeof *c);
    c->peer.fd = connect_from(host, port, 0);
    c->started_ns = now_ns();
    clients[c->peer.fd] = c;
    open_now++;
    watch(c->peer.fd, EPOLLOUT, EPOLL_CTL_ADD);
}

static void finish(struct client *c) {
    int64_t took_ns = now_ns() - c->started_ns;
    if (took_ns > longest_ns) longest_ns = took_ns;
    if (SSL_session_reused(c->peer.tls)) resumed++;
    if (resumes && !session) session = SSL_get1_session(c->peer.tls);
    SSL_shutdown(c->peer.tls);
    done++;
    end(c);
}

static void go_on(struct client *c) {
    if (!c->peer.tls && session) { /* before `secure` makes one without */
        c->peer.tls = tls_for(c->peer.fd);
        SSL_set_session(c->peer.tls, session);
    }
    int state = secure(&c->peer);
    if (state > 0) finish(c);
    else if (state < 0) failed++, end(c);
    else watch(c->peer.fd, EPOLLIN, EPOLL_CTL_MOD);
}

static void print_mark(void) {
    printf("{\"event\": \"mark\", \"done\": %llu, \"resumed\": %llu, \"failed\": %llu, \"longest_ms\": %.3f}\n",
           (unsigned long long)done, (unsigned long long)resumed, (unsigned long long)failed, (double)longest_ns / 1e6);
    done = resumed = failed = 0;
    longest_ns = 0;
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: handshakes HOST PORT\n"), 2;
    prepare_process();
    prepare_tls();
    listen_to_commands();
    host = argv[1], port = atoi(argv[2]);
    resumes = atoi(option(argc, argv, "--resume", "0"));
    int version = atoi(option(argc, argv, "--version", "13")) == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_min_proto_version(tls_context, version);
    SSL_CTX_set_max_proto_version(tls_context, version);
    int64_t interval_ns = 1000000000 / atoi(option(argc, argv, "--per-second", "300"));
    int64_t due_ns = INT64_MAX;
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (;;) {
        static struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, 1);
        for (int i = 0; i < n; i++) go_on(clients[events[i].data.fd]);
        for (; due_ns <= now_ns(); due_ns += interval_ns) begin();
        for (char *command; (command = next_command());) {
            if (strcmp(command, "run") == 0) due_ns = now_ns();
            else if (strcmp(command, "hold") == 0) due_ns = INT64_MAX;
            else if (strcmp(command, "mark") == 0) print_mark();
            else return 0;
        }
    }
}
