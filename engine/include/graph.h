/* graph.h - running models: ONNX files, plans, sessions.
**
** A *model* is read once for the process and shared by all threads: its graph, simplified, and
** its weights never change. A *plan* is what is prepared for one set of input shapes: sizes, one
** arena laid out for all values, kernels chosen and weights packed for them. Plans are made when
** shapes are first seen (or asked for beforehand) and kept; finding one takes no lock. A run
** needs a plan and memory of its own (a *session*: one thread at a time), and nothing else is
** shared.
**
** Limits: operators of ONNX's main domain in versions 7 to 22 (pvg_operator_name lists them) and
** some of com.microsoft; tensors of the engine's types; no strings, sequences, maps, sparse
** tensors. Models come from memory or from a path; external data from files beside the model's,
** never from outside its folder. Files are not trusted: whatever is damaged is an error, no
** crash.
**
** Errors and conventions are tensor.h's.
*/
#ifndef PVG_GRAPH_H
#define PVG_GRAPH_H

#include "tensor.h"

typedef enum pvg_precision {
  PVG_EXACT, /* float32 throughout; the default */
  PVG_FAST,  /* convolutions and products by bfloat16 or float16 where the processor has them */
  PVG_SMALL  /* weights of convolutions and products as int8 */
} pvg_precision;

typedef struct pvg_options {
  pvg_precision precision;
  double budget;        /* seconds that choosing kernels may take for a plan; 0: 0.3; negative: by
                           prediction alone; 60 and more: every way is measured, however unlikely */
  const char *cache;    /* a folder that keeps what was chosen, by model, machine and precision;
                           NULL */
  const char *folder;   /* where external data lies, for models from memory; NULL: there is none */
  const char *backends; /* names of those that may be used, by commas; NULL: all */
  int threads;          /* that one run may use; 0: 1 */
} pvg_options;

typedef struct pvg_model pvg_model;
typedef struct pvg_session pvg_session;

/* Read a model from bytes, which are copied unless keep(owner) holds them: then `release(owner)`
** is called with the model's end, and weights are used where they lie. Models of equal bytes and
** options are one. options NULL: defaults. */
PVT_API int pvg_model_load(const void *bytes, size_t size, const pvg_options *options,
                           void (*release)(void *owner), void *owner, pvg_model **model);
/* From a file, which is mapped. */
PVT_API int pvg_model_open(const char *path, const pvg_options *options, pvg_model **model);
PVT_API pvg_model *pvg_model_retain(pvg_model *model);
PVT_API void pvg_model_release(pvg_model *model); /* NULL is fine */

typedef struct pvg_port {
  const char *name;
  int dtype; /* pvt_dtype; -1 where it is not known before a run */
  bool ranked;
  int ndim;
  int64_t size[PVT_MAX_DIMS];       /* -1: free */
  const char *symbol[PVT_MAX_DIMS]; /* of free ones: "batch"; NULL: no name */
} pvg_port;
PVT_API int pvg_model_inputs(const pvg_model *model);
PVT_API int pvg_model_outputs(const pvg_model *model);
PVT_API void pvg_model_input(const pvg_model *model, int i, pvg_port *port);
PVT_API void pvg_model_output(const pvg_model *model, int i, pvg_port *port);
PVT_API size_t pvg_model_bytes(const pvg_model *model); /* of weights, packed ones included */

/* What one thread runs a model with. Its arena is charged to the account of the thread that runs.
 */
PVT_API int pvg_session_new(pvg_model *model, pvg_session **session);
PVT_API void pvg_session_release(pvg_session *session);
/* inputs: one for each of the model's, in order, of its types and any strides. outputs: empty
** arrays that become new ones, released by the caller. PVT_E_SHAPE, PVT_E_DTYPE (naming the
** input), ... */
PVT_API int pvg_session_run(pvg_session *session, const pvt_array *const *inputs,
                            pvt_array *outputs);

/* Make the plan for these inputs' shapes now, if there is none. */
PVT_API int pvg_model_prepare(pvg_model *model, const pvt_array *const *inputs);

/* A plan as text, one line a node: what it is, fused parts, way, predicted and measured time,
** memory. `write` is called with pieces. With `rounds` above 0 the plan is run so many times and
** timed. */
PVT_API int pvg_model_describe(pvg_model *model, const pvt_array *const *inputs, int rounds,
                               void (*write)(void *arg, const char *text, size_t size), void *arg);

/* What operators there are: type, domain and versions of the i-th; false beyond the last. */
PVT_API bool pvg_operator_name(int i, const char **type, const char **domain, int *since,
                               int *until);

/* Backends: who computes convolutions and products. The i-th's name, whether it can be used here,
** and one line about it (versions, instruction sets, or why not); false beyond the last. Asking
** loads libraries. */
PVT_API bool pvg_backend_name(int i, const char **name, bool *available, const char **about);
/* Where oneDNN's library is, version 3 with OpenMP; it is loaded when it is first wanted, and then
** stays. It is told to use no threads of its own. PVT_E_VALUE for a path that is too long. */
PVT_API int pvg_onednn_use(const char *path);

/* Programs with threads that work (the executor of VMs) say so: +1 before, -1 after, under a number
** of the thread's. Runs of several threads then use the cores that are left. */
PVT_API void pvg_thread_busy(unsigned number, int change);

#endif
