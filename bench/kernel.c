/* kernel [players] [bytes] [flushes]
 *
 * What one flush costs for each player, by the ways in which Linux can be told to send: CPU of the sender, in
 * microseconds, a line of JSON for each way. Sockets are TCP over loopback; a child on the last core drops what
 * comes, as players.c does. A flush comes every 30 ms, so that the network is as idle as a server's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 16384, FLUSH_NS = 30000000, EVENTS = 256 };

static int fds[MOST], players, flushes;
static size_t bytes;
static char *data;
static long late; /* sends that found no room */

static double now_us(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void drop(struct sockaddr_in *to) { /* the child: all players */
    int poller = epoll_create1(0);
    for (int i = 0; i < players; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)to, sizeof *to)) fail("connect");
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
    struct epoll_event ready[EVENTS];
    for (;;) {
        int count = epoll_wait(poller, ready, EVENTS, -1);
        for (int i = 0; i < count; i++)
            if (recv(ready[i].data.fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT) == 0) exit(0);
    }
}

/* ---- ways to send */

static void by_send(void) {
    for (int i = 0; i < players; i++)
        if (send(fds[i], data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)bytes) late++;
}

static void by_zerocopy(void) {
    for (int i = 0; i < players; i++)
        if (send(fds[i], data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_ZEROCOPY) != (ssize_t)bytes) late++;
    for (int i = 0; i < players; i++) { /* the kernel says that it is done with the bytes */
        char control[128];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        recvmsg(fds[i], &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    }
}

static struct {
    int fd;
    unsigned *head, *tail, *mask, *array, *done_head, *done_tail, *done_mask;
    struct io_uring_sqe *entries;
    struct io_uring_cqe *done;
    int is_fixed;
} ring;

static int open_ring(unsigned flags) {
    struct io_uring_params p = {.flags = flags};
    unsigned size = 1;
    while (size < (unsigned)players) size *= 2;
    ring.fd = syscall(SYS_io_uring_setup, size, &p);
    if (ring.fd < 0) return 0;
    char *sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                    ring.fd, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof *ring.done, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_CQ_RING);
    ring.entries = mmap(NULL, p.sq_entries * sizeof *ring.entries, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                        ring.fd, IORING_OFF_SQES);
    ring.tail = (unsigned *)(sq + p.sq_off.tail), ring.mask = (unsigned *)(sq + p.sq_off.ring_mask);
    ring.array = (unsigned *)(sq + p.sq_off.array), ring.done_head = (unsigned *)(cq + p.cq_off.head);
    ring.done_tail = (unsigned *)(cq + p.cq_off.tail), ring.done_mask = (unsigned *)(cq + p.cq_off.ring_mask);
    ring.done = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
    return 1;
}

static void by_ring(void) {
    unsigned tail = *ring.tail;
    for (int i = 0; i < players; i++, tail++) {
        struct io_uring_sqe *entry = &ring.entries[tail & *ring.mask];
        memset(entry, 0, sizeof *entry);
        entry->opcode = IORING_OP_SEND;
        entry->fd = ring.is_fixed ? i : fds[i];
        entry->flags = ring.is_fixed ? IOSQE_FIXED_FILE : 0;
        entry->addr = (uintptr_t)data, entry->len = bytes;
        entry->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        ring.array[tail & *ring.mask] = tail & *ring.mask;
    }
    __atomic_store_n(ring.tail, tail, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring.fd, players, players, IORING_ENTER_GETEVENTS, NULL, 0) < 0) fail("enter");
    unsigned head = *ring.done_head;
    for (; head != __atomic_load_n(ring.done_tail, __ATOMIC_ACQUIRE); head++)
        if (ring.done[head & *ring.done_mask].res != (int)bytes) late++;
    __atomic_store_n(ring.done_head, head, __ATOMIC_RELEASE);
}

/* ---- measuring */

static void measure(const char *way, void (*flush)(void)) {
    struct timespec next;
    double spent = 0;
    late = 0;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (int i = 0; i < flushes; i++) {
        double began = now_us(CLOCK_PROCESS_CPUTIME_ID);
        flush();
        spent += now_us(CLOCK_PROCESS_CPUTIME_ID) - began;
        next.tv_nsec += FLUSH_NS;
        if (next.tv_nsec >= 1000000000) next.tv_sec++, next.tv_nsec -= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    printf("{\"way\": \"%s\", \"us\": %.2f, \"late\": %ld}\n", way, spent / flushes / players, late);
    fflush(stdout);
}

static void set(int level, int option, int value) {
    for (int i = 0; i < players; i++) setsockopt(fds[i], level, option, &value, sizeof value);
}

int main(int argc, char **argv) {
    players = argc > 1 ? atoi(argv[1]) : 1000;
    bytes = argc > 2 ? atoi(argv[2]) : 10000;
    flushes = argc > 3 ? atoi(argv[3]) : 100;
    if (players > MOST) players = MOST;
    struct rlimit limit = {2 * MOST, 2 * MOST};
    setrlimit(RLIMIT_NOFILE, &limit);
    data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof to;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&to, size) || listen(listener, 4096)) fail("listen");
    getsockname(listener, (struct sockaddr *)&to, &size);
    int child = fork();
    if (!child) {
        pin(sysconf(_SC_NPROCESSORS_ONLN) - 1);
        drop(&to);
    }
    pin(0);
    for (int i = 0; i < players; i++)
        if ((fds[i] = accept(listener, NULL, NULL)) < 0) fail("accept");
    set(IPPROTO_TCP, TCP_NODELAY, 1);
    measure("warm-up", by_send);
    for (int turn = 0; turn < 3; turn++) {
        measure("send", by_send);
        if (!turn) set(SOL_SOCKET, SO_ZEROCOPY, 1);
        measure("MSG_ZEROCOPY", by_zerocopy);
        for (ring.is_fixed = 0; ring.is_fixed < 2; ring.is_fixed++) {
            if (!open_ring(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)) break;
            if (ring.is_fixed)
                syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, fds, players);
            measure(ring.is_fixed ? "io_uring, files registered" : "io_uring", by_ring);
            close(ring.fd);
        }
    }
    set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384);
    measure("send, TCP_NOTSENT_LOWAT 16 KiB", by_send);
    set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, -1);
    for (int kib = 64; kib <= 1024; kib *= 4) {
        char way[40];
        snprintf(way, sizeof way, "send, SO_SNDBUF %d KiB", kib);
        set(SOL_SOCKET, SO_SNDBUF, kib * 1024);
        measure(way, by_send);
    }
    kill(child, SIGTERM);
    return 0;
}
