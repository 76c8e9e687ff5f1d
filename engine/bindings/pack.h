/* pack.h - arrays as bytes: what MessagePack carries of them, into VMs and out.
**
** A shared array, or a view of one, crosses as a handle (tensor.h) within a process, and packed, as
** all others do, to wherever else it goes.
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
#define NP_SHARED_TYPE 2 /* and of a handle */

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

/* What pvt_handle_size and pvt_handle_write want of an array that is shared, and so goes as a
** handle; NULL if it is not. */
const struct pvt_array *np_shared(PyObject *array);
/* The read-only array that a handle names. NULL with ImportError, as above, or ValueError. */
PyObject *np_open_shared(PyObject *module, const void *handle, size_t size);
/* The packed form of an array that is no object, as pvt_handle_open gives it: its size, and all
** of it, or false with pvt_error() set. */
size_t np_packed_size_of(const struct pvt_array *array);
bool np_pack_array(const struct pvt_array *array, void *to);

#endif
