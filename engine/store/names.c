/* names.c - see names.h. */
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"

#define PREFIX "stream-" /* the stream's name follows, odd bytes as %41 */

static int is_plain(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

char *store_streams_folder(const char *folder, int sealed) {
  char *path;
  return asprintf(&path, sealed ? "%s/" STORE_SEALED_FOLDER : "%s", folder) >= 0 ? path : NULL;
}

char *store_stream_path(const char *folder, const char *name, int sealed) {
  char *inner = store_streams_folder(folder, sealed);
  if (inner == NULL) return NULL;
  char *path = malloc(strlen(inner) + sizeof PREFIX + 3 * strlen(name) + 2);
  if (path != NULL) {
    char *at = path + sprintf(path, "%s/" PREFIX, inner);
    for (; *name != 0; name++) {
      if (is_plain((unsigned char)*name)) *at++ = *name;
      else at += sprintf(at, "%%%02x", (unsigned char)*name);
    }
    *at = 0;
  }
  free(inner);
  return path;
}

int store_stream_named(const char *folder, char name[STORE_NAME_MAX + 1]) {
  if (strncmp(folder, PREFIX, sizeof PREFIX - 1) != 0) return -1;
  size_t len = 0;
  for (folder += sizeof PREFIX - 1; *folder != 0; folder++) {
    unsigned byte = (unsigned char)*folder;
    if (byte == '%') {
      if (sscanf(folder + 1, "%2x", &byte) != 1 || byte == 0 || folder[2] == 0) return -1;
      folder += 2;
    }
    if (len == STORE_NAME_MAX) return -1;
    name[len++] = (char)byte;
  }
  name[len] = 0;
  return len != 0 ? 0 : -1;
}

int store_folder_take(const char *folder, int make, int *lock_file, char *err) {
  char *path;
  if (make && mkdir(folder, 0700) != 0 && errno != EEXIST) {
    snprintf(err, STORE_ERR_MAX, "%s: %s", folder, strerror(errno));
    return store_file_status();
  }
  if (asprintf(&path, "%s/lock", folder) < 0) return STORE_E_NOMEM;
  *lock_file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  free(path);
  if (*lock_file < 0) {
    snprintf(err, STORE_ERR_MAX, "%s: %s", folder, strerror(errno));
    return STORE_E_IO;
  }
  if (flock(*lock_file, LOCK_EX | LOCK_NB) == 0) return STORE_OK;
  snprintf(err, STORE_ERR_MAX, "%s: another process has this store open", folder);
  return STORE_E_BUSY;
}

int store_sealed_folder_make(const char *folder) {
  char *path = store_streams_folder(folder, 1);
  if (path == NULL) return STORE_E_NOMEM;
  int status = mkdir(path, 0700) == 0 || errno == EEXIST ? STORE_OK : STORE_E_IO;
  free(path);
  return status;
}
