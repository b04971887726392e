/** A small C program of several files: a static and a shared library, threads, mathematics, a test of its own. */
export const C_PROJECT: Readonly<Record<string, string>> = {
  Makefile: `
CFLAGS = -std=c11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -fPIC -pthread
words: main.o libtable.a libscore.so
	$(CC) -pthread -o $@ main.o -L. -ltable -lscore -Wl,-rpath,'$$ORIGIN' -lm
main.o table.o: table.h
libtable.a: table.o
	$(AR) rcs $@ $^
libscore.so: score.o
	$(CC) -shared -o $@ $^ -lm
check: words
	@printf 'the cat the dog a cat the end' | ./words
clean:
	rm -f words *.o *.a *.so
.PHONY: check clean
`,
  'table.h': `
#include <stddef.h>
struct entry { struct entry *next; size_t count; char word[]; };
struct table { struct entry *buckets[256]; };
struct entry *table_add(struct table *table, const char *word);
double score(size_t count, size_t length);
`,
  'table.c': `
#include "table.h"
#include <stdlib.h>
#include <string.h>
struct entry *table_add(struct table *table, const char *word)
{
    unsigned char hash = 5;
    for (const char *at = word; *at; at++)
        hash = (unsigned char)(hash * 33 + *at);
    struct entry **place = &table->buckets[hash];
    while (*place && strcmp((*place)->word, word))
        place = &(*place)->next;
    if (!*place) {
        *place = calloc(1, sizeof(struct entry) + strlen(word) + 1);
        if (*place)
            strcpy((*place)->word, word);
    }
    if (*place)
        (*place)->count++;
    return *place;
}
`,
  'score.c': `
#include "table.h"
#include <math.h>
double score(size_t count, size_t length) { return sqrt((double)(count * count)) * (double)length; }
`,
  'main.c': `
#include <pthread.h>
#include <stdio.h>
#include "table.h"
static struct table words;
static void *best(void *unused)
{
    (void)unused;
    struct entry *best = NULL;
    for (size_t i = 0; i < 256; i++)
        for (struct entry *entry = words.buckets[i]; entry; entry = entry->next)
            if (!best || entry->count > best->count)
                best = entry;
    return best;
}
int main(void)
{
    char word[64];
    while (scanf("%63s", word) == 1)
        if (!table_add(&words, word))
            return 1;
    pthread_t thread;
    void *found;
    if (pthread_create(&thread, NULL, best, NULL) || pthread_join(thread, &found) || !found)
        return 1;
    struct entry *entry = found;
    printf("%s %zu %.1f\\n", entry->word, entry->count, score(entry->count, 3));
}
`,
};
