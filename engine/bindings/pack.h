/* pack.h - arrays as bytes: what MessagePack carries of them, into VMs and out.
**
** A packed array is one byte for the element type (a pvt_dtype), one for the number of dimensions,
** the sizes as int64, and the elements in C order without gaps, everything little-endian. It refers
** to nothing outside of itself, so it may be kept in journals and read by other processes.
*/
#ifndef PVT_PACK_H
#define PVT_PACK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>

#define NP_PACKED_TYPE 1 /* MessagePack's extension type of a packed array */

bool np_array_check(PyObject *object);
/* What stands for a number is sent as one: the Python number of a scalar (a 0-d array that may
** only be read) that is not complex. NULL without an exception for other arrays, with one if it
** could not be made. */
PyObject *np_packed_number(PyObject *array);
size_t np_packed_size(PyObject *array);
/* Write np_packed_size bytes. 0, or -1 with an exception: MemoryError, or what stops the task. */
int np_pack(PyObject *array, void *to);
/* What is wrong with a packed array, to end "it is invalid: ..."; NULL if nothing is. */
const char *np_packed_fault(const void *data, size_t size);
/* A new array of one that has no fault; `module` is the extension module (any other object is an
** ImportError). NULL with an exception. */
PyObject *np_unpack(PyObject *module, const void *data, size_t size);

#endif
