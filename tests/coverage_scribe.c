/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linked into every program of a build with --enable-coverage, so that what a process ran is
 * counted however it ends: killed, by _exit(), or with no right left to open a file. Its counters
 * lie in memory that it shares with a scribe, a process of its own that waits for its end and then
 * writes them down. A child that is forked gets a memory and a scribe of its own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern void __gcov_dump(void);
extern char _end[];

static char *memory; /* the program's variables, among them its counters */
static size_t memory_size;
static __thread int copy_fd; /* each thread's: not in that memory */

static uintptr_t page_up(uintptr_t at)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	return (at + page - 1) & ~(page - 1);
}

/* Behind what the loader made read-only. The program is the first that is told of. */
static int find_memory(struct dl_phdr_info *info, size_t size, void *data)
{
	uintptr_t *start = data;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + part->p_vaddr;

		if (part->p_type == PT_GNU_RELRO && page_up(at + part->p_memsz) > *start)
			*start = page_up(at + part->p_memsz);
	}
	return 1;
}

static int copy_memory(void)
{
	int fd = memfd_create("counters", MFD_CLOEXEC);

	if (fd < 0 || write(fd, memory, memory_size) != (ssize_t)memory_size)
		abort();
	return fd;
}

/* Nothing of the program's may be touched: it is still at work there. */
static void be_scribe(pid_t program)
{
	struct pollfd end = { .events = POLLIN };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	setsid();
	prctl(PR_SET_NAME, "scribe");
	closefrom(0);
	end.fd = pidfd_open(program, 0);
	while (end.fd >= 0 && poll(&end, 1, -1) < 0)
		;
	__gcov_dump();
	_exit(0);
}

/* The scribe is nobody's child: a program may wait for all of its own. */
static void share(int fd)
{
	pid_t program = getpid(), between;

	if (mmap(memory, memory_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
	    memory)
		abort();
	close(fd);
	between = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (between == 0) {
		if (syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) == 0)
			be_scribe(program);
		_exit(0);
	}
	while (between > 0 && waitpid(between, NULL, 0) < 0)
		;
}

static void before_fork(void)
{
	copy_fd = copy_memory();
}

static void in_parent(void)
{
	close(copy_fd);
}

static void in_child(void)
{
	share(copy_fd);
}

__attribute__((constructor)) static void begin(void)
{
	uintptr_t start = 0;

	dl_iterate_phdr(find_memory, &start);
	if (start == 0 || start >= (uintptr_t)_end)
		return;
	memory = (char *)start;
	memory_size = page_up((uintptr_t)_end) - start;
	share(copy_memory());
	pthread_atfork(before_fork, in_parent, in_child);
}
