/* A load generator: units of dependent HTTP/1.1 requests over connections that are kept.
 *
 *     load PORT CONNECTIONS FILE once|loop SECONDS
 *
 * FILE holds units. A connection takes the next unit that nobody has taken, and sends its requests
 * one after the other, each when the one before was answered as expected; an answer of another
 * status ends the unit as failed. `once` takes every unit once; `loop` begins again after the last
 * one. Either stops after SECONDS, or at SIGTERM, and counts only units that were completed.
 *
 *     unit
 *     request <expected status> <bytes>
 *     <so many bytes, then a newline>
 *
 * Where a request line has the byte 1, the Location of the unit's last answer is put, and where it
 * has the byte 2, what joins a parameter to that: ? or &. So an upload is a unit too.
 *
 * One thread and epoll: a generator that used both processors would measure itself. What was done
 * goes to stdout as one JSON object.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 1024,
    BUFFER_BYTES = 256 * 1024,
    LINE_BYTES = 16 * 1024,
    LOCATION_MARK = 1,
    JOINT_MARK = 2,
    STATUSES = 600,
    RECONNECTS_MAX = 1000,
    SHOWN_BYTES = 300,
    LATENCIES_MAX = 16 * 1000 * 1000,
};

struct request {
    const char *bytes;
    size_t length;
    int expected;
    bool is_head;
    size_t open_line; /* length of a request line with marks; 0: it has none */
};

struct unit {
    size_t first, count;
};

enum body { SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILER };

struct connection {
    int fd;
    bool is_idle, wants_to_write, closes;
    size_t unit, step, sent;
    double unit_began;
    char *buffer, *location, *line;
    size_t line_length; /* of the request line with its marks filled in */
    size_t held;
    bool in_body;
    enum body body;
    int status;
    size_t left;
};

static struct request *requests;
static size_t request_count;
static struct unit *units;
static size_t unit_count, next_unit;
static struct connection connections[CONNECTIONS_MAX];
static int connection_count, poller;
static struct sockaddr_in address;
static bool loops;
static volatile sig_atomic_t is_stopped;

static long statuses[STATUSES], answered, failed, reconnects;
static float *latencies;
static size_t completed, latencies_room;
static char first_failure[SHOWN_BYTES + 1];

static void die(const char *format, ...) {
    va_list rest;
    va_start(rest, format);
    vfprintf(stderr, format, rest);
    va_end(rest);
    fputc('\n', stderr);
    exit(1);
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void stop(int signal_number) {
    (void)signal_number;
    is_stopped = 1;
}

static void *grown(void *array, size_t count, size_t *room, size_t item_bytes) {
    if (count < *room) return array;
    *room = *room ? *room * 2 : 1024;
    array = realloc(array, *room * item_bytes);
    if (!array) die("no memory");
    return array;
}

/* --- the file --------------------------------------------------------------------------------- */

static void read_units(const char *path) {
    FILE *file = fopen(path, "rb");
    struct stat found;
    if (!file || fstat(fileno(file), &found)) die("cannot read %s", path);
    size_t bytes = found.st_size, request_room = 0, unit_room = 0;
    char *content = malloc(bytes + 1);
    if (!content || fread(content, 1, bytes, file) != bytes) die("cannot read %s", path);
    content[bytes] = 0;
    fclose(file);
    for (char *at = content, *end = content + bytes; at < end;) {
        if (!strncmp(at, "unit\n", 5)) {
            units = grown(units, unit_count, &unit_room, sizeof *units);
            units[unit_count++] = (struct unit){request_count, 0};
            at += 5;
        } else if (unit_count && !strncmp(at, "request ", 8)) {
            int expected = (int)strtol(at + 8, &at, 10); /* sscanf would measure all that follows */
            size_t length = strtoull(at, &at, 10);
            if (*at++ != '\n' || length > (size_t)(end - at)) die("a request is cut off");
            requests = grown(requests, request_count, &request_room, sizeof *requests);
            const char *line_end = memchr(at, '\r', length);
            size_t line = line_end ? line_end - at : 0;
            bool is_open = memchr(at, LOCATION_MARK, line) != NULL;
            requests[request_count++] = (struct request){
                at, length, expected, !strncmp(at, "HEAD ", 5), is_open ? line : 0};
            units[unit_count - 1].count++;
            at += length + 1;
        } else {
            die("neither a unit nor a request at byte %zu", (size_t)(at - content));
        }
    }
    for (size_t unit = 0; unit < unit_count; unit++)
        if (!units[unit].count) die("a unit is empty");
    if (!unit_count) die("there are no units");
}

/* --- connections ------------------------------------------------------------------------------ */

static void watch(struct connection *c, bool to_write, int how) {
    struct epoll_event event = {.events = EPOLLIN | (to_write ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(poller, how, c->fd, &event)) die("epoll: %s", strerror(errno));
    c->wants_to_write = to_write;
}

static void dial(struct connection *c) {
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address))
        die("cannot connect: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->held = 0;
    c->in_body = c->closes = false;
    watch(c, false, EPOLL_CTL_ADD);
}

static const struct request *current(const struct connection *c) {
    return &requests[units[c->unit].first + c->step];
}

static void redial(struct connection *c);

/* Fill in the marks of the current request's line, if it has any. */
static void fill_line(struct connection *c) {
    const struct request *request = current(c);
    size_t length = 0;
    for (size_t at = 0; at < request->open_line; at++) {
        char mark = request->bytes[at];
        const char *put = c->location;
        size_t size = 1;
        if (mark == LOCATION_MARK) size = strlen(c->location);
        else if (mark == JOINT_MARK) put = strchr(c->location, '?') ? "&" : "?";
        else put = request->bytes + at;
        if (length + size > LINE_BYTES) die("a request line of more than %d bytes", LINE_BYTES);
        memcpy(c->line + length, put, size);
        length += size;
    }
    c->line_length = length;
}

static void send_on(struct connection *c) {
    const struct request *request = current(c);
    size_t whole = c->line_length + request->length - request->open_line;
    while (c->sent < whole) {
        bool in_line = c->sent < c->line_length;
        const char *from = in_line ? c->line + c->sent
                                   : request->bytes + request->open_line + c->sent - c->line_length;
        size_t left = in_line ? c->line_length - c->sent : whole - c->sent;
        ssize_t sent = send(c->fd, from, left, MSG_NOSIGNAL | (in_line ? MSG_MORE : 0));
        if (sent < 0 && errno == EAGAIN) {
            if (!c->wants_to_write) watch(c, true, EPOLL_CTL_MOD);
            return;
        }
        if (sent < 0) {
            redial(c);
            return;
        }
        c->sent += sent;
    }
    if (c->wants_to_write) watch(c, false, EPOLL_CTL_MOD);
}

/* The other side closed a connection that was waiting: the request goes out again on a new one. */
static void redial(struct connection *c) {
    if (++reconnects > RECONNECTS_MAX) die("more than %d connections broke", RECONNECTS_MAX);
    close(c->fd);
    dial(c);
    c->sent = 0;
    if (!c->is_idle) send_on(c);
}

static void take_unit(struct connection *c) {
    if (loops && next_unit == unit_count) next_unit = 0;
    c->is_idle = is_stopped || next_unit == unit_count;
    if (c->is_idle) return;
    c->unit = next_unit++;
    c->step = c->sent = 0;
    fill_line(c);
    c->unit_began = now();
    send_on(c);
}

static void note_failure(const struct connection *c, const char *answer, size_t length) {
    if (failed++) return;
    const char *line = current(c)->bytes;
    int shown = (int)strcspn(line, "\r\n");
    snprintf(first_failure, sizeof first_failure, "%.*s: %.*s", shown > 120 ? 120 : shown, line,
             (int)(length > 170 ? 170 : length), answer);
}

static void finish_answer(struct connection *c) {
    bool is_as_expected = c->status == current(c)->expected;
    c->in_body = false;
    answered++;
    if (c->closes) {
        close(c->fd);
        dial(c);
    }
    if (is_as_expected && ++c->step < units[c->unit].count) {
        c->sent = 0;
        fill_line(c);
        send_on(c);
        return;
    }
    if (is_as_expected && completed < LATENCIES_MAX) {
        latencies = grown(latencies, completed, &latencies_room, sizeof *latencies);
        latencies[completed++] = (float)(now() - c->unit_began);
    }
    take_unit(c);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Keep a Location, without scheme and host if it has them. */
static void keep_location(struct connection *c, const char *from) {
    from += strspn(from, " ");
    size_t length = strcspn(from, "\r\n");
    if (!strncmp(from, "http://", 7)) {
        const char *path = memchr(from + 7, '/', length - 7);
        if (!path) die("a Location without a path");
        length -= path - from;
        from = path;
    }
    if (length >= LINE_BYTES) die("a Location of more than %d bytes", LINE_BYTES);
    memcpy(c->location, from, length);
    c->location[length] = 0;
}

/* Read a whole header at the buffer's start; return its length, 0 if more must come. */
static size_t read_header(struct connection *c) {
    c->buffer[c->held] = 0;
    char *end = strstr(c->buffer, "\r\n\r\n");
    if (!end) {
        if (c->held >= BUFFER_BYTES - 1) die("a header of more than %d bytes", BUFFER_BYTES);
        return 0;
    }
    if (sscanf(c->buffer, "HTTP/1.%*d %d", &c->status) != 1 || c->status < 100 ||
        c->status >= STATUSES)
        die("no answer of HTTP/1: %.40s", c->buffer);
    statuses[c->status]++;
    c->in_body = true;
    c->body = SIZED;
    c->left = 0;
    c->closes = false;
    for (char *line = strstr(c->buffer, "\r\n"); line < end; line = strstr(line + 2, "\r\n")) {
        const char *field = line + 2;
        if (!strncasecmp(field, "content-length:", 15)) c->left = strtoull(field + 15, NULL, 10);
        if (!strncasecmp(field, "transfer-encoding: chunked", 26)) c->body = CHUNK_SIZE;
        if (!strncasecmp(field, "connection: close", 17)) c->closes = true;
        if (!strncasecmp(field, "location:", 9)) keep_location(c, field + 9);
    }
    if (current(c)->is_head || c->status == 204 || c->status == 304) {
        c->body = SIZED;
        c->left = 0;
    }
    size_t length = end + 4 - c->buffer;
    if (c->status != current(c)->expected) note_failure(c, c->buffer, c->held);
    return length;
}

/* Pass over as much of a body as the buffer has from `at` on; return where it stopped. */
static size_t read_body(struct connection *c, size_t at, bool *is_whole) {
    *is_whole = false;
    for (;;) {
        size_t here = c->held - at;
        if (c->body == SIZED || c->body == CHUNK_DATA) {
            size_t passed = here < c->left ? here : c->left;
            at += passed;
            c->left -= passed;
            if (c->left) return at;
            if (c->body == SIZED) {
                *is_whole = true;
                return at;
            }
            c->body = CHUNK_END;
            continue;
        }
        char *line = c->buffer + at, *end = memchr(line, '\n', here);
        if (!end) return at;
        at += end + 1 - line;
        if (c->body == CHUNK_SIZE) {
            c->left = strtoull(line, NULL, 16);
            c->body = c->left ? CHUNK_DATA : TRAILER;
        } else if (c->body == CHUNK_END) {
            c->body = CHUNK_SIZE;
        } else if (end - line <= 1) { /* an empty line ends the trailer */
            *is_whole = true;
            return at;
        }
    }
}

static void receive(struct connection *c) {
    ssize_t got = recv(c->fd, c->buffer + c->held, BUFFER_BYTES - 1 - c->held, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (c->in_body || c->held) die("a connection broke in the middle of an answer");
        redial(c);
        return;
    }
    c->held += got;
    size_t at = 0;
    bool is_whole = false;
    if (!c->in_body) {
        at = read_header(c);
        if (!at) return;
    }
    at = read_body(c, at, &is_whole);
    c->held -= at;
    memmove(c->buffer, c->buffer + at, c->held);
    if (!is_whole) return;
    if (c->held) die("more was answered than asked");
    finish_answer(c);
}

/* --- the run ---------------------------------------------------------------------------------- */

static bool is_done(void) {
    for (int number = 0; number < connection_count; number++)
        if (!connections[number].is_idle) return false;
    return true;
}

static double run(double seconds) {
    struct epoll_event events[64];
    double began = now(), ends = began + seconds;
    for (int number = 0; number < connection_count; number++) take_unit(&connections[number]);
    while (!is_stopped && !is_done() && now() < ends) {
        int count = epoll_wait(poller, events, 64, 100);
        for (int number = 0; number < count; number++) {
            struct connection *c = events[number].data.ptr;
            if (events[number].events & EPOLLOUT) send_on(c);
            if (events[number].events & ~EPOLLOUT) receive(c);
        }
    }
    return now() - began;
}

static int by_size(const void *left, const void *right) {
    float a = *(const float *)left, b = *(const float *)right;
    return (a > b) - (a < b);
}

static double latency_ms(double part) {
    return completed ? latencies[(size_t)(part * (completed - 1))] * 1000.0 : 0;
}

static void print_json_text(const char *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        if ((unsigned char)*text < ' ') printf("\\u%04x", *text);
        else putchar(*text);
    }
    putchar('"');
}

static void report(double seconds) {
    const char *separator = "";
    if (completed) qsort(latencies, completed, sizeof *latencies, by_size);
    printf("{\"seconds\": %.6f, \"completed\": %zu, \"failed\": %ld, \"requests\": %ld", seconds,
           completed, failed, answered);
    printf(", \"connections\": %d, \"reconnects\": %ld, \"statuses\": {", connection_count,
           reconnects);
    for (int status = 0; status < STATUSES; status++) {
        if (!statuses[status]) continue;
        printf("%s\"%d\": %ld", separator, status, statuses[status]);
        separator = ", ";
    }
    printf("}, \"latency_ms\": {\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"max\": %.4f}",
           latency_ms(0.5), latency_ms(0.9), latency_ms(0.99), latency_ms(1));
    printf(", \"first_failure\": ");
    print_json_text(first_failure);
    puts("}");
}

int main(int count, char **arguments) {
    if (count != 6) die("usage: load PORT CONNECTIONS FILE once|loop SECONDS");
    connection_count = atoi(arguments[2]);
    if (connection_count < 1 || connection_count > CONNECTIONS_MAX) die("1 to 1024 connections");
    loops = !strcmp(arguments[4], "loop");
    read_units(arguments[3]);
    address.sin_family = AF_INET;
    address.sin_port = htons(atoi(arguments[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGTERM, stop);
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int number = 0; number < connection_count; number++) {
        connections[number].buffer = malloc(BUFFER_BYTES);
        connections[number].location = calloc(1, LINE_BYTES);
        connections[number].line = malloc(LINE_BYTES);
        if (!connections[number].buffer || !connections[number].location ||
            !connections[number].line)
            die("no memory");
        connections[number].is_idle = true;
        dial(&connections[number]);
    }
    report(run(atof(arguments[5])));
    return 0;
}
