/* Requests of the app, read field by field. Unknown fields are skipped, as protobuf wants it; what is out of bounds
 * fails. Runs in the spawner; Define also in the maker, Start also in the parked step. */
#include "common/control.h"

enum request_kind read_request(struct bytes message, struct bytes *body)
{
    struct reader reader = read_from(message);
    struct field field;
    enum request_kind kind = REQUEST_NONE;
    while (read_field(&reader, &field)) {
        if (field.number < REQUEST_CONFIGURE || field.number > REQUEST_FREEZE)
            continue;
        if (kind != REQUEST_NONE || !field.is_bytes)
            return REQUEST_NONE;
        kind = (enum request_kind)field.number;
        *body = field.bytes;
    }
    return reader.failed ? REQUEST_NONE : kind;
}

static void read_range(struct reader *outer, const struct field *from, struct id_range *largest)
{
    struct reader reader = read_from(field_bytes(outer, from, 64, false));
    struct field field;
    struct id_range range = {0};
    while (read_field(&reader, &field)) {
        if (field.number == 1)
            range.start = field_u32(&reader, &field);
        if (field.number == 2)
            range.count = field_u32(&reader, &field);
    }
    if (reader.failed || (uint64_t)range.start + range.count > UINT32_MAX)
        outer->failed = true;
    else if (range.count > largest->count)
        *largest = range;
}

static bool is_absolute(struct bytes path)
{
    return path.length > 0 && path.data[0] == '/';
}

int read_configure(struct bytes body, struct configure *out)
{
    struct reader reader = read_from(body);
    struct field field;
    *out = (struct configure){0};
    while (read_field(&reader, &field)) {
        switch (field.number) {
        case 1:
            out->state_directory = field_bytes(&reader, &field, 1024, true);
            break;
        case 2:
            out->uid_start = field_u32(&reader, &field);
            break;
        case 3:
            out->uid_count = field_u32(&reader, &field);
            break;
        case 4:
            out->cgroup_parent = field_bytes(&reader, &field, 1024, true);
            break;
        case 5:
            out->pool = field_u32(&reader, &field);
            break;
        case 6:
            out->max_concurrent = field_u32(&reader, &field);
            break;
        case 7:
            out->queue_timeout_ms = field_u32(&reader, &field);
            break;
        case 8:
            read_range(&reader, &field, &out->subordinate_uids);
            break;
        case 9:
            read_range(&reader, &field, &out->subordinate_gids);
            break;
        case 10:
            out->instance = field_u64(&reader, &field);
            break;
        case 14:
            out->portable = field_u64(&reader, &field) != 0;
            break;
        case 11:
            out->idle_ms = field_u32(&reader, &field);
            break;
        case 12:
            out->idle_makers = field_u32(&reader, &field);
            break;
        case 13:
            out->scratch_directory = field_bytes(&reader, &field, PATH_LIMIT, true);
            break;
        }
    }
    if (!is_absolute(out->state_directory) || !is_absolute(out->scratch_directory) ||
        (uint64_t)out->uid_start + out->uid_count > UINT32_MAX)
        reader.failed = true;
    return reader.failed ? -1 : 0;
}

static void read_limits(struct reader *outer, const struct field *from, struct limits *out)
{
    struct reader reader = read_from(field_bytes(outer, from, 256, false));
    struct field field;
    while (read_field(&reader, &field)) {
        switch (field.number) {
        case 1:
            out->memory_bytes = field_u64(&reader, &field);
            break;
        case 2:
            out->processes = field_u32(&reader, &field);
            break;
        case 3:
            out->cpu_time_ms = field_u64(&reader, &field);
            break;
        case 4:
            out->milli_cpus = field_u32(&reader, &field);
            break;
        case 5:
            out->wall_time_ms = field_u64(&reader, &field);
            break;
        case 6:
            out->file_size_bytes = field_u64(&reader, &field);
            break;
        case 7:
            out->open_files = field_u32(&reader, &field);
            break;
        }
    }
    uint64_t most = UINT64_MAX / 2000000;
    if (reader.failed || out->cpu_time_ms > most || out->wall_time_ms > most || out->memory_bytes > INT64_MAX)
        outer->failed = true;
}

static void add_further(struct reader *reader, uint64_t kind, struct start *out)
{
    if (kind > FURTHER_TREE_SOCKET || out->further_count == FURTHER_LIMIT)
        reader->failed = true;
    else
        out->further[out->further_count++] = (uint32_t)kind;
}

/* One after the other, or packed: each is a number of a single byte then. */
static void read_further(struct reader *reader, const struct field *field, struct start *out)
{
    if (!field->is_bytes)
        add_further(reader, field->value, out);
    for (size_t i = 0; field->is_bytes && i < field->bytes.length && !reader->failed; i++)
        add_further(reader, field->bytes.data[i], out);
}

static void read_terminal(struct reader *outer, const struct field *from, struct start *out)
{
    struct reader reader = read_from(field_bytes(outer, from, 64, false));
    struct field field;
    uint32_t columns = 0, rows = 0;
    while (read_field(&reader, &field)) {
        if (field.number == 1)
            columns = field_u32(&reader, &field);
        if (field.number == 2)
            rows = field_u32(&reader, &field);
    }
    if (reader.failed || columns == 0 || columns > UINT16_MAX || rows == 0 || rows > UINT16_MAX)
        outer->failed = true;
    out->columns = (uint16_t)columns;
    out->rows = (uint16_t)rows;
}

int read_start(struct bytes body, struct start *out)
{
    struct reader reader = read_from(body);
    struct field field;
    *out = (struct start){0};
    while (read_field(&reader, &field)) {
        switch (field.number) {
        case 1:
            out->step_id = field_u64(&reader, &field);
            break;
        case 2:
            out->policy_id = field_u32(&reader, &field);
            break;
        case 3:
            out->file = field_bytes(&reader, &field, PATH_LIMIT, true);
            break;
        case 4:
            field_bytes(&reader, &field, MESSAGE_LIMIT, true);
            out->argv_count++;
            break;
        case 5:
            field_bytes(&reader, &field, MESSAGE_LIMIT, true);
            out->env_count++;
            break;
        case 6:
            out->cwd = field_bytes(&reader, &field, PATH_LIMIT, true);
            break;
        case 7:
        case 8:
        case 9:
            out->standard[field.number - 7] = field_u32(&reader, &field);
            if (out->standard[field.number - 7] > STDIO_PIPE)
                reader.failed = true;
            break;
        case 10:
            read_limits(&reader, &field, &out->limits);
            break;
        case 11:
            out->announce = field_u64(&reader, &field) != 0;
            break;
        case 12:
            read_further(&reader, &field, out);
            break;
        case 13:
            out->builtin = field_u32(&reader, &field);
            if (out->builtin > BUILTIN_FILES)
                reader.failed = true;
            break;
        case 15:
            out->keep_background = field_u64(&reader, &field) != 0;
            break;
        case 14:
            read_terminal(&reader, &field, out);
            break;
        }
    }
    if (out->columns > 0 && count_pipes(out) > 0)
        reader.failed = true;
    if (out->step_id == 0 || out->file.length == 0 || out->argv_count == 0 ||
        out->argv_count + out->env_count > ARGUMENT_LIMIT || out->cwd.length == 0 || out->cwd.data[0] != '/')
        reader.failed = true;
    return reader.failed ? -1 : 0;
}

size_t count_pipes(const struct start *start)
{
    size_t count = 0;
    for (size_t i = 0; i < 3; i++)
        count += start->standard[i] == STDIO_PIPE;
    return count;
}

size_t count_standard(const struct start *start)
{
    return start->columns > 0 ? 1 : count_pipes(start);
}

static char *copy_text(char **text, struct bytes bytes)
{
    char *copy = *text;
    memcpy(copy, bytes.data, bytes.length);
    copy[bytes.length] = 0;
    *text += bytes.length + 1;
    return copy;
}

/* Each entry takes its length and a NUL here, and took its length, a key and a length byte at least in the body. */
void read_arguments(struct bytes body, char **argv, char **env, char *text)
{
    struct reader reader = read_from(body);
    struct field field;
    while (read_field(&reader, &field)) {
        if (field.number == 4)
            *argv++ = copy_text(&text, field.bytes);
        if (field.number == 5)
            *env++ = copy_text(&text, field.bytes);
    }
    *argv = NULL;
    *env = NULL;
}

int read_kill(struct bytes body, struct kill_request *out)
{
    struct reader reader = read_from(body);
    struct field field;
    *out = (struct kill_request){0};
    while (read_field(&reader, &field)) {
        switch (field.number) {
        case 1:
            out->step_id = field_u64(&reader, &field);
            break;
        case 2:
            out->cause = field_u32(&reader, &field);
            break;
        case 3:
            out->signal = field_u32(&reader, &field);
            break;
        case 4:
            out->grace_ms = field_u64(&reader, &field);
            break;
        }
    }
    if (out->cause > CAUSE_DESTROYED || out->signal > 64 || out->grace_ms > UINT64_MAX / 2000000)
        reader.failed = true;
    return reader.failed ? -1 : 0;
}

int read_id(struct bytes body, uint32_t *out)
{
    struct reader reader = read_from(body);
    struct field field;
    *out = 0;
    while (read_field(&reader, &field)) {
        if (field.number == 1)
            *out = field_u32(&reader, &field);
    }
    return reader.failed ? -1 : 0;
}

int read_session_request(struct bytes body, struct session_request *out)
{
    struct reader reader = read_from(body);
    struct field field;
    *out = (struct session_request){0};
    while (read_field(&reader, &field)) {
        if (field.number == 1)
            out->id = field_u32(&reader, &field);
        if (field.number == 2)
            out->step_id = field_u64(&reader, &field);
        if (field.number == 3)
            out->frozen = field_u64(&reader, &field) != 0;
    }
    return reader.failed ? -1 : 0;
}
