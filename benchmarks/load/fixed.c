/* A server that answers everything at once with the same few bytes: the load generator's ceiling.
 *
 *     fixed SECONDS
 *
 * Listens on a free port of the loopback, says which on stdout, and ends after SECONDS or at
 * SIGTERM. It reads requests as far as a server must to know where they end, and no further.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 64 * 1024, DESCRIPTORS_MAX = 2048 };

static const char ANSWER[] =
    "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

struct input {
    char bytes[BUFFER_BYTES];
    size_t held;
};

static struct input *inputs[DESCRIPTORS_MAX];

/* Answer every whole request that `input` holds. */
static int answer(int fd, struct input *input) {
    for (;;) {
        input->bytes[input->held] = 0;
        char *end = strstr(input->bytes, "\r\n\r\n");
        if (!end) return 0;
        char *field = strcasestr(input->bytes, "\r\ncontent-length:");
        size_t body = field && field < end ? strtoull(field + 17, NULL, 10) : 0;
        size_t length = end + 4 - input->bytes + body;
        if (length > input->held) return 0;
        if (send(fd, ANSWER, sizeof ANSWER - 1, MSG_NOSIGNAL) < 0) return -1;
        input->held -= length;
        memmove(input->bytes, input->bytes + length, input->held);
    }
}

static void drop(int fd) {
    close(fd);
    free(inputs[fd]);
    inputs[fd] = NULL;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    alarm(atoi(arguments[1]));
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1024) ||
        getsockname(listener, (struct sockaddr *)&address, &length))
        return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[64];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(poller, events, 64, -1);
        for (int number = 0; number < ready; number++) {
            int fd = events[number].data.fd;
            if (fd == listener) {
                int accepted = accept(listener, NULL, NULL);
                if (accepted < 0) continue;
                if (accepted >= DESCRIPTORS_MAX || !(inputs[accepted] = malloc(sizeof **inputs))) {
                    close(accepted);
                    continue;
                }
                inputs[accepted]->held = 0;
                setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                struct epoll_event added = {.events = EPOLLIN, .data.fd = accepted};
                epoll_ctl(poller, EPOLL_CTL_ADD, accepted, &added);
                continue;
            }
            struct input *input = inputs[fd];
            ssize_t got = recv(fd, input->bytes + input->held, BUFFER_BYTES - 1 - input->held, 0);
            if (got <= 0) {
                drop(fd);
                continue;
            }
            input->held += got;
            if (answer(fd, input)) drop(fd);
        }
    }
}
