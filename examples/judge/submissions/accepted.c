/* Right, and fast enough. */
#include <stdio.h>

int main(void)
{
    long count, number, sum = 0;
    if (scanf("%ld", &count) != 1)
        return 1;
    while (count-- > 0 && scanf("%ld", &number) == 1)
        sum += number;
    printf("%ld\n", sum);
    return 0;
}
