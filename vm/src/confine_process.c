/* confine_process.c - what a process that runs a task in a Python of its own may ask of the kernel.
**
** Such a process needs far more than a VM's thread: threads, executable memory, programs. So system
** calls are a list of those that are refused, not of those that are allowed, and the files that an
** installation of Python and of the system consists of can be read by all.
**
** Nothing is applied here. The process enters by itself, when its Python has started and before it
** knows the task.
*/
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "landlock.h"

/* ---- Files -------------------------------------------------------------- */

/* Programs and libraries, and what they look up about machine and users. Of /proc not the
** folders of processes: Landlock keeps nobody from reading the environment of others there. */
static const char *const readable[] = {
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys",
    "/proc/uptime",
    "/proc/version",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/timezone",
    "/etc/zoneinfo",
    "/dev/random",
    "/dev/urandom",
};
static const char *const for_network[] = {
    "/etc/ca-certificates", "/etc/crypto-policies",
    "/etc/gai.conf",        "/etc/host.conf",
    "/etc/hosts",           "/etc/pki",
    "/etc/protocols",       "/etc/resolv.conf",
    "/etc/services",        "/etc/ssl",
    "/run/systemd/resolve",
};
static const char *const writable[] = {"/dev/null", "/dev/zero", "/dev/full"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int allow_all(int ruleset, const char *const *paths, size_t count, uint64_t rights) {
  for (size_t i = 0; i < count; i++)
    if (pvm_landlock_allow(ruleset, paths[i], rights) < 0 && errno != ENOENT && errno != EACCES)
      return -1;
  return 0;
}

static int add_rules(int ruleset, const char *folder, const pvm_process_rule *rules, uint32_t count,
                     int network, char *err) {
  if (allow_all(ruleset, readable, COUNT(readable), PVM_FS_READ | PVM_FS_EXECUTE) < 0 ||
      (network && allow_all(ruleset, for_network, COUNT(for_network), PVM_FS_READ) < 0) ||
      allow_all(ruleset, writable, COUNT(writable), PVM_FS_WRITE) < 0 ||
      (folder != NULL && pvm_landlock_allow(ruleset, folder, PVM_FS_WRITE | PVM_FS_SPECIAL) < 0)) {
    if (err) snprintf(err, PVM_ERR_MAX, "Landlock takes no rule: %s", strerror(errno));
    return PVM_E_OS;
  }
  for (uint32_t i = 0; i < count; i++) {
    int writes = rules[i].access == PVM_WRITE;
    uint64_t rights = writes ? PVM_FS_WRITE | PVM_FS_DEVICES : PVM_FS_READ;
    if (pvm_landlock_allow(ruleset, rules[i].path, rights) == 0) continue;
    if (err)
      snprintf(err, PVM_ERR_MAX, "%s is permitted to '%.300s': %s", writes ? "writing" : "reading",
               rules[i].path, strerror(errno));
    return PVM_E_OS;
  }
  return PVM_OK;
}

int pvm_process_ruleset(const char *folder, const pvm_process_rule *rules, uint32_t count,
                        int network, int *ruleset, char *err) {
  if (ruleset == NULL || (rules == NULL && count != 0)) return PVM_E_INVALID;
  *ruleset = -1;
  for (uint32_t i = 0; i < count; i++)
    if (rules[i].path == NULL || rules[i].path[0] != '/' || rules[i].access > PVM_WRITE)
      return PVM_E_INVALID;
  int scopes = PVM_LANDLOCK_OTHERS | (network ? PVM_LANDLOCK_FILES : PVM_LANDLOCK_TCP);
  int status = pvm_landlock_new(scopes, ruleset, err);
  if (status != PVM_OK || *ruleset < 0) return status;
  status = add_rules(*ruleset, folder, rules, count, network, err);
  if (status == PVM_OK) return PVM_OK;
  close(*ruleset);
  *ruleset = -1;
  return status;
}

/* ---- System calls ------------------------------------------------------- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE
/* Looking into other processes, the kernel's insides, the machine's settings, other roots; and
** io_uring, whose calls no filter sees. */
static const int refused[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_setns,
    SYS_unshare,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_userfaultfd,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_open_by_handle_at,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
#ifdef SYS_pidfd_getfd
    SYS_pidfd_getfd,
#endif
#ifdef SYS_process_madvise
    SYS_process_madvise,
#endif
#ifdef SYS_move_mount
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsmount,
#endif
#ifdef SYS_mount_setattr
    SYS_mount_setattr,
#endif
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
#ifdef SYS_ioperm
    SYS_ioperm,
    SYS_iopl,
#endif
};

#define NAMESPACES                                                                                 \
  (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |    \
   CLONE_NEWNET)
#define X32_BIT 0x40000000u /* numbers of x86-64's other table begin there */

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(number) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (number))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
/* If the call is `number`, this is the answer. */
#define IF_CALL(number, ...) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), __VA_ARGS__

static size_t write_filter(struct sock_filter *filter, int network) {
  const struct sock_filter head[] = {
      LOAD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
      ANSWER(EPERM),
      LOAD(nr),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1),
      ANSWER(EPERM),
      /* clone3's flags are in memory, where no filter looks: glibc then takes clone */
      IF_CALL(SYS_clone3, ANSWER(ENOSYS)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 4),
      LOAD(args[0]),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1),
      ANSWER(EPERM),
      ALLOW,
  };
  /* Not by family: a Unix socket may lead to whoever has the network, the host's own included. */
  const struct sock_filter no_network[] = {IF_CALL(SYS_socket, ANSWER(EACCES))};
  struct sock_filter *next = filter;
  memcpy(next, head, sizeof head);
  next += COUNT(head);
  if (!network) {
    memcpy(next, no_network, sizeof no_network);
    next += COUNT(no_network);
  }
  for (size_t i = 0; i < COUNT(refused); i++) {
    const struct sock_filter one[] = {IF_CALL((uint32_t)refused[i], ANSWER(EPERM))};
    memcpy(next, one, sizeof one);
    next += COUNT(one);
  }
  *next++ = (struct sock_filter)ALLOW;
  return (size_t)(next - filter);
}
#endif

int pvm_process_filter(int network, pvm_buffer *filter) {
  if (filter == NULL) return PVM_E_INVALID;
  *filter = (pvm_buffer){NULL, 0, NULL};
#ifdef ARCHITECTURE
  if (!pvm_has_seccomp()) return PVM_OK;
  struct sock_filter program[32 + 2 * COUNT(refused)];
  size_t size = write_filter(program, network) * sizeof *program;
  filter->data = malloc(size);
  if (filter->data == NULL) return PVM_E_NOMEM;
  memcpy(filter->data, program, size);
  filter->len = size;
#else
  (void)network;
#endif
  return PVM_OK;
}
