/* onnx.h - what the files that read ONNX models share. */
#ifndef PVG_ONNX_H
#define PVG_ONNX_H

#include "ir.h"
#include "pool.h"
#include "protobuf.h"

/* ---- Files beside the model: external.c ---- */

/* Plain files within one folder, mapped when they are first asked for and kept by the pool. */
typedef struct pvg_folder {
  const char *path; /* NULL: there is none */
  pvg_names files;
  pvg_pool *pool;
  struct pvg_mapping *mapped; /* the last one */
} pvg_folder;

/* Whether the files are still those that were mapped. */
bool pvg_folder_is_current(const pvg_folder *folder);

/* Bytes `offset` .. `offset + length` of a file (length -1: up to its end) in the folder. */
int pvg_folder_bytes(pvg_folder *folder, const char *name, size_t name_size, int64_t offset,
                     int64_t length, pvg_span *bytes);

/* ---- Tensors: onnx_tensor.c ---- */

typedef struct pvg_source {
  pvg_pool *pool;     /* of the model: what tensors are made in */
  bool kept;          /* the model's bytes stay in place as long as the pool */
  pvg_folder *folder; /* for external data */
} pvg_source;

/* ONNX's number of a type as the engine's; -1 for those that it does not have (with an error that
** names `what`). */
int pvg_onnx_dtype(uint64_t type, const char *what);
/* A TensorProto's name, which may be empty. */
int pvg_onnx_tensor_name(pvg_span message, pvg_span *name);
/* A TensorProto as an array in the pool. Its elements lie in the message or the file where that is
** possible, else in a buffer of the pool's. `what` is for sentences. */
int pvg_onnx_tensor(const pvg_source *source, pvg_span message, const char *what,
                    const pvt_array **array);

/* ---- Models: onnx.c ---- */

typedef struct pvg_symbols {
  int64_t count; /* the last symbol is -count */
  int64_t named; /* of these, the first ones have names */
  const char **names;
  pvg_names numbers; /* by name: pointers that are numbers */
} pvg_symbols;

/* Symbols' name; NULL. */
const char *pvg_symbol_name(const pvg_symbols *symbols, pvg_size symbol);

/* Read a ModelProto: *graph in source->pool, checked, indexed, functions inlined. */
int pvg_onnx_read(const pvg_source *source, pvg_span model, pvg_symbols *symbols,
                  pvg_graph **graph);

#endif
