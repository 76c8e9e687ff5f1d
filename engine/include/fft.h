/* fft.h - discrete Fourier transforms over tensor.h's arrays.
**
** Along one axis (counted from the front), of any length but 0: what x has too little of is taken
** as 0, too much is left out. Other dimensions of x and out are the same. Types: float32 and
** complex64, or float64 and complex128. Results err by about the machine's epsilon times the square root
** of the length's logarithm, for every length: products of primes up to 47 are transformed by
** mixed radices, others by Bluestein's algorithm. out may be x itself; other overlaps take a copy.
** Scratch memory: up to 8 numbers for each element of a line, 16 lines at a time; where a line is
** long, or its length has large prime factors, up to 32 for each of one line.
**
** What is prepared for a length is kept for the thread's next transforms, up to 4 MiB, and charged
** to nobody.
*/
#ifndef PVT_FFT_H
#define PVT_FFT_H

#include "tensor.h"

/* out[k] = scale * sum of x[j] exp(-+ 2 pi i j k / n), n being out's size; forward: minus. x is real or
** complex, out complex. */
PVT_API int pvt_fft(const pvt_array *x, int axis, bool forward, double scale, pvt_array *out);
/* The first n / 2 + 1 elements of the forward transform of x, real, taken as n long. */
PVT_API int pvt_rfft(const pvt_array *x, int axis, int64_t n, double scale, pvt_array *out);
/* The inverse of that: out is real, n being its size; x's first n / 2 + 1 elements are taken as
** half of a Hermitian spectrum, without the imaginary parts of the first and, for an even n, of
** the last. */
PVT_API int pvt_irfft(const pvt_array *x, int axis, double scale, pvt_array *out);

#endif
