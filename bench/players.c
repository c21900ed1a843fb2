/* players HOST PORT APP NAME [--nap-ms 1] [--deaf 1] [--flv 1] [--streams 1]
 *
 * Many players in one process that cost little: the dialogue is canned, media is dropped in the kernel
 * (MSG_TRUNC) and only counted. As `players-tls` it speaks TLS, decrypts and then drops; with --flv it asks for HTTP-FLV. With --streams
 * they play so many streams in turn, NAME0 and so on as of `publishers`. Commands on stdin, one JSON line each on stdout:
 *   add N   join N more; answers when all have joined or failed
 *   mark    bytes per player since the last mark (smallest, largest, sum); counts start anew
 *   stats   the same without a new start
 *   quit
 */
#include "load.h"

enum { JOINING_AT_ONCE = 64, EVENTS = 1024 };

struct player {
    struct peer peer;
    bool greeted; /* connected, over TLS the handshake is done, and C0 C1 are sent */
    uint64_t marked, acknowledged;
};

static struct dialogue *talks; /* one for each stream */
static int streams;
static struct player *players;
static int known, wanted, joined, closed, refused, joining, adding;
static int poller, port, deaf, flv;
static const char *host;

static void watch(int fd, uint32_t events, uint64_t index, int operation) {
    struct epoll_event event = {.events = events, .data.u64 = index};
    if (epoll_ctl(poller, operation, fd, &event) != 0) die("epoll_ctl");
}

static void lose(struct player *p) {
    if (p->peer.state == PEER_TALKS) joining--;
    else joined--;
    if (p->peer.refused) refused++;
    else closed++;
    p->peer.state = PEER_CLOSED;
    peer_close(&p->peer);
}

static void join_more(void) {
    while (joining < JOINING_AT_ONCE && known < wanted) {
        struct player *p = &players[known];
        *p = (struct player){.peer.fd = connect_from(host, port, known)};
        if (flv) p->peer.step = STEPS - 1; /* one request, one answer */
        /* Real players joined at different times, so they do not acknowledge all in the same moment. */
        p->acknowledged = (uint64_t)(known % 1000) * (ACK_WINDOW_BYTES / 1000);
        watch(p->peer.fd, EPOLLOUT, (uint64_t)known, EPOLL_CTL_ADD);
        known++, joining++;
    }
}

static void acknowledge(struct player *p) {
    p->acknowledged += ACK_WINDOW_BYTES;
    uint32_t sequence = htonl((uint32_t)p->peer.received);
    uint8_t message[16] = {0x02, 0, 0, 0, 0, 0, 4, 3};
    memcpy(message + 12, &sequence, 4);
    peer_send(&p->peer, message, sizeof message);
}

static void serve(struct player *p, int index, uint32_t events);

static void hear(struct player *p, int index) {
    static uint8_t buffer[1 << 16];
    ssize_t n = peer_receive(&p->peer, buffer, sizeof buffer);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0 || !advance(&p->peer, &talks[index % streams], buffer, (size_t)n)) {
        lose(p);
    } else if (p->peer.state == PEER_READY) {
        joining--, joined++;
        if (deaf) watch(p->peer.fd, EPOLLRDHUP, (uint64_t)index, EPOLL_CTL_MOD);
    }
    if (!deaf && p->peer.state != PEER_CLOSED && peer_pending(&p->peer)) serve(p, index, EPOLLIN);
}

static void greet(struct player *p, int index) {
    int done = secure(&p->peer);
    if (done < 0) return lose(p);
    watch(p->peer.fd, EPOLLIN, (uint64_t)index, EPOLL_CTL_MOD);
    if (!done) return;
    p->greeted = true;
    if (!say(&p->peer, &talks[index % streams].say[p->peer.step])) lose(p);
}

static void serve(struct player *p, int index, uint32_t events) {
    if (p->peer.state == PEER_READY) {
        ssize_t n = deaf ? 0 : peer_drop(&p->peer);
        if (n > 0) p->peer.received += (uint64_t)n;
        else if (n == 0 || errno != EAGAIN) lose(p);
        if (!flv && p->peer.received > p->acknowledged + ACK_WINDOW_BYTES) acknowledge(p);
    } else if (events & (EPOLLERR | EPOLLHUP)) {
        lose(p);
    } else if (!p->greeted) {
        greet(p, index);
    } else {
        hear(p, index);
    }
}

static void print_counts(const char *event) {
    uint64_t least = UINT64_MAX, most = 0, total = 0;
    for (int i = 0; i < known; i++) {
        if (players[i].peer.state != PEER_READY) continue;
        uint64_t got = players[i].peer.received - players[i].marked;
        least = got < least ? got : least;
        most = got > most ? got : most;
        total += got;
    }
    printf("{\"event\": \"%s\", \"joined\": %d, \"closed\": %d, \"refused\": %d, \"min_bytes\": %llu, "
           "\"max_bytes\": %llu, \"total_bytes\": %llu}\n",
           event, joined, closed, refused, (unsigned long long)(joined ? least : 0), (unsigned long long)most,
           (unsigned long long)total);
}

static void obey(char *command) {
    if (strncmp(command, "add ", 4) == 0) {
        wanted += atoi(command + 4);
        players = realloc(players, sizeof *players * (size_t)wanted);
        if (!players) die("realloc");
        adding = 1;
    } else if (strcmp(command, "mark") == 0) {
        print_counts("mark");
        for (int i = 0; i < known; i++) players[i].marked = players[i].peer.received;
    } else if (strcmp(command, "stats") == 0) {
        print_counts("stats");
    } else {
        exit(0);
    }
}

static void prepare_dialogues(const char *app, const char *name, int count) {
    streams = count;
    talks = calloc((size_t)count, sizeof *talks);
    if (!talks) die("calloc");
    for (int i = 0; i < count; i++) {
        char own[200];
        if (count == 1) snprintf(own, sizeof own, "%s", name);
        else snprintf(own, sizeof own, "%s%d", name, i);
        if (flv) flv_dialogue(&talks[i], app, own);
        else play_dialogue(&talks[i], app, own);
    }
}

int main(int argc, char **argv) {
    if (argc < 5) return fprintf(stderr, "usage: players HOST PORT APP NAME\n"), 2;
    prepare_process();
    prepare_tls();
    listen_to_commands();
    host = argv[1], port = atoi(argv[2]);
    flv = atoi(option(argc, argv, "--flv", "0"));
    prepare_dialogues(argv[3], argv[4], atoi(option(argc, argv, "--streams", "1")));
    deaf = atoi(option(argc, argv, "--deaf", "0"));
    int64_t nap_ns = atoi(option(argc, argv, "--nap-ms", "1")) * (int64_t)1000000;
    poller = epoll_create1(EPOLL_CLOEXEC);
    static struct epoll_event events[EVENTS];
    for (;;) {
        join_more();
        int n = epoll_wait(poller, events, EVENTS, joining ? 1 : nap_ns ? 0 : 10);
        for (int i = 0; i < n; i++) serve(&players[events[i].data.u64], (int)events[i].data.u64, events[i].events);
        if (adding && !joining && known == wanted) adding = 0, print_counts("add");
        for (char *command; (command = next_command());) obey(command);
        /* A remote player's wake-up is no work of the server's machine; a nap keeps it from being so here. A long
         * one would hold back acknowledgements, for which servers without TCP_NODELAY wait (Nagle). */
        if (nap_ns && n < EVENTS && !joining) sleep_until_ns(now_ns() + nap_ns);
    }
}
