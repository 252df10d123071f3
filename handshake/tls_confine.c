/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls_confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#define NOBODY 65534

void tls_confine_memory(void)
{
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* The kernel loads its module for TLS only when one who may ask for it first. */
static void have_kernel_tls(void)
{
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"));
}

/* In a user namespace that has no such user we are not the machine's root anyway. */
static int become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return -errno;
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return errno == EINVAL ? 0 : -errno;
	return 0;
}

#if defined(__x86_64__) || defined(__aarch64__)

#ifdef __x86_64__
#define MACHINE AUDIT_ARCH_X86_64
#else
#define MACHINE AUDIT_ARCH_AARCH64
#endif
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)

/* What no byte of a peer's may lead to, whatever flaw the library has. */
static const unsigned forbidden[] = {
	SYS_execve, SYS_execveat, SYS_clone, SYS_clone3,
#ifdef __x86_64__
	SYS_fork, SYS_vfork, SYS_open, SYS_creat, SYS_rename, SYS_unlink, SYS_mkdir, SYS_chmod,
#endif
	SYS_openat, SYS_openat2, SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_fchmodat,
	SYS_socket, SYS_connect, SYS_bind, SYS_accept4, SYS_ptrace, SYS_process_vm_readv,
	SYS_process_vm_writev, SYS_kill, SYS_tkill, SYS_pidfd_open, SYS_mount, SYS_bpf,
	SYS_init_module, SYS_finit_module, SYS_keyctl, SYS_io_uring_setup, SYS_setns, SYS_unshare,
};

#define FORBIDDEN (sizeof(forbidden) / sizeof(forbidden[0]))

static int forbid_calls(void)
{
	struct sock_filter filter[5 + FORBIDDEN + 1] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MACHINE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	for (size_t i = 0; i < FORBIDDEN; i++)
		filter[program.len++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, forbidden[i],
			(unsigned char)(FORBIDDEN - i), 0);
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[program.len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, REFUSED);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0 ? -errno : 0;
}

#else

static int forbid_calls(void)
{
	return 0; /* the numbers of calls are a machine's own, and nobody has written these down */
}

#endif

int tls_confine_process(struct err *err)
{
	const struct rlimit none = { 0, 0 };
	int rc;

	have_kernel_tls();
	rc = become_nobody();
	if (rc == 0 && setrlimit(RLIMIT_FSIZE, &none) < 0)
		rc = -errno;
	if (rc == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		rc = -errno;
	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = -errno;
	if (rc == 0)
		rc = forbid_calls();
	if (rc == -EINVAL)
		rc = 0; /* a kernel without seccomp */
	return rc < 0 ? err_set(err, ERR_FAILED, rc, "xenferry-tls cannot give up its rights: %s",
				strerror(-rc)) : 0;
}
