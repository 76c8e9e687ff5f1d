/* choose.c - see choose.h. */
#include "choose.h"

#include <string.h>

int pvt_result_start(pvt_result *result, pvt_array *out, pvt_dtype dtype, const pvt_array *a,
                     const pvt_array *b) {
  result->out = out;
  result->apart = false;
  if (!out->writable) return pvt_fail(PVT_E_READONLY, "the result is read-only");
  if (out->dtype == dtype && pvt_array_is_contiguous(out) && !pvt_array_overlap(out, a) &&
      (b == NULL || !pvt_array_overlap(out, b)))
    return PVT_OK;
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < out->ndim; i++) shape[i] = out->dim[i].size;
  int status = pvt_array_new(&result->made, dtype, out->ndim, shape);
  result->apart = status == PVT_OK;
  return status;
}

char *pvt_result_data(pvt_result *result) {
  return result->apart ? result->made.data : result->out->data;
}

int pvt_result_finish(pvt_result *result, int status) {
  if (!result->apart) return status;
  if (status == PVT_OK) status = pvt_copy(&result->made, result->out);
  pvt_array_release(&result->made);
  return status;
}

int pvt_source_start(pvt_source *source, const pvt_array *values, pvt_dtype dtype,
                     const pvt_array *x) {
  if (values->dtype == dtype && !pvt_array_overlap(values, x)) {
    pvt_array_view(&source->array, values);
    return PVT_OK;
  }
  int64_t shape[PVT_MAX_DIMS];
  for (int i = 0; i < values->ndim; i++) shape[i] = values->dim[i].size;
  int status = pvt_array_new(&source->array, dtype, values->ndim, shape);
  if (status != PVT_OK) return status;
  status = pvt_copy(values, &source->array);
  if (status != PVT_OK) pvt_array_release(&source->array);
  return status;
}

void pvt_source_finish(pvt_source *source) {
  pvt_array_release(&source->array);
}

void pvt_chunk_of(pvt_chunk *chunk, const pvt_array *from, int first_from, const pvt_array *to,
                  int first_to) {
  pvt_move *move = &chunk->move;
  move->source = from->data;
  move->joins = true;
  move->target = to->data;
  move->itemsize = pvt_itemsize((pvt_dtype)to->dtype);
  move->ndim = to->ndim - first_to;
  int added = move->ndim - (from->ndim - first_from);
  for (int i = 0; i < move->ndim; i++) {
    int own = first_from + i - added;
    bool steps = i >= added && from->dim[own].size != 1;
    move->size[i] = to->dim[first_to + i].size;
    move->source_stride[i] = steps ? from->dim[own].stride : 0;
    move->target_stride[i] = to->dim[first_to + i].stride;
  }
  chunk->empty = !pvt_move_normalise(move);
  chunk->source = move->source - from->data;
  chunk->target = move->target - to->data;
  chunk->log = -1;
  chunk->bytes = -1;
  int64_t itemsize = (int64_t)move->itemsize;
  if (move->ndim != 1) return;
  if (move->size[0] == 1) chunk->log = __builtin_ctzll((uint64_t)itemsize);
  else if (move->source_stride[0] != itemsize || move->target_stride[0] != itemsize) return;
  chunk->bytes = move->size[0] * itemsize;
  bool power = chunk->bytes > 0 && chunk->bytes <= 16 && (chunk->bytes & (chunk->bytes - 1)) == 0;
  if (power) chunk->log = __builtin_ctzll((uint64_t)chunk->bytes);
}

int pvt_chunk_copy(pvt_chunk *chunk, const char *from, char *to) {
  if (chunk->bytes >= 0 && chunk->bytes <= 1 << 18) {
    memcpy(to + chunk->target, from + chunk->source, (size_t)chunk->bytes);
    return PVT_OK;
  }
  chunk->move.source = from + chunk->source;
  chunk->move.target = to + chunk->target;
  return pvt_move_run(&chunk->move);
}
