/* expression.h - what a flow computes from a row: a filter's condition, a new column, a key.
**
** Written as MessagePack, from the inside out what an author writes as a Python expression
** (host/expressions.py reads that):
**
**   nil, bool, number, text      itself
**   ["field", name]              a column; of an event, nil if it has none
**   ["neg" | "not", x]           ["if", condition, x, otherwise]
**   ["+" "-" "*" "/" "//" "%" "**", x, y]
**   ["==" "!=" "<" "<=" ">" ">=", x, y]     ["in", x, [literal, ...]]     ["is_nil", x]
**   ["and" | "or", x, y, ...]    the last value looked at decides, as in Python
**   ["call", function, x, ...]   the functions of functions.c
**
** Nil goes through: arithmetic and functions with a nil, or a value of the wrong kind, are nil;
** "<" and the like are then false. Booleans are not numbers; "+" also joins texts. Integers have 64
** bits, with a sign or without; a result that does not fit is a float. A division by zero is nil. True
** are, as in Python, all but nil, false, 0, 0.0 and what is empty.
*/
#ifndef FLOW_EXPRESSION_H
#define FLOW_EXPRESSION_H

#include "row.h"

#define FLOW_DEPTH_MAX 100 /* of expressions in one another */

typedef struct flow_expression flow_expression;

/* Compile against the columns of the rows it will see (open ones grow, and their new names lie in
** `packed`, which is to outlive them). Literals are copied. STREAM_OK,
** STREAM_E_NOMEM, or STREAM_E_INVALID with a sentence in `err` (STREAM_ERR_MAX bytes), which names the
** column or function that is not known and what there is. */
int flow_expression_compile(stream_text packed, flow_columns *columns, flow_expression **out,
                            char *err);
void flow_expression_free(flow_expression *expression);
/* Any thread, side by side. New text lies in the arena. Without memory: nil. */
stream_value flow_expression_value(const flow_expression *expression, const stream_value *row,
                                   flow_arena *arena);
int flow_true(const stream_value *value);

#endif
