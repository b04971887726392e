/* Memory for CPython's small objects, from which the kernel can make huge pages. */
#ifndef ARENAS_H
#define ARENAS_H

/* Asks CPython to take its arenas from us from now on; where it cannot be asked, nothing changes. */
void provide_arenas(void);

/* When no more huge pages are to be made: what is taken from now on is taken page by page. */
void settle_arenas(void);

#endif
