/* expression.c - expressions compiled and computed: see expression.h.
**
** A compiled expression is a tree of nodes in memory of its own. Columns and literals are looked at where
** they are; everything else is computed into a value on the stack of whoever asks. */
#include "expression.h"

#include "arithmetic.h"
#include "functions.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_HASHED 8 /* lists of `in` that are longer have a table */

typedef enum operation {
  LITERAL,
  FIELD,
  NEGATE,
  NOT,
  IS_NIL,
  IF,
  ADD,
  SUBTRACT,
  MULTIPLY,
  DIVIDE,
  FLOOR_DIVIDE,
  REMAINDER,
  POWER,
  EQUAL,
  UNEQUAL,
  LESS,
  LESS_EQUAL,
  GREATER,
  GREATER_EQUAL,
  IN,
  AND,
  OR,
  CALL
} operation;

typedef struct node {
  operation op;
  uint32_t count;                /* of children; of IN, of members */
  uint32_t column;               /* of FIELD */
  uint32_t mask;                 /* of IN: of its table; 0: it has none */
  const flow_function *function; /* of CALL */
  struct node **children;
  stream_value *members; /* of IN */
  uint32_t *table;       /* of IN: a member's number and 1, by its hash */
  stream_value literal;
} node;

struct flow_expression {
  flow_arena *memory;
  const node *root;
};

/* ---- Computing ---------------------------------------------------------- */

int flow_true(const stream_value *value) {
  switch (value->kind) {
  case STREAM_NIL: return 0;
  case STREAM_BOOL:
  case STREAM_INTEGER: return value->integer != 0;
  case STREAM_FLOAT: return value->number != 0;
  case STREAM_STRING:
  case STREAM_BINARY: return value->text.len != 0;
  case STREAM_ARRAY:
  case STREAM_MAP: return value->count != 0;
  default: return 1;
  }
}

typedef struct context {
  const stream_value *row;
  flow_arena *arena;
} context;

static stream_value compute(const node *node, const context *with);

/* The value, where it is, or computed into *room. */
static inline const stream_value *look(const node *node, const context *with, stream_value *room) {
  if (node->op == FIELD) return &with->row[node->column];
  if (node->op == LITERAL) return &node->literal;
  *room = compute(node, with);
  return room;
}

static stream_value join(const stream_value *a, const stream_value *b, flow_arena *arena) {
  size_t size = a->text.len + b->text.len;
  char *text = size <= FLOW_TEXT_MAX ? flow_arena_take(arena, size) : NULL;
  if (text == NULL) return flow_nil();
  if (a->text.len != 0) memcpy(text, a->text.data, a->text.len);
  if (b->text.len != 0) memcpy(text + a->text.len, b->text.data, b->text.len);
  return flow_string((stream_text){text, size});
}

static stream_value calculate(operation op, const stream_value *a, const stream_value *b,
                              flow_arena *arena) {
  switch (op) {
  case ADD:
    if (a->kind == STREAM_STRING && b->kind == STREAM_STRING) return join(a, b, arena);
    return flow_plus(a, b);
  case SUBTRACT: return flow_subtract(a, b);
  case MULTIPLY: return flow_multiply(a, b);
  case DIVIDE: return flow_divide(a, b);
  case FLOOR_DIVIDE: return flow_floor_divide(a, b);
  case REMAINDER: return flow_remainder(a, b);
  default: return flow_power(a, b);
  }
}

static int compares(operation op, const stream_value *a, const stream_value *b) {
  stream_order order = stream_compare(a, b);
  if (op == EQUAL) return order == STREAM_EQUAL;
  if (op == UNEQUAL) return order != STREAM_EQUAL;
  if (a->kind == STREAM_NIL || a->kind == STREAM_BOOL) return 0; /* in no order */
  switch (op) {
  case LESS: return order == STREAM_LESS;
  case LESS_EQUAL: return order == STREAM_LESS || order == STREAM_EQUAL;
  case GREATER: return order == STREAM_GREATER;
  default: return order == STREAM_GREATER || order == STREAM_EQUAL;
  }
}

static int is_member(const node *node, const stream_value *value) {
  if (node->mask == 0) {
    for (uint32_t i = 0; i < node->count; i++)
      if (stream_compare(value, &node->members[i]) == STREAM_EQUAL) return 1;
    return 0;
  }
  uint32_t at = (uint32_t)flow_value_hash(value, 0) & node->mask;
  for (; node->table[at] != 0; at = (at + 1) & node->mask)
    if (stream_compare(value, &node->members[node->table[at] - 1]) == STREAM_EQUAL) return 1;
  return 0;
}

/* By itself: its arguments are not to be on the stack of every level of an expression. */
__attribute__((noinline)) static stream_value call(const node *node, const context *with) {
  stream_value arguments[FLOW_CALL_MAX];
  for (uint32_t i = 0; i < node->count; i++) {
    stream_value room;
    arguments[i] = *look(node->children[i], with, &room);
    if (arguments[i].kind == STREAM_NIL && !node->function->takes_nil) return flow_nil();
  }
  return node->function->body(arguments, node->count, with->arena);
}

static stream_value compute(const node *node, const context *with) {
  stream_value rooms[2];
  const stream_value *a, *b;
  switch (node->op) {
  case LITERAL: return node->literal;
  case FIELD: return with->row[node->column];
  case CALL: return call(node, with);
  case NEGATE: return flow_negate(look(node->children[0], with, rooms));
  case NOT: return flow_bool(!flow_true(look(node->children[0], with, rooms)));
  case IS_NIL: return flow_bool(look(node->children[0], with, rooms)->kind == STREAM_NIL);
  case IN: return flow_bool(is_member(node, look(node->children[0], with, rooms)));
  case IF:
    a = look(node->children[0], with, rooms);
    return *look(node->children[flow_true(a) ? 1 : 2], with, rooms);
  case AND:
  case OR:
    a = rooms;
    for (uint32_t i = 0; i < node->count; i++) {
      a = look(node->children[i], with, rooms);
      if (flow_true(a) == (node->op == OR)) break;
    }
    return *a;
  default:
    a = look(node->children[0], with, &rooms[0]);
    b = look(node->children[1], with, &rooms[1]);
    if (node->op >= EQUAL) return flow_bool(compares(node->op, a, b));
    return calculate(node->op, a, b, with->arena);
  }
}

stream_value flow_expression_value(const flow_expression *expression, const stream_value *row,
                                   flow_arena *arena) {
  context with = {row, arena};
  return compute(expression->root, &with);
}

/* ---- Compiling ---------------------------------------------------------- */

typedef struct compiler {
  stream_reader reader;
  flow_columns *columns;
  flow_arena *memory;
  char *err;
} compiler;

__attribute__((format(printf, 2, 3))) static int refuse(compiler *on, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(on->err, STREAM_ERR_MAX, format, arguments);
  va_end(arguments);
  return STREAM_E_INVALID;
}

static int no_memory(compiler *on) {
  snprintf(on->err, STREAM_ERR_MAX, "there is no memory for the expression");
  return STREAM_E_NOMEM;
}

/* So much of a name as a sentence bears. */
#define SHOWN(text) (int)((text).len < 64 ? (text).len : 64), (text).data

static const struct {
  const char *name;
  operation op;
  uint32_t least, most; /* operands */
} operators[] = {
    {"neg", NEGATE, 1, 1},
    {"not", NOT, 1, 1},
    {"is_nil", IS_NIL, 1, 1},
    {"if", IF, 3, 3},
    {"+", ADD, 2, 2},
    {"-", SUBTRACT, 2, 2},
    {"*", MULTIPLY, 2, 2},
    {"/", DIVIDE, 2, 2},
    {"//", FLOOR_DIVIDE, 2, 2},
    {"%", REMAINDER, 2, 2},
    {"**", POWER, 2, 2},
    {"==", EQUAL, 2, 2},
    {"!=", UNEQUAL, 2, 2},
    {"<", LESS, 2, 2},
    {"<=", LESS_EQUAL, 2, 2},
    {">", GREATER, 2, 2},
    {">=", GREATER_EQUAL, 2, 2},
    {"and", AND, 1, UINT32_MAX},
    {"or", OR, 1, UINT32_MAX},
};

static int is_named(stream_text text, const char *name) {
  return stream_text_equal(text, (stream_text){name, strlen(name)});
}

static int read_text(compiler *on, stream_text *text) {
  stream_value value;
  if (stream_read(&on->reader, &value) != 0 || value.kind != STREAM_STRING) return -1;
  *text = value.text;
  return 0;
}

/* The value is one of an expression; its text is copied. */
static int keep_literal(compiler *on, stream_value *value) {
  if (value->kind > STREAM_STRING)
    return refuse(on, "a literal is null, a boolean, a number or text");
  if (value->kind != STREAM_STRING) return STREAM_OK;
  char *copy = flow_arena_take(on->memory, value->text.len);
  if (copy == NULL) return no_memory(on);
  if (value->text.len != 0) memcpy(copy, value->text.data, value->text.len);
  value->text.data = copy;
  return STREAM_OK;
}

/* The names of the columns, as far as they fit. */
static void name_columns(const flow_columns *columns, char *out, size_t size) {
  size_t len = 0;
  out[0] = 0;
  for (uint32_t i = 0; i < columns->count; i++) {
    stream_text name = columns->name[i];
    if (len + name.len + 3 > size) return;
    len += (size_t)sprintf(out + len, "%s%.*s", len != 0 ? ", " : "", (int)name.len, name.data);
  }
}

static int compile_field(compiler *on, node *made) {
  stream_text name;
  if (read_text(on, &name) != 0 || name.len == 0 || name.len > STREAM_TEXT_MAX)
    return refuse(on, "a column's name is a text of 1 to %d bytes", STREAM_TEXT_MAX);
  int column = flow_columns_find(on->columns, name);
  if (column < 0 && on->columns->open)
    return refuse(on, "there is no room for the column '%.*s': at most %d columns are used at once",
                  SHOWN(name), FLOW_COLUMNS_MAX);
  if (column < 0) {
    char names[320];
    name_columns(on->columns, names, sizeof names);
    return refuse(on, "there is no column '%.*s'; there are: %s", SHOWN(name), names);
  }
  *made = (node){.op = FIELD, .column = (uint32_t)column};
  return STREAM_OK;
}

static int compile_node(compiler *on, uint32_t depth, node **out);

static int compile_children(compiler *on, uint32_t depth, uint32_t count, node *made) {
  made->count = count;
  made->children = flow_arena_take(on->memory, count * sizeof *made->children);
  if (made->children == NULL) return no_memory(on);
  int status = STREAM_OK;
  for (uint32_t i = 0; i < count && status == STREAM_OK; i++)
    status = compile_node(on, depth + 1, &made->children[i]);
  return status;
}

static int make_table(compiler *on, node *made) {
  uint32_t slots = 4 * MEMBERS_HASHED;
  while (slots < 2 * made->count) slots *= 2;
  made->table = flow_arena_take(on->memory, slots * sizeof *made->table);
  if (made->table == NULL) return no_memory(on);
  memset(made->table, 0, slots * sizeof *made->table);
  made->mask = slots - 1;
  for (uint32_t i = 0; i < made->count; i++) {
    uint32_t at = (uint32_t)flow_value_hash(&made->members[i], 0) & made->mask;
    while (made->table[at] != 0) at = (at + 1) & made->mask;
    made->table[at] = i + 1;
  }
  return STREAM_OK;
}

static int compile_in(compiler *on, uint32_t depth, node *made) {
  stream_value list;
  int status = compile_children(on, depth, 1, made);
  if (status != STREAM_OK) return status;
  if (stream_read(&on->reader, &list) != 0 || list.kind != STREAM_ARRAY ||
      list.count > (size_t)(on->reader.end - on->reader.at))
    return refuse(on, "what stands behind 'in' is a list of literals");
  made->op = IN;
  made->count = list.count;
  made->members = flow_arena_take(on->memory, list.count * sizeof *made->members);
  if (made->members == NULL) return no_memory(on);
  for (uint32_t i = 0; i < list.count; i++) {
    if (stream_read(&on->reader, &made->members[i]) != 0)
      return refuse(on, "the expression is cut short");
    status = keep_literal(on, &made->members[i]);
    if (status != STREAM_OK) return status;
  }
  return list.count > MEMBERS_HASHED ? make_table(on, made) : STREAM_OK;
}

static int compile_call(compiler *on, uint32_t depth, uint32_t count, node *made) {
  stream_text name;
  if (count < 1 || read_text(on, &name) != 0) return refuse(on, "a call names its function");
  const flow_function *function = flow_function_find(name);
  if (function == NULL) {
    char names[400];
    flow_function_names(names, sizeof names);
    return refuse(on, "there is no function '%.*s'; there are: %s", SHOWN(name), names);
  }
  if (--count < function->least || count > function->most) {
    char some[24] = "";
    if (function->most != function->least) sprintf(some, " to %d", function->most);
    return refuse(on, "%s takes %d%s value%s, not %u", function->name, function->least, some,
                  function->most == 1 ? "" : "s", count);
  }
  *made = (node){.op = CALL, .function = function};
  return compile_children(on, depth, count, made);
}

static int compile_operation(compiler *on, uint32_t depth, uint32_t count, node *made) {
  stream_text name;
  if (count == 0 || read_text(on, &name) != 0)
    return refuse(on, "an array of an expression begins with its operator's name");
  count--;
  if (is_named(name, "field"))
    return count == 1 ? compile_field(on, made) : refuse(on, "'field' takes one name");
  if (is_named(name, "call")) return compile_call(on, depth, count, made);
  if (is_named(name, "in"))
    return count == 2 ? compile_in(on, depth, made) : refuse(on, "'in' takes a value and a list");
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
    if (!is_named(name, operators[i].name)) continue;
    if (count < operators[i].least || count > operators[i].most)
      return refuse(on, "'%s' takes %u values, not %u", operators[i].name, operators[i].least,
                    count);
    if (count > (size_t)(on->reader.end - on->reader.at))
      return refuse(on, "the expression is cut short");
    *made = (node){.op = operators[i].op};
    return compile_children(on, depth, count, made);
  }
  return refuse(on, "there is no operator '%.*s'", SHOWN(name));
}

/* What has nothing but literals in it is computed once; but for nil, which may be for want of memory. */
static void fold(compiler *on, node *made) {
  if (made->op == LITERAL || made->op == FIELD) return;
  uint32_t children = made->op == IN ? 1 : made->count;
  for (uint32_t i = 0; i < children; i++)
    if (made->children[i]->op != LITERAL) return;
  context with = {NULL, on->memory};
  stream_value value = compute(made, &with);
  if (value.kind > STREAM_NIL && value.kind <= STREAM_STRING)
    *made = (node){.op = LITERAL, .literal = value};
}

static int compile_node(compiler *on, uint32_t depth, node **out) {
  stream_value value;
  if (depth > FLOW_DEPTH_MAX)
    return refuse(on, "the expression is nested more than %d deep", FLOW_DEPTH_MAX);
  if (stream_read(&on->reader, &value) != 0) return refuse(on, "the expression is cut short");
  node *made = flow_arena_take(on->memory, sizeof *made);
  if (made == NULL) return no_memory(on);
  *made = (node){.op = LITERAL};
  *out = made;
  if (value.kind != STREAM_ARRAY) {
    made->literal = value;
    return keep_literal(on, &made->literal);
  }
  int status = compile_operation(on, depth, value.count, made);
  if (status == STREAM_OK) fold(on, made);
  return status;
}

int flow_expression_compile(stream_text packed, flow_columns *columns, flow_expression **out,
                            char *err) {
  flow_expression *made = calloc(1, sizeof *made);
  compiler on = {.columns = columns, .err = err};
  on.reader = (stream_reader){(const unsigned char *)packed.data,
                              (const unsigned char *)packed.data + packed.len};
  if (made != NULL) made->memory = flow_arena_new();
  if (made == NULL || made->memory == NULL) {
    flow_expression_free(made);
    return no_memory(&on);
  }
  on.memory = made->memory;
  node *root = NULL;
  uint32_t known = columns->count;
  int status = compile_node(&on, 1, &root);
  if (status == STREAM_OK && on.reader.at != on.reader.end)
    status = refuse(&on, "something follows the expression");
  if (status != STREAM_OK) {
    columns->count = known;
    flow_expression_free(made);
    return status;
  }
  made->root = root;
  *out = made;
  return STREAM_OK;
}

void flow_expression_free(flow_expression *expression) {
  if (expression == NULL) return;
  flow_arena_free(expression->memory);
  free(expression);
}
