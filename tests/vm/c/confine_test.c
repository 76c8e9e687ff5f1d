/* confine_test.c - what a confined thread or process can no longer do, and another still can.
**
** System calls are made directly: this is about the kernel's answer, not about what a VM's
** modules offer. Each is one that does no harm where it is not refused.
*/
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "confine.h"
#include "landlock.h"

static char folder[] = "/tmp/confine_test.XXXXXX";
static char inside[64], outside[] = "/etc/passwd";
static pid_t main_thread;

static int refused(long result, int error) {
  return result == -1 && errno == error;
}

static void no_ways_out(void) {
  char *const none[] = {NULL};
  struct rlimit limit = {1024, 1024};
  CHECK(refused(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0), EPERM));
  CHECK(refused(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL), EPERM));
  CHECK(refused(syscall(SYS_execve, "/bin/true", none, none), EPERM));
  CHECK(refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0), EPERM));
  CHECK(refused(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0), EPERM));
  CHECK(refused(syscall(SYS_clone3, NULL, 0), ENOSYS));
#ifdef SYS_fork
  CHECK(refused(syscall(SYS_fork), EPERM));
  CHECK(refused(syscall(SYS_vfork), EPERM));
#endif
  CHECK(refused(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM));
  CHECK(refused(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0), EPERM));
  CHECK(refused(syscall(SYS_kill, getpid(), 0), EPERM));
  CHECK(refused(syscall(SYS_tgkill, getpid(), main_thread, 0), EPERM));
  CHECK(refused(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 8), EPERM));
  CHECK(refused(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL), EPERM));
  CHECK(refused(syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0), EPERM));
  CHECK(refused(syscall(SYS_setuid, getuid()), EPERM));
  CHECK(refused(syscall(SYS_chdir, "/"), EPERM));
  CHECK(refused(syscall(SYS_umask, 0), EPERM));
  CHECK(refused(syscall(SYS_fchmodat, AT_FDCWD, inside, 0600), EPERM));
  CHECK(refused(syscall(SYS_symlinkat, "/", AT_FDCWD, "/tmp/x"), EPERM));
  CHECK(refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM));
  CHECK(refused(syscall(SYS_bpf, 0, NULL, 0), EPERM));
  CHECK(refused(syscall(SYS_userfaultfd, 0), EPERM));
  CHECK(refused(syscall(SYS_memfd_create, "x", 0), EPERM));
  CHECK(refused(syscall(SYS_dup, 1), EPERM));
  CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
  CHECK(errno == EPERM);
}

static void still_works(void) {
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED);
  CHECK(refused(mprotect(page, 4096, PROT_READ | PROT_EXEC), EPERM));
  CHECK(mprotect(page, 4096, PROT_READ) == 0);
  CHECK(munmap(page, 4096) == 0);
  CHECK(syscall(SYS_tgkill, getpid(), gettid(), 0) == 0); /* as abort() does */
  CHECK(syscall(SYS_getrandom, &page, sizeof page, 0) == sizeof page);
}

static void files_of(const pvm_policy *policy) {
  int may_read = policy->count[PVM_READ] != 0, may_write = policy->count[PVM_WRITE] != 0;
  char made[128];
  snprintf(made, sizeof made, "%s/made", folder);
  CHECK(refused(open(outside, O_RDONLY), EACCES));
  CHECK(refused(open("/", O_RDONLY | O_DIRECTORY), EACCES));
  int fd = open(inside, O_RDONLY);
  CHECK(may_read || may_write ? fd >= 0 : refused(fd, EACCES));
  if (fd >= 0) close(fd);
  fd = open(inside, O_WRONLY);
  CHECK(may_write ? fd >= 0 : refused(fd, EACCES));
  if (fd >= 0) close(fd);
  fd = open(made, O_WRONLY | O_CREAT, 0600);
  CHECK(may_write ? fd >= 0 : refused(fd, EACCES));
  if (fd >= 0) {
    close(fd);
    CHECK(unlink(made) == 0);
  }
  fd = open("/dev/null", O_RDWR);
  CHECK(fd >= 0);
  close(fd);
}

static void *confined(void *argument) {
  const pvm_policy *policy = argument;
  char err[PVM_ERR_MAX] = "";
  int ruleset;
  CHECK(pvm_confine_prepare(policy, &ruleset, err) == PVM_OK);
  CHECK(pvm_confine_enter(ruleset, err) == PVM_OK);
  pvm_confine_close(ruleset);
  if (pvm_has_seccomp()) no_ways_out();
  still_works();
  if (pvm_landlock_abi() > 0) files_of(policy);
  return NULL;
}

/* ---- A process of a task ------------------------------------------------- */

static void enter(int ruleset, int network) {
  pvm_buffer filter;
  CHECK(pvm_process_filter(network, &filter) == PVM_OK);
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  if (ruleset >= 0) CHECK(pvm_landlock_restrict(ruleset) == 0);
  if (filter.len == 0) return;
  struct sock_fprog program = {(unsigned short)(filter.len / sizeof(struct sock_filter)), filter.data};
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0);
  free(filter.data);
}

static void calls_of_a_process(int network) {
  CHECK(refused(syscall(SYS_ptrace, 0, 0, 0, 0), EPERM));
  CHECK(refused(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0), EPERM));
  CHECK(refused(syscall(SYS_unshare, CLONE_NEWUSER), EPERM));
  CHECK(refused(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0), EPERM));
  CHECK(refused(syscall(SYS_clone3, NULL, 0), ENOSYS));
  CHECK(refused(syscall(SYS_io_uring_setup, 1, NULL), EPERM));
  CHECK(refused(syscall(SYS_bpf, 0, NULL, 0), EPERM));
  CHECK(refused(syscall(SYS_mount, NULL, "/", NULL, 0, NULL), EPERM));
#ifdef __x86_64__
  CHECK(refused(syscall(0x40000000 + SYS_getpid), EPERM)); /* of x32 */
#endif
  long fd = syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
  CHECK(network ? fd >= 0 : refused(fd, EACCES));
  fd = syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  CHECK(network ? fd >= 0 : refused(fd, EACCES));
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(page != MAP_FAILED);
}

static void files_of_a_process(void) {
  CHECK(open(inside, O_RDONLY) >= 0 && open(inside, O_WRONLY) >= 0);
  CHECK(refused(open("/", O_RDONLY | O_DIRECTORY), EACCES));
  CHECK(refused(open("/tmp/confine_test.other", O_WRONLY | O_CREAT, 0600), EACCES));
  CHECK(refused(open("/proc/self/environ", O_RDONLY), EACCES)); /* it would let itself in first */
  CHECK(open("/usr", O_RDONLY | O_DIRECTORY) >= 0 && open("/dev/null", O_RDWR) >= 0);
  CHECK(refused(open("/usr/confine_test", O_WRONLY | O_CREAT, 0600), EACCES));
  if (pvm_landlock_abi() >= 6) CHECK(refused(kill(getppid(), 0), EPERM));
}

static void *nothing_at_all(void *unused) {
  return unused;
}

/* It and what it starts: another process, another thread. */
static void in_a_process(int network) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    int ruleset;
    char err[PVM_ERR_MAX] = "";
    CHECK(pvm_process_ruleset(folder, NULL, 0, network, &ruleset, err) == PVM_OK);
    enter(ruleset, network);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, nothing_at_all, NULL) == 0 && pthread_join(thread, NULL) == 0);
    pid_t grandchild = fork();
    CHECK(grandchild >= 0);
    if (pvm_has_seccomp()) calls_of_a_process(network);
    if (grandchild != 0 && ruleset >= 0) files_of_a_process();
    int status = 0;
    if (grandchild != 0) CHECK(waitpid(grandchild, &status, 0) == grandchild);
    _exit(status != 0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void rules_of_a_process(void) {
  int ruleset;
  char err[PVM_ERR_MAX] = "";
  pvm_process_rule relative = {"here", PVM_READ}, missing = {"/no/such/file", PVM_WRITE};
  CHECK(pvm_process_ruleset(NULL, &relative, 1, 0, &ruleset, err) == PVM_E_INVALID);
  CHECK(pvm_process_ruleset(NULL, NULL, 1, 0, &ruleset, err) == PVM_E_INVALID);
  if (pvm_landlock_abi() == 0) return;
  CHECK(pvm_process_ruleset(NULL, &missing, 1, 0, &ruleset, err) == PVM_E_OS && ruleset == -1);
  CHECK(strcmp(err, "writing is permitted to '/no/such/file': No such file or directory") == 0);
}

static void in_a_thread(const pvm_policy *policy) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, confined, (void *)policy) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
}

static void policies(void) {
  pvm_policy a = {0}, b = {0};
  CHECK(pvm_policy_equal(&a, &b));
  CHECK(pvm_policy_add(&a, PVM_READ, "/b") == PVM_OK && pvm_policy_add(&a, PVM_READ, "/a") == PVM_OK);
  CHECK(!pvm_policy_equal(&a, &b));
  CHECK(pvm_policy_add(&b, PVM_READ, "/a") == PVM_OK && pvm_policy_add(&b, PVM_READ, "/b") == PVM_OK);
  CHECK(pvm_policy_add(&b, PVM_READ, "/b") == PVM_OK && b.count[PVM_READ] == 2);
  CHECK(pvm_policy_equal(&a, &b));
  CHECK(pvm_policy_add(&a, PVM_WRITE, "relative") == PVM_E_INVALID);
  CHECK(pvm_policy_add(&a, PVM_WRITE, NULL) == PVM_E_INVALID);
  CHECK(pvm_policy_add(&a, (pvm_access)2, "/x") == PVM_E_INVALID);
  for (int i = 0; i <= PVM_POLICY_PATHS; i++) {
    char path[16];
    snprintf(path, sizeof path, "/%d", i);
    CHECK(pvm_policy_add(&a, PVM_WRITE, path) == (i < PVM_POLICY_PATHS ? PVM_OK : PVM_E_INVALID));
  }
  pvm_policy_free(&a);
  pvm_policy_free(&b);
}

int main(void) {
  char err[PVM_ERR_MAX] = "";
  main_thread = gettid();
  policies();
  CHECK(mkdtemp(folder) != NULL);
  snprintf(inside, sizeof inside, "%s/file", folder);
  int fd = open(inside, O_WRONLY | O_CREAT, 0600);
  CHECK(fd >= 0);
  close(fd);
  pvm_policy nothing = {0}, reader = {0}, writer = {0}, missing = {0};
  CHECK(pvm_policy_add(&reader, PVM_READ, folder) == PVM_OK);
  CHECK(pvm_policy_add(&writer, PVM_WRITE, folder) == PVM_OK);
  CHECK(pvm_policy_add(&missing, PVM_WRITE, "/no/such/folder") == PVM_OK);
  in_a_thread(&nothing);
  in_a_thread(&reader);
  in_a_thread(&writer);
  in_a_process(0);
  in_a_process(1);
  rules_of_a_process();
  int ruleset;
  if (pvm_landlock_abi() > 0) {
    CHECK(pvm_confine_prepare(&missing, &ruleset, err) == PVM_E_OS);
    CHECK(strstr(err, "'/no/such/folder'") != NULL);
  }
  /* this thread is as free as before */
  fd = open(outside, O_RDONLY);
  CHECK(fd >= 0);
  close(fd);
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  close(pair[0]);
  close(pair[1]);
  CHECK(unlink(inside) == 0 && rmdir(folder) == 0);
  pvm_policy_free(&reader);
  pvm_policy_free(&writer);
  pvm_policy_free(&missing);
  printf("confine_test: ok\n");
  return 0;
}
