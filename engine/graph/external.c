/* external.c - files beside a model, which its tensors may name.
**
** A model is not trusted: only plain files within its folder are opened, whatever it says. Parent
** folders, absolute paths, and links that lead out are refused.
*/
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "onnx.h"

#define LONGEST_NAME 1024

typedef struct pvg_mapping {
  void *data;
  size_t size;
  const char *name; /* in the folder */
  struct stat about;
  struct pvg_mapping *before; /* of the folder's */
} mapping;

static void unmap(void *owner) {
  mapping *mapping = owner;
  if (mapping->size > 0) munmap(mapping->data, mapping->size);
  free(mapping);
}

/* Where the kernel cannot resolve beneath a folder by itself: step by step, without any links. */
static int open_steps(int folder, char *name) {
  int at = dup(folder);
  char *rest = NULL;
  for (char *step = strtok_r(name, "/", &rest); step != NULL && at >= 0;) {
    char *next = strtok_r(NULL, "/", &rest);
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (next != NULL ? O_DIRECTORY : 0);
    int inner = openat(at, step, flags);
    close(at);
    at = inner;
    step = next;
  }
  return at;
}

static int open_beneath(const char *path, char *name) {
  int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return -1;
  struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                         .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
  int file = (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
  if (file < 0 && (errno == ENOSYS || errno == EPERM || errno == EACCES))
    file = open_steps(folder, name);
  int reason = errno;
  close(folder);
  errno = reason;
  return file;
}

static int check_name(const char *name, size_t size) {
  bool bad = size == 0 || size > LONGEST_NAME || name[0] == '/' || memchr(name, 0, size) != NULL;
  for (size_t start = 0; !bad && start < size;) {
    const char *slash = memchr(name + start, '/', size - start);
    size_t end = slash != NULL ? (size_t)(slash - name) : size;
    bad = end - start == 2 && memcmp(name + start, "..", 2) == 0;
    start = end + 1;
  }
  if (!bad) return PVT_OK;
  int shown = size < 80 ? (int)size : 80;
  return pvt_fail(PVT_E_VALUE,
                  "the model's data is in '%.*s', which is no path within the model's folder",
                  shown, size > 0 ? name : "");
}

static int map_file(pvg_folder *folder, char *name, mapping **made) {
  char *path = pvg_pool_text(folder->pool, name, strlen(name)); /* opening may cut it to steps */
  mapping *mapping = calloc(1, sizeof *mapping);
  if (path == NULL || mapping == NULL) {
    free(mapping);
    return pvt_fail(PVT_E_NOMEM, "out of memory");
  }
  int file = open_beneath(folder->path, path);
  struct stat about;
  int status = PVT_OK;
  if (file < 0 || fstat(file, &about) != 0)
    status = pvt_fail(PVT_E_VALUE, "the model's data file '%s' cannot be opened: %s", name,
                      errno == EXDEV ? "it is outside the model's folder" : strerror(errno));
  else if (!S_ISREG(about.st_mode))
    status = pvt_fail(PVT_E_VALUE, "the model's data file '%s' is no plain file", name);
  else if (about.st_size > 0) {
    mapping->data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapping->data == MAP_FAILED)
      status = pvt_fail(PVT_E_NOMEM, "the model's data file '%s' cannot be mapped: %s", name,
                        strerror(errno));
    else mapping->size = (size_t)about.st_size;
  }
  if (file >= 0) close(file);
  pvt_buffer *buffer = NULL;
  if (status == PVT_OK) {
    buffer = pvt_buffer_foreign(mapping->data, mapping->size, unmap, mapping);
    if (buffer == NULL) status = pvt_error_status();
  }
  if (status != PVT_OK) {
    if (mapping->size > 0) munmap(mapping->data, mapping->size);
    free(mapping);
    return status;
  }
  mapping->name = name;
  mapping->about = about;
  mapping->before = folder->mapped;
  folder->mapped = *made = mapping;
  return pvg_pool_keep(folder->pool, buffer);
}

bool pvg_folder_is_current(const pvg_folder *folder) {
  for (const mapping *one = folder->mapped; one != NULL; one = one->before) {
    char path[4096];
    struct stat now;
    int size = snprintf(path, sizeof path, "%s/%s", folder->path, one->name);
    if (size < 0 || size >= (int)sizeof path || stat(path, &now) != 0) return false;
    const struct stat *then = &one->about;
    if (now.st_dev != then->st_dev || now.st_ino != then->st_ino || now.st_size != then->st_size ||
        now.st_mtim.tv_sec != then->st_mtim.tv_sec || now.st_mtim.tv_nsec != then->st_mtim.tv_nsec)
      return false;
  }
  return true;
}

int pvg_folder_bytes(pvg_folder *folder, const char *name, size_t name_size, int64_t offset,
                     int64_t length, pvg_span *bytes) {
  int status = check_name(name, name_size);
  if (status != PVT_OK) return status;
  if (folder->path == NULL)
    return pvt_fail(PVT_E_VALUE,
                    "the model's data is in the file '%.*s', but the model comes without a folder",
                    (int)name_size, name);
  mapping *mapping = pvg_names_get(&folder->files, name, name_size, NULL);
  if (mapping == NULL) {
    char *key = pvg_pool_text(folder->pool, name, name_size);
    if (key == NULL) return pvt_error_status();
    if ((status = map_file(folder, key, &mapping)) < 0) return status;
    status = pvg_names_add(&folder->files, folder->pool, key, name_size, mapping);
    if (status < 0) return status;
  }
  size_t start = (size_t)offset;
  size_t wanted = length >= 0 ? (size_t)length : mapping->size - start;
  if (start > mapping->size || wanted > mapping->size - start)
    return pvt_fail(PVT_E_VALUE,
                    "the model's data file '%.*s' has %zu bytes, fewer than the model says",
                    (int)name_size, name, mapping->size);
  *bytes = (pvg_span){(const uint8_t *)mapping->data + start, wanted};
  return PVT_OK;
}
