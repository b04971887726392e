/* Frames between the app and the built-in command that works on files. Runs in the step, with its rights. The app is
 * trusted, and what it sends is bounded all the same. */
#include "sandbox/files.h"

enum { OUT_SIZE = 2 * DATA_LIMIT, IN_SIZE = 2 * DATA_LIMIT };

static uint8_t out[OUT_SIZE];
static size_t used;
static uint8_t in[IN_SIZE];
static size_t in_first, in_end;

int write_whole(int file, struct bytes bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(file, bytes.data, bytes.length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes.data += written;
        bytes.length -= (size_t)written;
    }
    return 0;
}

static void put(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

static int flush(void)
{
    struct bytes all = {out, used};
    used = 0;
    return write_whole(STDOUT_FILENO, all);
}

static int make_room(size_t length)
{
    return OUT_SIZE - used < length ? flush() : 0;
}

static void begin_frame(enum frame_kind kind, size_t length)
{
    out[used] = (uint8_t)kind;
    put(&out[used + 1], length, 4);
    used += FRAME_HEADER;
}

static void append(const void *data, size_t length)
{
    memcpy(&out[used], data, length);
    used += length;
}

int send_entry(const struct entry *entry)
{
    size_t name = entry->depth ? strlen(entry->name) : 0, target = strlen(entry->target),
           length = ENTRY_HEADER + name + target;
    if (make_room(FRAME_HEADER + length))
        return -1;
    begin_frame(FRAME_ENTRY, length);
    uint8_t *at = &out[used];
    put(at, entry->kind, 1);
    put(at + 1, entry->depth, 2);
    put(at + 3, entry->mode, 4);
    put(at + 7, entry->size, 8);
    put(at + 15, (uint64_t)entry->seconds, 8);
    put(at + 23, entry->nanoseconds, 4);
    put(at + 27, name, 2);
    used += ENTRY_HEADER;
    append(entry->name, name);
    append(entry->target, target);
    return 0;
}

/* Data are read to where they are sent from. */
int send_data(int file, uint64_t *left)
{
    for (;;) {
        if (make_room(FRAME_HEADER + DATA_LIMIT))
            return -1;
        size_t wanted = *left < DATA_LIMIT ? (size_t)*left + 1 : DATA_LIMIT;
        ssize_t got = read(file, &out[used + FRAME_HEADER], wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        if ((uint64_t)got > *left)
            return 1;
        *left -= (uint64_t)got;
        begin_frame(FRAME_DATA, (size_t)got);
        used += (size_t)got;
    }
}

int send_end(void)
{
    if (make_room(FRAME_HEADER))
        return -1;
    begin_frame(FRAME_END, 0);
    return flush();
}

void send_problem(const struct problem *problem)
{
    size_t path = strlen(problem->path);
    if (make_room(FRAME_HEADER + 5 + path))
        return;
    begin_frame(FRAME_PROBLEM, 5 + path);
    put(&out[used], problem->call, 1);
    put(&out[used + 1], (uint64_t)problem->error, 4);
    used += 5;
    append(problem->path, path);
    flush();
}

/* So many bytes in one piece; NULL at the end. */
static const uint8_t *take(size_t length)
{
    if (IN_SIZE - in_first < length) {
        memmove(in, &in[in_first], in_end - in_first);
        in_end -= in_first;
        in_first = 0;
    }
    while (in_end - in_first < length) {
        ssize_t got = read(STDIN_FILENO, &in[in_end], IN_SIZE - in_end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return errno = got == 0 ? ECANCELED : errno, NULL;
        in_end += (size_t)got;
    }
    const uint8_t *taken = &in[in_first];
    in_first += length;
    return taken;
}

int receive_frame(struct frame *frame)
{
    const uint8_t *header = take(FRAME_HEADER);
    if (!header)
        return -1;
    uint8_t kind = header[0];
    size_t length = (size_t)get(&header[1], 4);
    errno = EPROTO;
    if (kind < FRAME_DATA || kind > FRAME_END || length > DATA_LIMIT)
        return -1;
    frame->kind = (enum frame_kind)kind;
    frame->payload = (struct bytes){take(length), length};
    return frame->payload.data ? 0 : -1;
}

static bool is_component(const char *name)
{
    return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int read_entry(struct bytes payload, struct entry *entry)
{
    const uint8_t *at = payload.data;
    errno = EPROTO;
    if (payload.length < ENTRY_HEADER)
        return -1;
    size_t name = (size_t)get(at + 27, 2), rest = payload.length - ENTRY_HEADER;
    if (name > NAME_LIMIT || name > rest || rest - name > PATH_LIMIT || memchr(at + ENTRY_HEADER, 0, rest))
        return -1;
    if (at[0] < KIND_FILE || at[0] > KIND_LINK)
        return -1;
    entry->kind = (enum entry_kind)at[0];
    entry->depth = (unsigned)get(at + 1, 2);
    entry->mode = (uint32_t)get(at + 3, 4) & 0777;
    memcpy(entry->name, at + ENTRY_HEADER, name);
    entry->name[name] = 0;
    memcpy(entry->target, at + ENTRY_HEADER + name, rest - name);
    entry->target[rest - name] = 0;
    return entry->depth == 0 || is_component(entry->name) ? 0 : -1;
}
