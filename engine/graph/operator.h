/* operator.h - what the engine knows of one operator of models.
**
** An operator has up to three functions:
**
** - `infer` says of the outputs what follows from what is known of the inputs: types, ranks, sizes
**   (numbers or symbols). It is called when a model is loaded, with symbols, and for each plan,
**   with numbers. What cannot be known stays unknown; what can never fit fails with a sentence.
** - `prepare` looks at attributes and at sizes, once for each plan, and keeps what it found in the
**   node's state. Optional.
** - `run` computes. It asks for each output by its type and shape and fills it.
**
** Shapes that only depend on shapes are computed while planning: a node whose inputs are all
** constant is run then, and its outputs are constants for those behind it.
**
** Where sizes depend on elements (NonZero, a Reshape whose shape is computed from data), `infer`
** and `prepare` are called again in each run, right before `run`, and then every input is there:
** its info has numbers and `constant` is the array itself. So `prepare` never meets a symbol
** among its inputs, and an operator that needs an input's elements in `prepare` only has to
** leave its outputs' sizes open in `infer`, or return PVG_LATER.
**
** Operators are listed by family in operators/ and found through pvg_operator_find.
*/
#ifndef PVG_OPERATOR_H
#define PVG_OPERATOR_H

#include "ir.h"

/* ---- Inference ---------------------------------------------------------- */

typedef struct pvg_infer {
  const pvg_node *node;
  int input_count, output_count;
  const pvg_info *const *inputs; /* NULL: left out */
  pvg_info *outputs;             /* dtype -1 and unranked at first */
  struct pvg_symbols *symbols;
} pvg_infer;
/* Graphs among the attributes have been inferred before, from the types that they declare:
** pvg_subgraph(...)->outputs[i]->info. */

/* A symbol that equals no other. */
pvg_size pvg_symbol(pvg_infer *infer);
/* A constant input of integers (any integer type) as int64, up to PVT_MAX_DIMS of them: how
** many, or -1 where it is left out or not known yet. */
int pvg_known_ints(const pvg_infer *infer, int input, int64_t values[PVT_MAX_DIMS]);
/* ONNX's (NumPy's) broadcasting over infos; unknown where a symbol meets another. PVT_E_SHAPE. */
int pvg_infer_broadcast(pvg_infer *infer, const pvg_info *a, const pvg_info *b, pvg_info *out);

/* ---- Running ------------------------------------------------------------ */

typedef struct pvg_call {
  const pvg_node *node;
  const void *state; /* what prepare left; NULL */
  int input_count, output_count;
  const pvt_array *const *inputs; /* NULL: left out. Any strides, also 0 and negative ones. */
  struct pvg_frame *frame;        /* the run that it is part of */
} pvg_call;

/* Output i as an array to be filled: C order, of that type and shape, in the plan's arena where
** the plan has foreseen it. NULL after pvt_fail, and for an output that nobody wants (`wanted`
** tells). */
pvt_array *pvg_output(pvg_call *call, int i, pvt_dtype dtype, int ndim, const int64_t *shape);
bool pvg_output_wanted(const pvg_call *call, int i);
/* Output i is this array, which is not copied: a view of input 0 (operators with PVG_VIEW), or an
** array with a buffer of its own, of which a reference is taken (as pvg_call_graph gives). */
int pvg_output_view(pvg_call *call, int i, const pvt_array *view);
/* The same as pvg_output; says that output i may be written over input j, where nobody needs that
** any more and types and shapes are the same. The plan only does so for operators with the trait
** PVG_OVER. */
pvt_array *pvg_output_over(pvg_call *call, int i, int j, pvt_dtype dtype, int ndim,
                           const int64_t *shape);
/* Scratch for the time of this call, aligned to 64; NULL after pvt_fail. */
void *pvg_scratch(pvg_call *call, size_t bytes);
/* Run a graph that is an attribute (If, Loop, Scan): inputs in its inputs' order, outputs are
** released by the caller. Values of outer graphs are found through the frame. */
int pvg_call_graph(pvg_call *call, const pvg_graph *graph, const pvt_array *const *inputs,
                   pvt_array *outputs);
/* The threads that this run may use; NULL for its own alone. See backend.h. */
struct pvb_team *pvg_team(const pvg_call *call);
/* Whether products may be of bfloat16: the model's precision. */
bool pvg_may_be_fast(const pvg_call *call);

/* ---- Preparing ---------------------------------------------------------- */

typedef struct pvg_prepare {
  const pvg_node *node;
  int input_count, output_count;
  const pvg_info *const *inputs; /* all with types and numbers; NULL: left out */
  const pvg_info *outputs;       /* as infer left them: sizes may be open */
  struct pvg_pool *pool;         /* behind pvg_prepare_memory */
} pvg_prepare;

/* What prepare may return besides PVT_OK and errors: it needs elements of an input that is no
** constant. It is called again in each run, with all inputs' elements; nothing is kept of this
** call, and unprepare is not called for it. */
#define PVG_LATER 1

/* The state is zeroed before prepare. Memory that it points to comes from here and needs no
** unprepare; it is charged, and goes with the plan. NULL after pvt_fail. */
void *pvg_prepare_memory(const pvg_prepare *prepare, size_t bytes);

/* ---- Heavy operators ---------------------------------------------------- */

/* Describe the node as a work of the backends (backend.h): 1, or 0 if it is none (sizes are not all
** known, an unusual form), or a negative status. A plan then chooses a way and runs its kernel:
** inputs 0, 1 and 2 are x, weights (or b) and bias; `run` is for where there is no kernel. */
struct pvb_work;
typedef int pvg_work_function(const pvg_prepare *prepare, struct pvb_work *work);

/* ---- The operator ------------------------------------------------------- */

typedef enum pvg_trait {
  PVG_PURE = 0,
  PVG_RANDOM = 1,      /* gives something else each time: never folded */
  PVG_ELEMENTWISE = 2, /* outputs have the broadcast shape of the inputs, element by element */
  PVG_VIEW = 4,        /* run gives views of input 0 (pvg_output_view), or where that cannot be asks
                          pvg_output for a copy. Before pvg_output gave memory it reads no element
                          of input 0, whose data may then be an address without memory: views are
                          found while planning, and cost nothing later. */
  PVG_OVER = 8,   /* run stays right where output 0 lies in the very memory of one of its inputs
                     that has its type, shape and C order: each element is read before it is
                     written, and no input is read again afterwards */
  PVG_SHAPES = 16 /* outputs follow from the inputs' shapes and types alone: Shape, Size ... */
} pvg_trait;

struct pvg_operator {
  const char *type, *domain;
  int since, until; /* versions of the operator set; until: the last one, 0 for none */
  /* The first min_inputs must not be left out; where max is -1 (any number) none of them, unless
  ** min is 0. */
  int min_inputs, max_inputs;
  unsigned traits;
  int (*infer)(pvg_infer *infer);
  size_t state_size; /* 0: no prepare */
  int (*prepare)(const pvg_prepare *prepare, void *state);
  void (*unprepare)(void *state); /* NULL: nothing to give back */
  int (*run)(pvg_call *call);
  pvg_work_function *work; /* NULL: not a heavy one */
  /* The same as run where input 0 and output 0, its only one, are images of float32 in blocks
  ** (backend.h) of so many channels. The state is that of the plain sizes. NULL: there is none. */
  int (*blocked)(pvg_call *call, int64_t channels);
};

/* NULL for one that there is not in that version. */
const pvg_operator *pvg_operator_find(const char *domain, const char *type, int version);
/* The i-th of all, for lists; NULL beyond the last. */
const pvg_operator *pvg_operator_at(int i);

/* A family: a table that ends with a type of NULL. operators.c lists the families. */
extern const pvg_operator pvg_elementwise_operators[], pvg_moving_operators[],
    pvg_creating_operators[], pvg_reducing_operators[], pvg_choosing_operators[],
    pvg_product_operators[], pvg_image_operators[], pvg_pooling_operators[],
    pvg_normalising_operators[], pvg_recurrent_operators[], pvg_quantised_operators[],
    pvg_control_operators[], pvg_signal_operators[], pvg_attention_operators[],
    pvg_scoring_operators[], pvg_training_operators[];

#endif
