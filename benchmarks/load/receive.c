/* The least that a server can do for the push of a large blob: the ceiling of any that is durable.
 *
 *     receive FOLDER drop|one|two SECONDS
 *
 * Listens on a free port of the loopback, says which on stdout, and ends after SECONDS or at
 * SIGTERM. It takes one connection at a time, and on it, one after the other, POSTs, which get a
 * Location at once, and PUTs. The body of a PUT is received, hashed with SHA-256 and written to a
 * new file in FOLDER, whose write-back begins early. The file is flushed, and if the hash is the
 * digest in the target, renamed and its folder flushed, before 201 is answered. There are no
 * sessions, no records and no second hash, and whatever is not as it should be ends the program.
 *
 * `one` does all of this in one thread; `two` hashes in a second one while the first receives and
 * writes; `drop` only receives, which shows what the client and the network cost.
 */

#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PIECES = 8, /* so many are received ahead of the hash */
    PIECE_BYTES = 1024 * 1024,
    HEADER_BYTES = 16 * 1024,
    FLUSH_AHEAD_BYTES = 8 * 1024 * 1024,
    NAME_BYTES = 32,
    DIGEST_HEX = 64,
};

static bool drops, hashes_beside;
static int folder, files;
static char pieces[PIECES][PIECE_BYTES];
static size_t lengths[PIECES];

static EVP_MD_CTX *hash;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t received, hashed; /* pieces, of all bodies */

static void hash_piece(size_t piece) {
    if (!EVP_DigestUpdate(hash, pieces[piece % PIECES], lengths[piece % PIECES])) errx(1, "hash");
}

static void *hash_beside(void *nothing) {
    for (;;) {
        pthread_mutex_lock(&lock);
        while (hashed == received) pthread_cond_wait(&changed, &lock);
        pthread_mutex_unlock(&lock);
        hash_piece(hashed);
        pthread_mutex_lock(&lock);
        hashed++;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    return nothing;
}

/* Wait until at most `most` pieces are received and not hashed. */
static void await_hash(size_t most) {
    pthread_mutex_lock(&lock);
    while (received - hashed > most) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void hand_to_hash(void) {
    pthread_mutex_lock(&lock);
    received++;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
    if (hashes_beside) return;
    hash_piece(hashed++);
}

static void check_digest(const char *expected) {
    unsigned char found[EVP_MAX_MD_SIZE];
    char hex[DIGEST_HEX + 1];
    if (!EVP_DigestFinal_ex(hash, found, NULL)) errx(1, "hash");
    for (size_t at = 0; at < DIGEST_HEX / 2; at++) sprintf(hex + 2 * at, "%02x", found[at]);
    if (strncmp(hex, expected, DIGEST_HEX)) errx(1, "the body is %s", hex);
}

/* Receive a body of `length` bytes, of which `held` are at `first`; leave it flushed and named. */
static void keep(int client, size_t length, const char *first, size_t held, const char *digest) {
    char name[NAME_BYTES], part[NAME_BYTES];
    snprintf(name, sizeof name, "%d", files);
    snprintf(part, sizeof part, "%d.part", files++);
    int file = drops ? -1 : openat(folder, part, O_WRONLY | O_CREAT | O_EXCL, 0640);
    if ((!drops && file < 0) || !EVP_DigestInit_ex(hash, EVP_sha256(), NULL)) err(1, "%s", part);
    size_t flushing = 0;
    for (size_t at = 0; at < length;) {
        if (!drops) await_hash(PIECES - 1);
        char *piece = pieces[received % PIECES];
        size_t size = length - at < PIECE_BYTES ? length - at : PIECE_BYTES;
        memcpy(piece, first, held);
        ssize_t left = size - held;
        if (left && recv(client, piece + held, left, MSG_WAITALL) != left)
            errx(1, "the body broke off");
        at += size;
        held = 0;
        if (drops) continue;
        lengths[received % PIECES] = size;
        hand_to_hash();
        if (write(file, piece, size) != (ssize_t)size) err(1, "%s", part);
        if (at - flushing >= FLUSH_AHEAD_BYTES) {
            posix_fadvise(file, flushing, at - flushing, POSIX_FADV_DONTNEED);
            flushing = at;
        }
    }
    if (drops) return;
    if (fdatasync(file)) err(1, "%s", part);
    await_hash(0);
    check_digest(digest);
    if (renameat(folder, part, folder, name) || fsync(folder) || close(file)) err(1, "%s", name);
}

/* Answer the requests of one connection until it is closed. */
static void serve(int client) {
    static const char BEGUN[] =
        "HTTP/1.1 202 Accepted\r\nLocation: /upload\r\nContent-Length: 0\r\n\r\n";
    static const char DONE[] =
        "HTTP/1.1 201 Created\r\nLocation: /blob\r\nContent-Length: 0\r\n\r\n";
    static char header[HEADER_BYTES];
    size_t held = 0;
    for (;;) {
        header[held] = 0;
        char *end = strstr(header, "\r\n\r\n");
        if (!end) {
            ssize_t got = recv(client, header + held, HEADER_BYTES - 1 - held, 0);
            if (got <= 0) return;
            held += got;
            continue;
        }
        held -= end + 4 - header; /* of the body; a client that waits sends no more than that */
        bool is_put = !strncmp(header, "PUT ", 4);
        if (is_put) {
            char *field = strcasestr(header, "\r\ncontent-length:");
            char *digest = strstr(header, "digest=sha256:");
            if (!field || !digest) errx(1, "no Content-Length, or no digest");
            keep(client, strtoull(field + 17, NULL, 10), end + 4, held, digest + 14);
        }
        const char *answer = is_put ? DONE : BEGUN;
        if (send(client, answer, strlen(answer), MSG_NOSIGNAL) < 0) return;
        held = 0;
    }
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    folder = open(arguments[1], O_RDONLY | O_DIRECTORY);
    drops = !strcmp(arguments[2], "drop");
    hashes_beside = !strcmp(arguments[2], "two");
    alarm(atoi(arguments[3]));
    memset(pieces, 1, sizeof pieces); /* mapped now, and not while a body waits */
    pthread_t beside;
    hash = EVP_MD_CTX_new();
    if (hashes_beside && pthread_create(&beside, NULL, hash_beside, NULL)) return 1;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (folder < 0 || bind(listener, (struct sockaddr *)&address, length) ||
        listen(listener, 16) || getsockname(listener, (struct sockaddr *)&address, &length))
        err(1, "%s", arguments[1]);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) err(1, "accept");
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        serve(client);
        close(client);
    }
}
