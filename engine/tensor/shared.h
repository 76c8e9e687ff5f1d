/* shared.h - what buffers and the table of shared buffers know of each other.
**
** The table holds no references. A buffer's last release takes it out of its place before its
** memory is anybody else's, and under the place's lock, so that whoever looks a handle up under the
** same lock finds either a buffer that lives, or none.
*/
#ifndef PVT_SHARED_H
#define PVT_SHARED_H

#include "context.h"

/* By the buffer's last release. block: the bytes that it is charged with. */
void pvt_shared_forget(uint32_t place, size_t block);

/* 0: not shared. */
uint32_t pvt_buffer_place(const pvt_buffer *buffer);
/* 0 if it has one. */
int pvt_buffer_set_place(pvt_buffer *buffer, uint32_t place);
size_t pvt_buffer_block(const pvt_buffer *buffer);
/* One reference more, unless the last has gone. */
int pvt_buffer_retain_living(pvt_buffer *buffer);

#endif
