/* attention.c - attention and embeddings. */
#include "operator.h"

const pvg_operator pvg_attention_operators[] = {{0}};
