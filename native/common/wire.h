/* Protobuf's wire format: a bounded reading cursor with a sticky error, and a bounded writer. No system calls, no
 * allocation. */
#ifndef WIRE_H
#define WIRE_H

#include "common/common.h"

struct bytes {
    const uint8_t *data;
    size_t length;
};

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed; /* once set, nothing is read any more */
};

struct field {
    uint32_t number;
    bool is_bytes;
    uint64_t value;     /* numbers */
    struct bytes bytes; /* strings, bytes, messages */
};

struct reader read_from(struct bytes bytes);

/* The next field; false at the end and after an error. Fixed32 and fixed64 are not used by the protocol and are errors.
 */
bool read_field(struct reader *reader, struct field *field);

/* Numbers that do not fit, or a field of the wrong kind, set the reader's error and answer 0. */
uint32_t field_u32(struct reader *reader, const struct field *field);
uint64_t field_u64(struct reader *reader, const struct field *field);
/* Bytes of at most `most`; with `text`, without NUL among them. */
struct bytes field_bytes(struct reader *reader, const struct field *field, size_t most, bool text);

struct writer {
    uint8_t *start;
    size_t used;
    size_t size;
    bool failed;
};

void write_number(struct writer *writer, uint32_t number, uint64_t value); /* 0 is not written */
void write_bytes(struct writer *writer, uint32_t number, const void *data, size_t length);
void write_text(struct writer *writer, uint32_t number, const char *text);
/* A message inside: write its fields between begin and end. */
size_t write_begin(struct writer *writer, uint32_t number);
void write_end(struct writer *writer, size_t begun);

#endif
