/* The built-in command that works on the files of a sandbox: what its parts share. */
#ifndef FILES_H
#define FILES_H

#include <sys/stat.h>

#include "common/control.h"

/* What is sent both ways: a byte for the kind, four for the length, little-endian, and so many bytes. The app has the
 * same numbers (src/sandbox/files/frames.ts). */
enum frame_kind { FRAME_DATA = 1, FRAME_ENTRY, FRAME_END, FRAME_PROBLEM };
enum {
    FRAME_HEADER = 5,
    ENTRY_HEADER = 29, /* kind, depth, mode, size, seconds and nanoseconds of the last change, length of the name */
    NAME_LIMIT = 255,
    DATA_LIMIT = 64 << 10,
    DEPTH_LIMIT = 64, /* directories within each other, each of which takes a descriptor */
};

enum entry_kind { KIND_FILE = 1, KIND_DIRECTORY, KIND_LINK, KIND_FIFO, KIND_SOCKET, KIND_CHARACTERS, KIND_BLOCKS };

/* A file, a directory or a link; what its data are follows a file, what it contains a directory, one level deeper. */
struct entry {
    enum entry_kind kind;
    uint32_t mode; /* permissions only */
    uint64_t size;
    int64_t seconds;
    uint32_t nanoseconds;
    unsigned depth;              /* 0: what was asked for itself, which has no name */
    char name[NAME_LIMIT + 1];   /* of what was received: one component, neither . nor .. */
    char target[PATH_LIMIT + 1]; /* of a link */
};

/* What was being done; the app has the words for it (src/sandbox/files/problem.ts). */
enum call {
    CALL_OPEN = 1,
    CALL_READ,
    CALL_WRITE,
    CALL_STAT,
    CALL_LIST,
    CALL_MKDIR,
    CALL_SYMLINK,
    CALL_READLINK,
    CALL_RENAME,
    CALL_UNLINK,
    CALL_CHMOD,
    NOT_A_FILE, /* neither a file nor a link that may be replaced */
    TOO_LONG,
    TOO_MANY,
    TOO_DEEP,
    NOT_UNDERSTOOD,
};

struct problem {
    enum call call;
    int error;
    char path[PATH_LIMIT + 1]; /* cut when longer */
};

int note(struct problem *out, enum call call, const char *path);

/* files_frames.c. Frames are kept until there are many; all of it ends the command when nobody reads or writes. */
int send_entry(const struct entry *entry);
/* The rest of a file, at most *left bytes of it: 1 when there are more, and -1 when it cannot be read. */
int send_data(int file, uint64_t *left);
int send_end(void);
void send_problem(const struct problem *problem);
struct frame {
    enum frame_kind kind;
    struct bytes payload; /* until the next one is received */
};
/* -1 with ECANCELED when there are no more, with EPROTO when it is none. */
int receive_frame(struct frame *frame);
int read_entry(struct bytes payload, struct entry *out);
int write_whole(int file, struct bytes bytes);

/* files.c: where something is to be made or removed: symbolic links are followed on the way there, and not there. */
struct place {
    int parent;
    char name[NAME_LIMIT + 1];
};
int find_place(const char *path, bool make_parents, struct place *place, struct problem *problem);
void describe(const struct stat *status, struct entry *out);
int read_target(int directory, const char *path, struct entry *link);

/* Each is one operation: its words are those of the request, without the first. */
int list_tree(char **words, struct problem *problem);
int copy_out(char **words, struct problem *problem);
int write_file(char **words, struct problem *problem);
int copy_in(char **words, struct problem *problem);
int remove_path(char **words, struct problem *problem);

/* files_remove.c: with all that is in it; links are not followed. */
int remove_whole(int parent, const char *name, struct problem *problem);

_Noreturn void files_main(char **argv, size_t count);

#endif
