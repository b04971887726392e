/* Reads and writes protobuf's wire format. Runs in the spawner, the maker and the parked step.
 * The bytes come from the app, which is trusted; even so nothing outside [at, end) is ever touched, and the fuzzer in
 * test/fuzz holds this to account. */
#include "common/wire.h"

enum { WIRE_VARINT = 0, WIRE_LENGTH = 2 };

struct reader read_from(struct bytes bytes)
{
    return (struct reader){.at = bytes.data, .end = bytes.length > 0 ? bytes.data + bytes.length : bytes.data};
}

static uint64_t read_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (reader->failed || reader->at == reader->end)
            break;
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    reader->failed = true;
    return 0;
}

bool read_field(struct reader *reader, struct field *field)
{
    if (reader->failed || reader->at == reader->end)
        return false;
    uint64_t key = read_varint(reader);
    *field = (struct field){.number = (uint32_t)(key >> 3)};
    if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
        reader->failed = true;
    if ((key & 7) == WIRE_VARINT) {
        field->value = read_varint(reader);
    } else if ((key & 7) == WIRE_LENGTH) {
        uint64_t length = read_varint(reader);
        if (length > (uint64_t)(reader->end - reader->at))
            reader->failed = true;
        if (reader->failed)
            return false;
        field->is_bytes = true;
        field->bytes = (struct bytes){reader->at, (size_t)length};
        reader->at += length;
    } else {
        reader->failed = true;
    }
    return !reader->failed;
}

uint64_t field_u64(struct reader *reader, const struct field *field)
{
    if (field->is_bytes)
        reader->failed = true;
    return field->is_bytes ? 0 : field->value;
}

uint32_t field_u32(struct reader *reader, const struct field *field)
{
    uint64_t value = field_u64(reader, field);
    if (value > UINT32_MAX) {
        reader->failed = true;
        return 0;
    }
    return (uint32_t)value;
}

struct bytes field_bytes(struct reader *reader, const struct field *field, size_t most, bool text)
{
    if (!field->is_bytes || field->bytes.length > most ||
        (text && field->bytes.length > 0 && memchr(field->bytes.data, 0, field->bytes.length))) {
        reader->failed = true;
        return (struct bytes){0};
    }
    return field->bytes;
}

static void put(struct writer *writer, const void *data, size_t length)
{
    if (writer->failed || length > writer->size - writer->used) {
        writer->failed = true;
        return;
    }
    memcpy(writer->start + writer->used, data, length);
    writer->used += length;
}

static void put_varint(struct writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    size_t length = 0;
    do {
        bytes[length++] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    put(writer, bytes, length);
}

void write_number(struct writer *writer, uint32_t number, uint64_t value)
{
    if (value == 0)
        return;
    put_varint(writer, (uint64_t)number << 3 | WIRE_VARINT);
    put_varint(writer, value);
}

void write_bytes(struct writer *writer, uint32_t number, const void *data, size_t length)
{
    put_varint(writer, (uint64_t)number << 3 | WIRE_LENGTH);
    put_varint(writer, length);
    if (length > 0)
        put(writer, data, length);
}

void write_text(struct writer *writer, uint32_t number, const char *text)
{
    if (text[0])
        write_bytes(writer, number, text, strlen(text));
}

/* The length is patched in afterwards as a padded three-byte varint, which every protobuf decoder accepts. */
size_t write_begin(struct writer *writer, uint32_t number)
{
    put_varint(writer, (uint64_t)number << 3 | WIRE_LENGTH);
    put(writer, "\x80\x80\x00", 3);
    return writer->used;
}

void write_end(struct writer *writer, size_t begun)
{
    if (writer->failed)
        return;
    size_t length = writer->used - begun;
    if (length >= 1u << 21) {
        writer->failed = true;
        return;
    }
    writer->start[begun - 3] = (uint8_t)(0x80 | (length & 0x7f));
    writer->start[begun - 2] = (uint8_t)(0x80 | (length >> 7 & 0x7f));
    writer->start[begun - 1] = (uint8_t)(length >> 14);
}
