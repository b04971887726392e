/* Sums in too narrow a type. */
#include <stdio.h>

int main(void)
{
    long count;
    unsigned short number, sum = 0;
    if (scanf("%ld", &count) != 1)
        return 1;
    while (count-- > 0 && scanf("%hu", &number) == 1)
        sum = (unsigned short)(sum + number);
    printf("%u\n", sum);
    return 0;
}
