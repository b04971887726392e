/* Uses no processor time at all, and never ends either. */
#include <unistd.h>

int main(void)
{
    for (;;)
        pause();
}
