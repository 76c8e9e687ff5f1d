/* confine.c - see confine.h. */
#include "confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "landlock.h"

static int refuse(char *err, const char *what, const char *where) {
  if (err)
    snprintf(err, PVM_ERR_MAX, "%s%s%.300s%s: %s", what, where ? " '" : "", where ? where : "",
             where ? "'" : "", strerror(errno));
  return PVM_E_OS;
}

/* ---- Landlock ----------------------------------------------------------- */

/* Where glibc and Python's zoneinfo look for time zones; and what is no file in truth. */
static const char *const open_to_all[] = {"/usr/share/zoneinfo", "/usr/lib/zoneinfo",
                                          "/usr/share/lib/zoneinfo", "/etc/zoneinfo",
                                          "/etc/localtime"};

int pvm_confine_prepare(const pvm_policy *policy, int *ruleset, char *err) {
  int status = pvm_landlock_new(PVM_LANDLOCK_TCP, ruleset, err);
  if (status != PVM_OK || *ruleset < 0) return status;
  for (size_t i = 0; i < sizeof open_to_all / sizeof open_to_all[0]; i++)
    if (pvm_landlock_allow(*ruleset, open_to_all[i], PVM_FS_READ) < 0 && errno != ENOENT) goto fail;
  if (pvm_landlock_allow(*ruleset, "/dev/null", PVM_FS_WRITE) < 0 && errno != ENOENT) goto fail;
  const uint64_t rights[2] = {PVM_FS_READ, PVM_FS_WRITE};
  for (int access = 0; access < 2; access++)
    for (uint32_t i = 0; i < policy->count[access]; i++)
      if (pvm_landlock_allow(*ruleset, policy->paths[access][i], rights[access]) < 0) {
        refuse(err, access == PVM_WRITE ? "writing is permitted to" : "reading is permitted to",
               policy->paths[access][i]);
        close(*ruleset);
        *ruleset = -1;
        return PVM_E_OS;
      }
  return PVM_OK;
fail:
  refuse(err, "Landlock takes no rule", NULL);
  close(*ruleset);
  *ruleset = -1;
  return PVM_E_OS;
}

void pvm_confine_close(int ruleset) {
  if (ruleset >= 0) close(ruleset);
}

/* ---- seccomp ------------------------------------------------------------ */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* What CPython, glibc and this library call on a thread that runs VMs. Calls that only old
** architectures have are left out where they do not exist. */
static const int allowed[] = {
    /* memory; see below for mmap and mprotect */
    SYS_munmap,
    SYS_madvise,
    SYS_brk,
    SYS_mremap,
    /* waiting and time */
    SYS_futex,
    SYS_sched_yield,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_gettimeofday,
    SYS_ppoll,
    SYS_pselect6,
    SYS_restart_syscall,
    /* files: Landlock says which */
    SYS_openat,
    SYS_close,
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_ftruncate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_msync,
    SYS_flock,
    SYS_fcntl,
    SYS_fadvise64,
    SYS_statfs,
    SYS_fstatfs,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat2,
    SYS_getcwd,
    /* the thread itself; see below for tgkill */
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_gettid,
    SYS_getpid,
    SYS_getppid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_exit,
    SYS_exit_group,
    SYS_sched_getaffinity,
    SYS_getcpu,
    /* facts */
    SYS_getrandom,
    SYS_uname,
    SYS_sysinfo,
    SYS_getrusage,
    SYS_times,
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_open /* x86-64 has these beside the ones above */
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_mkdir,
    SYS_rmdir,
    SYS_unlink,
    SYS_rename,
    SYS_poll,
    SYS_select,
    SYS_time,
#endif
};

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define DENY BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* The low half of an argument, which is all that the arguments below have. Both architectures
** are little endian. */
#define ARGUMENT(n) LOAD(args[n])

/* If the call is `number`: allow it when no bit of `mask` is set in argument n. */
#define ALLOW_WITHOUT(number, n, mask)                                                             \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4), ARGUMENT(n),                                \
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (mask), 0, 1), DENY, ALLOW
/* If the call is `number`: allow it when argument n is `value`; otherwise go on. */
#define ALLOW_IF(number, n, value)                                                                 \
  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 4), ARGUMENT(n),                                \
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1), ALLOW, LOAD(nr)

#define ALLOWED (sizeof allowed / sizeof allowed[0])

int pvm_has_seccomp(void) {
#ifdef ARCHITECTURE
  /* EFAULT: the filter is looked at, so filters are known */
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) == -1 && errno == EFAULT;
#else
  return 0;
#endif
}

static int filter_calls(char *err) {
#ifdef ARCHITECTURE
  struct sock_filter head[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
      DENY,
      LOAD(nr),
      /* executable memory is neither made nor asked for */
      ALLOW_WITHOUT(SYS_mmap, 2, PROT_EXEC),
      ALLOW_WITHOUT(SYS_mprotect, 2, PROT_EXEC),
      /* Python asks whether a file is a terminal, and marks files to be closed on exec */
      ALLOW_IF(SYS_ioctl, 1, TCGETS),
      ALLOW_IF(SYS_ioctl, 1, FIOCLEX),
      /* abort() signals its own thread */
      ALLOW_IF(SYS_tgkill, 1, (uint32_t)gettid()),
      /* clone3 does not exist, so that glibc takes clone, which is refused */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
  };
  enum { HEAD = sizeof head / sizeof head[0], TOTAL = HEAD + 2 * ALLOWED + 1 };
  struct sock_filter filter[TOTAL] = {0};
  memcpy(filter, head, sizeof head);
  struct sock_filter *next = filter + HEAD;
  for (size_t i = 0; i < ALLOWED; i++) {
    *next++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)allowed[i], 0, 1);
    *next++ = (struct sock_filter)ALLOW;
  }
  *next = (struct sock_filter)DENY; /* x32's numbers of x86-64 end here, too */
  struct sock_fprog program = {TOTAL, filter};
  /* SPEC_ALLOW: older kernels would slow the thread down for a side channel between
  ** processes of different trust, which these are not. */
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) != 0)
    return refuse(err, "seccomp takes no filter", NULL);
#endif
  (void)err;
  return PVM_OK;
}

int pvm_confine_enter(int ruleset, char *err) {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refuse(err, "no_new_privs", NULL);
  if (ruleset >= 0 && pvm_landlock_restrict(ruleset) != 0)
    return refuse(err, "Landlock does not confine the thread", NULL);
  return pvm_has_seccomp() ? filter_calls(err) : PVM_OK;
}
