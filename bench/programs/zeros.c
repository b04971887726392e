/* Writes as many zeros to stdout as it is told, in writes as large as a pipe. */
#include <stdlib.h>
#include <unistd.h>

static char zeros[65536];

int main(int count, char **arguments)
{
    if (count != 2)
        return 2;
    for (long long left = atoll(arguments[1]); left > 0;) {
        ssize_t written = write(1, zeros, left < (long long)sizeof(zeros) ? (size_t)left : sizeof(zeros));
        if (written < 0)
            return 1;
        left -= written;
    }
    return 0;
}
