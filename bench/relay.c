/* The floor: a relay that does the least that holding and relaying a response takes.
 *
 *   relay CLIENT_PORT CALLBACK_PORT CONTROL_PORT
 *
 * It does what the gateway does, without HTTP, limits or deadlines. A client sends one line. The
 * relay holds its connection and writes "NUMBER LINE\n" to its control connection, where the
 * function listens. The function connects to the callback port, sends "NUMBER\n" and then the
 * response, which is written to the client read by read, and closes. The client's connection
 * stays for its next line; clients know how many bytes to expect. One process, one epoll loop,
 * everything on 127.0.0.1. It ends when its control connection does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 20000, EVENTS_MAX = 512, READ_BYTES = 256 * 1024, LINE_BYTES = 200 };
enum kind { CLOSED, CLIENT_LISTENER, CALLBACK_LISTENER, CONTROL, CLIENT, CALLBACK };

/* Connections are indexed by descriptor. A slot that was closed in this round of events is not
 * reused before the next one, because descriptors are closed at the end of a round. */
struct connection {
    enum kind kind;
    int peer;         /* the other side's descriptor, or -1 */
    char *rest;       /* what a slow client has not taken yet */
    size_t rest_at, rest_bytes;
};

static struct connection table[CONNECTIONS_MAX];
static int closing[CONNECTIONS_MAX], closing_count;
static char buffer[READ_BYTES];
static int epoll_fd, control_fd;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int operation, int fd, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, operation, fd, &event) < 0) fail("epoll_ctl");
}

static void add(int fd, enum kind kind) {
    if (fd >= CONNECTIONS_MAX) {
        fprintf(stderr, "relay: too many connections\n");
        exit(1);
    }
    table[fd] = (struct connection){.kind = kind, .peer = -1};
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void listen_on(int port, enum kind kind) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in address = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* accepted ones inherit it */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
    if (listen(fd, 4096) < 0) fail("listen");
    add(fd, kind);
}

static void close_later(int fd) {
    if (fd < 0 || table[fd].kind == CLOSED) return;
    table[fd].kind = CLOSED;
    free(table[fd].rest);
    table[fd].rest = NULL;
    closing[closing_count++] = fd;
}

static void close_both(int fd) {
    int peer = table[fd].peer;
    close_later(fd);
    close_later(peer);
}

/* The client may have asked again and have its next callback already: then it is not ours. */
static void close_callback(int fd) {
    int client = table[fd].peer;
    if (client >= 0 && table[client].peer == fd) table[client].peer = -1;
    close_later(fd);
}

static void accept_all(int listener, enum kind kind) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) add(fd, kind);
}

/* The client's line: hold its connection and tell the function. */
static void on_client(int fd) {
    char line[LINE_BYTES + 16];
    ssize_t count = recv(fd, buffer, LINE_BYTES, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0 || buffer[count - 1] != '\n') {
        close_both(fd);
        return;
    }
    int bytes = snprintf(line, sizeof line, "%d %.*s", fd, (int)count, buffer);
    if (send(control_fd, line, (size_t)bytes, MSG_NOSIGNAL) != bytes) fail("control");
}

/* Writes to the client; keeps what it does not take and stops reading the callback meanwhile. */
static void relay(int callback, const char *data, size_t bytes) {
    int client = table[callback].peer;
    ssize_t sent = send(client, data, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EAGAIN) sent = 0;
    if (sent < 0) {
        close_both(callback);
        return;
    }
    if ((size_t)sent == bytes) return;
    struct connection *c = &table[client];
    c->rest_bytes = bytes - (size_t)sent;
    c->rest_at = 0;
    c->rest = malloc(c->rest_bytes);
    if (!c->rest) fail("malloc");
    memcpy(c->rest, data + sent, c->rest_bytes);
    watch(EPOLL_CTL_MOD, client, EPOLLIN | EPOLLOUT);
    watch(EPOLL_CTL_MOD, callback, 0);
}

static void on_writable(int client) {
    struct connection *c = &table[client];
    ssize_t sent = send(client, c->rest + c->rest_at, c->rest_bytes - c->rest_at, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) close_both(client);
        return;
    }
    c->rest_at += (size_t)sent;
    if (c->rest_at < c->rest_bytes) return;
    free(c->rest);
    c->rest = NULL;
    watch(EPOLL_CTL_MOD, client, EPOLLIN);
    watch(EPOLL_CTL_MOD, c->peer, EPOLLIN);
}

static void on_callback(int fd) {
    ssize_t count = recv(fd, buffer, READ_BYTES, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) { /* reading is paused while there is a rest, so all has been sent */
        close_callback(fd);
        return;
    }
    char *data = buffer;
    if (table[fd].peer < 0) {
        char *end = memchr(buffer, '\n', (size_t)count);
        int client = atoi(buffer);
        if (!end || client < 0 || client >= CONNECTIONS_MAX || table[client].kind != CLIENT) {
            close_both(fd);
            return;
        }
        table[fd].peer = client;
        table[client].peer = fd;
        data = end + 1;
    }
    size_t bytes = (size_t)(buffer + count - data);
    if (bytes) relay(fd, data, bytes);
}

static void on_event(int fd, unsigned events) {
    switch (table[fd].kind) {
    case CLIENT_LISTENER: accept_all(fd, CLIENT); return;
    case CALLBACK_LISTENER: accept_all(fd, CALLBACK); return;
    case CONTROL: exit(0); /* the function never writes here: this is its end */
    case CALLBACK: on_callback(fd); return;
    case CLIENT:
        if (table[fd].rest && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))) on_writable(fd);
        if (table[fd].kind == CLIENT && (events & ~(unsigned)EPOLLOUT)) on_client(fd);
        return;
    case CLOSED: return;
    }
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: relay CLIENT_PORT CALLBACK_PORT CONTROL_PORT\n");
        return 2;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    control_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in control = loopback(atoi(argv[3]));
    if (connect(control_fd, (struct sockaddr *)&control, sizeof control) < 0) fail("connect");
    int yes = 1;
    setsockopt(control_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    add(control_fd, CONTROL);
    listen_on(atoi(argv[1]), CLIENT_LISTENER);
    listen_on(atoi(argv[2]), CALLBACK_LISTENER);

    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        if (count < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < count; i++) on_event(events[i].data.fd, events[i].events);
        while (closing_count) close(closing[--closing_count]);
    }
}
