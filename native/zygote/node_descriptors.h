/* Descriptors that a runtime keeps without telling. A fork shares them: what one step did with them, its zygote and all
 * others would see. */
#ifndef NODE_DESCRIPTORS_H
#define NODE_DESCRIPTORS_H

#include <stdbool.h>

/* In the zygote: what is open, but for `control` and standard input, output and error. False when that is too much. */
bool note_descriptors(int control);

/* In the step: none of them is the zygote's any more. The numbers stay taken until reap_descriptors(), so that whoever
 * closes one that it knows closes nothing else. */
void leave_descriptors(void);
void reap_descriptors(void);

#endif
