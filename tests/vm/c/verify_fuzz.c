/* verify_fuzz.c - damaged bytecode never harms the verifier; what is whole passes.
**
** usage: verify_fuzz FOLDER [cases] [seed]
**
** FOLDER holds marshalled code objects, *.code. The same arguments give the same cases.
*/
#include <dirent.h>
#include <stdint.h>
#include <string.h>

#include "../include/vm.h"
#include "check.h"
#include "verify.h"

#define MAX_FILES 4096
#define MAX_CHANGES 4

typedef struct file {
  char name[256];
  unsigned char *data;
  size_t len;
} file;

static file files[MAX_FILES];
static size_t nfiles;
static uint64_t state;

/* SplitMix64: the same on every machine. */
static uint64_t next(void) {
  uint64_t z = state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

static size_t below(size_t n) {
  return n == 0 ? 0 : next() % n;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const file *)a)->name, ((const file *)b)->name);
}

static void read_files(const char *folder) {
  DIR *directory = opendir(folder);
  CHECK(directory != NULL);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    size_t n = strlen(entry->d_name);
    if (n < 6 || n > 255 || strcmp(entry->d_name + n - 5, ".code") != 0) continue;
    CHECK(nfiles < MAX_FILES);
    file *f = &files[nfiles++];
    memcpy(f->name, entry->d_name, n + 1);
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, f->name);
    FILE *stream = fopen(path, "rb");
    CHECK(stream != NULL && fseek(stream, 0, SEEK_END) == 0);
    f->len = (size_t)ftell(stream);
    f->data = malloc(f->len);
    rewind(stream);
    CHECK(f->data != NULL && fread(f->data, 1, f->len, stream) == f->len);
    fclose(stream);
  }
  closedir(directory);
  CHECK(nfiles > 0);
  qsort(files, nfiles, sizeof *files, by_name);
}

/* Exactly as large as its contents, so that a read past the end is seen. */
static unsigned char *resized(unsigned char *data, size_t len) {
  unsigned char *moved = realloc(data, len ? len : 1);
  CHECK(moved != NULL);
  return moved;
}

static void flip_bit(unsigned char *data, size_t len) {
  data[below(len)] ^= (unsigned char)(1u << below(8));
}

static void set_byte(unsigned char *data, size_t len) {
  static const unsigned char BYTES[] = "\0\1\2\x7f\x80\xff" "cr()>szZaAutlNTF.i\xe3\xf2\xa9";
  data[below(len)] = below(2) ? (unsigned char)next() : BYTES[below(sizeof BYTES - 1)];
}

/* Lengths, counts and references are such numbers. */
static void set_number(unsigned char *data, size_t len) {
  static const int32_t NUMBERS[] = {0, 1, -1, 255, 256, 65535, INT32_MAX, INT32_MIN};
  if (len < 4) return;
  int32_t value = below(2) ? (int32_t)below(64) : NUMBERS[below(8)];
  memcpy(data + below(len - 3), &value, 4);
}

/* A piece of another file, or of the same, over what is there. */
static void splice(unsigned char *data, size_t len) {
  const file *from = &files[below(nfiles)];
  size_t n = 1 + below(64);
  if (n > from->len || n > len) return;
  memcpy(data + below(len - n + 1), from->data + below(from->len - n + 1), n);
}

static unsigned char *cut(unsigned char *data, size_t *len) {
  size_t n = 1 + below(8), at = below(*len);
  if (n > *len - at) n = *len - at;
  memmove(data + at, data + at + n, *len - at - n);
  *len -= n;
  return resized(data, *len);
}

static unsigned char *insert(unsigned char *data, size_t *len) {
  size_t n = 1 + below(8), at = below(*len + 1);
  data = resized(data, *len + n);
  memmove(data + at + n, data + at, *len - at);
  for (size_t i = 0; i < n; i++) data[at + i] = (unsigned char)next();
  *len += n;
  return data;
}

static unsigned char *change(unsigned char *data, size_t *len) {
  if (*len == 0) return insert(data, len);
  switch (below(8)) {
  case 0:
  case 1: flip_bit(data, *len); return data;
  case 2:
  case 3: set_byte(data, *len); return data;
  case 4: set_number(data, *len); return data;
  case 5: splice(data, *len); return data;
  case 6: return cut(data, len);
  default: return below(4) ? insert(data, len) : resized(data, *len = below(*len));
  }
}

int main(int argc, char **argv) {
  CHECK(argc > 1);
  long cases = number(argc, argv, 2, 100000);
  uint64_t seed = (uint64_t)number(argc, argv, 3, 1);
  printf("verify_fuzz: seed %llu\n", (unsigned long long)seed);
  fflush(stdout);
  state = seed;
  read_files(argv[1]);
  char err[PVM_ERR_MAX];
  for (size_t i = 0; i < nfiles; i++)
    if (pvm_verify_code(files[i].data, files[i].len, err) != PVM_OK) {
      fprintf(stderr, "%s: %s\n", files[i].name, err);
      exit(1);
    }
  long accepted = 0;
  for (long n = 0; n < cases; n++) {
    const file *whole = &files[below(nfiles)];
    size_t len = whole->len;
    unsigned char *data = resized(NULL, len);
    memcpy(data, whole->data, len);
    for (size_t i = 1 + below(MAX_CHANGES); i > 0; i--) data = change(data, &len);
    memset(err, 1, sizeof err);
    int status = pvm_verify_code(data, len, below(8) ? err : NULL);
    CHECK(status == PVM_OK || status == PVM_E_BYTECODE);
    if (status == PVM_E_BYTECODE && err[0] != 1) CHECK(strnlen(err, sizeof err) < sizeof err);
    accepted += status == PVM_OK;
    free(data);
  }
  printf("verify_fuzz: ok, %ld of %ld damaged ones refused\n", cases - accepted, cases);
  return 0;
}
