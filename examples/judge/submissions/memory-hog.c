/* Fills more memory than it is allowed. */
#include <stdlib.h>
#include <string.h>

int main(void)
{
    const size_t block = 1 << 20;
    for (;;) {
        char *memory = malloc(block);
        if (memory)
            memset(memory, 1, block);
    }
}
