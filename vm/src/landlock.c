/* landlock.c - see landlock.h. */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's numbers, which older headers have only in part; see landlock(7). */
enum { CREATE_RULESET = 444, ADD_RULE = 445, RESTRICT_SELF = 446 };
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

struct ruleset_attr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;
  uint64_t scoped;
};

struct path_attr {
  uint64_t allowed_access;
  int32_t parent_fd;
} __attribute__((packed));

/* Executing, writing, reading, truncating, ioctl: no others apply to a file. */
#define OF_FILES 0xc007ull

int pvm_landlock_abi(void) {
  long abi = syscall(CREATE_RULESET, NULL, 0, CREATE_RULESET_VERSION);
  return abi > 0 ? (int)abi : 0;
}

static uint64_t known_rights(int abi) {
  uint64_t rights = (1ull << 13) - 1; /* ABI 1 */
  if (abi >= 2) rights |= 1ull << 13; /* to rename or link across folders */
  if (abi >= 3) rights |= 1ull << 14; /* to truncate */
  if (abi >= 5) rights |= 1ull << 15; /* ioctl of devices */
  return rights;
}

int pvm_landlock_new(int scopes, int *ruleset, char *err) {
  *ruleset = -1;
  int abi = pvm_landlock_abi();
  if (abi == 0) return PVM_OK;
  struct ruleset_attr attr = {known_rights(abi), scopes & PVM_LANDLOCK_TCP ? 3 : 0,
                              scopes & PVM_LANDLOCK_OTHERS ? 3 : 0};
  /* Older kernels know a shorter struct: ABI 4 brought TCP, ABI 6 the scopes. */
  size_t size = sizeof attr.handled_access_fs;
  if (abi >= 4) size = offsetof(struct ruleset_attr, scoped);
  if (abi >= 6) size = sizeof attr;
  *ruleset = (int)syscall(CREATE_RULESET, &attr, size, 0);
  if (*ruleset >= 0) return PVM_OK;
  if (err) snprintf(err, PVM_ERR_MAX, "Landlock makes no ruleset: %s", strerror(errno));
  return PVM_E_OS;
}

int pvm_landlock_allow(int ruleset, const char *path, uint64_t rights) {
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0) return -1;
  struct stat status;
  int result = fstat(fd, &status);
  if (result == 0 && !S_ISDIR(status.st_mode)) rights &= OF_FILES;
  struct path_attr rule = {rights & known_rights(pvm_landlock_abi()), fd};
  if (result == 0) result = (int)syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0);
  int saved = errno;
  close(fd);
  errno = saved;
  return result;
}

int pvm_landlock_restrict(int ruleset) {
  return (int)syscall(RESTRICT_SELF, ruleset, 0);
}
