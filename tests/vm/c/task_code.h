/* task_code.h - for test programs: tasks whose code is in files, and random numbers. */
#ifndef PVM_TASK_CODE_H
#define PVM_TASK_CODE_H

#include <stdint.h>

#include "check.h"
#include "vm.h"

static inline uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

/* A program of FOLDER/NAME.code, a marshalled code object; to be finished. */
static inline pvm_program *read_program(const char *folder, const char *name) {
  char path[4096], err[PVM_ERR_MAX];
  snprintf(path, sizeof path, "%s/%s.code", folder, name);
  FILE *file = fopen(path, "rb");
  CHECK(file != NULL);
  CHECK(fseek(file, 0, SEEK_END) == 0);
  size_t len = (size_t)ftell(file);
  rewind(file);
  char *code = malloc(len);
  CHECK(code != NULL && fread(code, 1, len, file) == len);
  fclose(file);
  pvm_program *program = pvm_program_new(name, "1.0.0", "main:run");
  CHECK(program != NULL);
  CHECK(pvm_program_add_module(program, "main", 0, code, len, err) == PVM_OK);
  free(code);
  return program;
}

#endif
