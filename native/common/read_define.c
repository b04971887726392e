/* Define, the largest of the messages: everything that decides how a sandbox is built. */
#include "common/control.h"
#include "common/protocol.h"

static void read_mount(struct reader *outer, const struct field *from, struct mount_entry *out)
{
    struct reader reader = read_from(field_bytes(outer, from, MESSAGE_LIMIT, false));
    struct field field;
    *out = (struct mount_entry){0};
    while (read_field(&reader, &field)) {
        switch (field.number) {
        case 1:
            out->kind = field_u32(&reader, &field);
            break;
        case 2:
            out->source = field_bytes(&reader, &field, PATH_LIMIT, true);
            break;
        case 3:
            out->target = field_bytes(&reader, &field, PATH_LIMIT, true);
            break;
        case 4:
            out->content = field_bytes(&reader, &field, MESSAGE_LIMIT, false);
            break;
        case 5:
            out->mode = field_u32(&reader, &field);
            break;
        case 6:
            out->optional = field_u64(&reader, &field) != 0;
            break;
        case 7:
            out->no_exec = field_u64(&reader, &field) != 0;
            break;
        case 8:
            out->as_owner = field_u64(&reader, &field) != 0;
            break;
        }
    }
    /* Set-id bits have no place in a sandbox; the sticky bit has. */
    if (reader.failed || out->kind > MOUNT_ROOT || out->mode > 01777 || out->target.length == 0 ||
        out->target.data[0] != '/')
        outer->failed = true;
}

static void read_rule(struct reader *outer, const struct field *from, struct rule *out)
{
    struct reader reader = read_from(field_bytes(outer, from, MESSAGE_LIMIT, false));
    struct field field;
    *out = (struct rule){0};
    while (read_field(&reader, &field)) {
        switch (field.number) {
        case 1:
            out->pattern = field_bytes(&reader, &field, PATH_LIMIT, true);
            break;
        case 2:
            out->literal = field_u32(&reader, &field);
            break;
        case 3:
            out->hide = field_u64(&reader, &field) != 0;
            break;
        case 4:
            out->must_exist = field_u64(&reader, &field) != 0;
            break;
        }
    }
    if (reader.failed || out->pattern.length == 0 || out->pattern.data[0] != '/' || out->literal > out->pattern.length)
        outer->failed = true;
}

static void read_define_number(struct reader *reader, const struct field *field, struct define *out)
{
    switch (field->number) {
    case 1:
        out->policy_id = field_u32(reader, field);
        break;
    case 3:
        out->uid = field_u32(reader, field);
        break;
    case 4:
        out->gid = field_u32(reader, field);
        break;
    case 8:
        out->step_filter_notifies = field_u64(reader, field) != 0;
        break;
    case 9:
        out->scratch_bytes = field_u64(reader, field);
        break;
    case 10:
        out->scratch_inodes = field_u64(reader, field);
        break;
    case 11:
        out->host_network = field_u64(reader, field) != 0;
        break;
    case 12:
        out->require = field_u32(reader, field);
        break;
    case 13:
        out->allow_weaker = field_u32(reader, field);
        break;
    case 14:
        out->allow_missing = field_u32(reader, field);
        break;
    case 16:
        out->reuse_net = field_u64(reader, field) != 0;
        break;
    case 17:
        out->reuse_user = field_u64(reader, field) != 0;
        break;
    case 18:
        out->zygote = field_u64(reader, field) != 0;
        break;
    case 19:
        out->below = field_u64(reader, field);
        break;
    case 20:
        out->parked = field_u32(reader, field);
        break;
    case 21:
        out->replaces = field_u32(reader, field);
        break;
    case 24:
        out->session = field_u64(reader, field) != 0;
        break;
    case 25:
        out->within = field_u64(reader, field);
        break;
    case 26:
        out->keyless = field_u64(reader, field) != 0;
        break;
    case 28:
        out->scratch_on_disk = field_u64(reader, field) != 0;
        break;
    case 30:
        out->core_scheduling = field_u64(reader, field) != 0;
        break;
    case 40:
        out->terminal = field_u64(reader, field) != 0;
        break;
    }
}

int read_define(struct bytes body, struct define *out)
{
    struct reader reader = read_from(body);
    struct field field;
    memset(out, 0, sizeof(*out));
    while (read_field(&reader, &field)) {
        switch (field.number) {
        case 2:
            if (out->mount_count == MOUNT_LIMIT)
                return -1;
            read_mount(&reader, &field, &out->mounts[out->mount_count++]);
            break;
        case 5:
            out->hostname = field_bytes(&reader, &field, 64, true);
            break;
        case 6:
            out->base_filter = field_bytes(&reader, &field, FILTER_LIMIT, false);
            break;
        case 7:
            out->step_filter = field_bytes(&reader, &field, FILTER_LIMIT, false);
            break;
        case 15:
            if (out->cover_count == COVER_LIMIT)
                return -1;
            out->cover[out->cover_count++] = field_bytes(&reader, &field, PATH_LIMIT, true);
            break;
        case 27:
            if (out->rule_count == RULE_LIMIT)
                return -1;
            read_rule(&reader, &field, &out->rules[out->rule_count++]);
            break;
        case 22:
            out->boot = field_bytes(&reader, &field, MESSAGE_LIMIT, false);
            break;
        case 29:
            out->portable = field_bytes(&reader, &field, MESSAGE_LIMIT, false);
            break;
        case 23:
            out->boot_input = field_bytes(&reader, &field, MESSAGE_LIMIT, false);
            break;
        default:
            read_define_number(&reader, &field, out);
        }
    }
    /* An empty filter would be no filter: that is never what a policy means. */
    if (out->base_filter.length == 0 || out->base_filter.length % 8 || out->step_filter.length == 0 ||
        out->step_filter.length % 8 || out->uid == UINT32_MAX || out->gid == UINT32_MAX)
        reader.failed = true;
    if (out->scratch_on_disk && (out->scratch_bytes == 0 || out->scratch_bytes > (uint64_t)DISK_LIMIT_TIB << 40))
        reader.failed = true;
    /* A session is nothing else besides, and what runs in one can only boot. */
    bool other = out->zygote || out->below;
    if ((out->session && (out->within || out->boot.length > 0)) || ((out->session || out->within) && other))
        reader.failed = true;
    struct start boot;
    if (out->boot.length > 0 &&
        (read_start(out->boot, &boot) || count_pipes(&boot) != 1 || boot.further_count > 0 || boot.builtin))
        reader.failed = true;
    return reader.failed ? -1 : 0;
}
