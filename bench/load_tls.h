/* How players and probes speak: over plain TCP, or with -DLOAD_TLS over TLS (OpenSSL). The calls report as those of
 * a socket do: -1 with EAGAIN when there is nothing, 0 at the end. Part of load.h, after `struct peer`. */
#ifndef HEADEND_BENCH_LOAD_TLS_H
#define HEADEND_BENCH_LOAD_TLS_H

#ifdef LOAD_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>

enum { TLS_READ_BYTES = 1 << 16 }; /* several records with one read of the socket, as players do */

static SSL_CTX *tls_context;

static inline void prepare_tls(void) {
    tls_context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_read_ahead(tls_context, 1);
    SSL_CTX_set_default_read_buffer_len(tls_context, TLS_READ_BYTES);
    SSL_CTX_set_mode(tls_context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(tls_context, SSL_VERIFY_NONE, NULL); /* self-signed, made for this run */
}

static inline ssize_t tls_result(SSL *tls, int n) {
    if (n > 0) return n;
    int reason = SSL_get_error(tls, n);
    ERR_clear_error(); /* or it would be taken for that of the next peer */
    if (reason == SSL_ERROR_ZERO_RETURN) return 0;
    errno = reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

static inline SSL *tls_for(int fd) {
    SSL *tls = SSL_new(tls_context);
    if (!tls) die("SSL_new");
    SSL_set_fd(tls, fd);
    SSL_set_connect_state(tls);
    return tls;
}

/* Goes on with the handshake. 1: done, 0: waits for the peer, -1: failed. */
static inline int secure(struct peer *p) {
    if (!p->tls) p->tls = tls_for(p->fd);
    SSL *tls = p->tls;
    ssize_t n = tls_result(tls, SSL_do_handshake(tls));
    return n > 0 ? 1 : n < 0 && errno == EAGAIN ? 0 : -1;
}

static inline ssize_t peer_send(const struct peer *p, const void *data, size_t size) {
    return tls_result(p->tls, SSL_write(p->tls, data, (int)size));
}

static inline ssize_t peer_receive(struct peer *p, void *data, size_t size) {
    return tls_result(p->tls, SSL_read(p->tls, data, size < 1 << 30 ? (int)size : 1 << 30));
}

/* Reads all there is and drops it. */
static inline ssize_t peer_drop(struct peer *p) {
    static uint8_t buffer[TLS_READ_BYTES];
    ssize_t total = 0, n;
    while ((n = peer_receive(p, buffer, sizeof buffer)) > 0) total += n;
    return total ? total : n;
}

/* Whether OpenSSL holds bytes of which no event would tell. */
static inline bool peer_pending(const struct peer *p) { return SSL_has_pending(p->tls); }

static inline void peer_close(struct peer *p) {
    SSL_free(p->tls);
    p->tls = NULL;
    close(p->fd);
}

#else

static inline void prepare_tls(void) {}
static inline int secure(struct peer *p) { return p->fd >= 0 ? 1 : -1; }
static inline ssize_t peer_send(const struct peer *p, const void *data, size_t size) {
    return send(p->fd, data, size, MSG_NOSIGNAL);
}
static inline ssize_t peer_receive(struct peer *p, void *data, size_t size) { return recv(p->fd, data, size, 0); }
/* The kernel drops it (MSG_TRUNC): it is never copied. */
static inline ssize_t peer_drop(struct peer *p) { return recv(p->fd, NULL, 1 << 30, MSG_TRUNC | MSG_DONTWAIT); }
static inline bool peer_pending(const struct peer *p) { return (void)p, false; }
static inline void peer_close(struct peer *p) { close(p->fd); }

#endif
#endif
