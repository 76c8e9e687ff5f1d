/* rekey.c - another key of the store: data keys are wrapped anew, events stay as they are. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checksum.h"
#include "names.h"
#include "sealed.h"

typedef struct rekeying {
  store_vault *old, *newer;
  uint64_t done;
  char *err;
} rekeying;

static int put_head(int file, const store_sealed_head *head) {
  return pwrite(file, head, sizeof *head, 0) == (ssize_t)sizeof *head && fdatasync(file) == 0
             ? STORE_OK
             : STORE_E_IO;
}

/* The new key is in its place on the disk before the old one goes: a head is never without one. */
static int rewrap(rekeying *r, int file, const char *stream) {
  store_sealed_head head;
  off_t size = lseek(file, 0, SEEK_END);
  ssize_t got = pread(file, &head, sizeof head, 0);
  if (size < 0 || got < 0) return STORE_E_IO;
  if ((size_t)got < sizeof head || store_is_zero(&head, sizeof head)) return STORE_OK; /* unborn */
  int status = store_head_check(&head.head, STORE_SEALED_MAGIC, (uint64_t)size);
  if (status != STORE_OK) return status;
  store_bound bound;
  store_bound_fill(&bound, stream, &head.head);
  store_data_key key;
  status = store_unwrap(head.wrapped, r->newer, &bound, sizeof bound, &key);
  if (status != STORE_OK) {
    status = store_unwrap(head.wrapped, r->old, &bound, sizeof bound, &key);
    if (status != STORE_OK) return status;
    int in_use = store_wrapped_is_whole(&head.wrapped[0]) ? 0 : 1;
    key.vault = r->newer;
    status = store_wrap(&head.wrapped[1 - in_use], &key, &bound, sizeof bound) == 0
                 ? put_head(file, &head)
                 : STORE_E_IO;
  }
  explicit_bzero(&key, sizeof key);
  if (status != STORE_OK) return status;
  r->done++;
  const unsigned char *id = r->newer->sealing.key_id;
  int others = 0;
  for (int i = 0; i < 2; i++) {
    if (memcmp(head.wrapped[i].key_id, id, sizeof head.wrapped[i].key_id) == 0) continue;
    others |= !store_is_zero(&head.wrapped[i], sizeof head.wrapped[i]);
    memset(&head.wrapped[i], 0, sizeof head.wrapped[i]);
  }
  return others ? put_head(file, &head) : STORE_OK;
}

static int rewrap_file(rekeying *r, const char *path, const char *stream) {
  int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  int status = file >= 0 ? rewrap(r, file, stream) : STORE_E_IO;
  if (status != STORE_OK)
    snprintf(r->err, STORE_ERR_MAX, "%s: %s", path,
             status == STORE_E_KEY  ? "it is sealed with neither the old key nor the new one"
             : status == STORE_E_IO ? strerror(errno)
             : status == STORE_E_VERSION
                 ? "it was sealed by another version of PolyVM, or on another kind of machine"
                 : "its head is damaged; open the store once, so that it is put aside");
  if (file >= 0) close(file);
  return status;
}

static int rewrap_stream(rekeying *r, const char *folder, const char *stream) {
  DIR *entries = opendir(folder);
  int status = STORE_OK;
  if (entries == NULL) {
    snprintf(r->err, STORE_ERR_MAX, "%s: %s", folder, strerror(errno));
    return STORE_E_IO;
  }
  for (const struct dirent *entry; status == STORE_OK && (entry = readdir(entries)) != NULL;) {
    size_t len = strlen(entry->d_name);
    char *path;
    if (len != 23 || strcmp(entry->d_name + 16, ".events") != 0) continue;
    if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) status = STORE_E_NOMEM;
    else {
      status = rewrap_file(r, path, stream);
      free(path);
    }
  }
  closedir(entries);
  return status;
}

static int rewrap_all(rekeying *r, const char *folder) {
  char *sealed = store_streams_folder(folder, 1);
  DIR *entries = sealed != NULL ? opendir(sealed) : NULL;
  int status = sealed == NULL ? STORE_E_NOMEM : STORE_OK;
  if (status == STORE_OK && entries == NULL && errno != ENOENT) {
    snprintf(r->err, STORE_ERR_MAX, "%s: %s", sealed, strerror(errno));
    status = STORE_E_IO;
  }
  free(sealed);
  if (entries == NULL) return status;
  for (const struct dirent *entry; status == STORE_OK && (entry = readdir(entries)) != NULL;) {
    char name[STORE_NAME_MAX + 1];
    if (store_stream_named(entry->d_name, name) != 0) continue;
    char *path = store_stream_path(folder, name, 1);
    status = path != NULL ? rewrap_stream(r, path, name) : STORE_E_NOMEM;
    free(path);
  }
  closedir(entries);
  return status;
}

int store_rekey(const char *folder, const store_sealing *old, const store_sealing *newer,
                uint64_t *done, char *err) {
  int lock_file = -1;
  err[0] = 0;
  store_checksum_init();
  rekeying r = {store_vault_new(old), store_vault_new(newer), 0, err};
  int status = r.old != NULL && r.newer != NULL ? store_folder_take(folder, 0, &lock_file, err)
                                                : STORE_E_NOMEM;
  if (status == STORE_OK) status = rewrap_all(&r, folder);
  if (status == STORE_E_NOMEM && err[0] == 0)
    snprintf(err, STORE_ERR_MAX, "there is not enough memory to change the key");
  if (lock_file >= 0) close(lock_file);
  store_vault_free(r.old);
  store_vault_free(r.newer);
  *done = r.done;
  return status;
}
