/* Doubles itself until something stops it. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    for (;;) {
        if (fork() < 0 && errno != EAGAIN) {
            perror("fork");
            return 1;
        }
    }
}
