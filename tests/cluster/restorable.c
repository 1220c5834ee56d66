/*
 * Asks the kernel what CRIU asks it when it dumps and restores a process. Each line of output is "QUESTION: ANSWER".
 * The answers of an x86_64 without 32-bit programs are "ok".
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* struct pm_scan_arg of linux/fs.h, Linux 6.7; the host's headers may be older */
struct scan {
	unsigned long long size, flags, start, end, walk_end, vec, vec_len, max_pages;
	unsigned long long inverted, mask, anyof_mask, return_mask;
};

#define PAGE 4096UL
#define SCAN _IOWR('f', 16, struct scan)
#define PRESENT (1 << 3)
#define X86_64_TASK_SIZE 0x7ffffffff000UL
#define MIDDLE 0x600000000000UL /* a static program has only its stack and the vDSO beyond */

static volatile int code;

static void trapped(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	code = info->si_code;
}

static void say(const char *question, int is_ok)
{
	printf("%s: %s\n", question, is_ok ? "ok" : strerror(errno));
	fflush(stdout);
}

/* Unmap as CRIU's restorer does. The stack is gone then: the program ends without using it. */
static int unmaps_to_the_end(void)
{
	int status;

	if (fork() == 0)
		/* munmap, then exit with its result; EINVAL is 0xea as a status */
		__asm__ volatile("syscall; mov %%eax, %%edi; mov $60, %%eax; syscall"
				 :
				 : "a"(11), "D"(MIDDLE), "S"(X86_64_TASK_SIZE - MIDDLE)
				 : "rcx", "r11", "memory");
	wait(&status);
	errno = EINVAL;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(void)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
	unsigned long regions[12], area[8];
	struct scan scan = {.size = sizeof scan, .start = (unsigned long)vdso, .end = (unsigned long)vdso + PAGE,
			    .vec = (unsigned long)regions, .vec_len = 4, .return_mask = PRESENT};
	struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
	int pipes[2], status;
	pid_t child;

	say("pipe", pipe(pipes) == 0);
	say("write of the vDSO", write(pipes[1], vdso, PAGE) == (long)PAGE);
	say("PAGEMAP_SCAN of the vDSO", ioctl(open("/proc/self/pagemap", O_RDONLY), SCAN, &scan) == 1);
	say("munmap to the end", unmaps_to_the_end());
	child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(child, &status, 0);
	say("no thread areas", ptrace(25 /* PTRACE_GET_THREAD_AREA */, child, (void *)12, area) == -1 && errno == EIO);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	sigaction(SIGTRAP, &action, NULL);
	__asm__ volatile("int3");
	say("breakpoint", code == SI_KERNEL);
	return 0;
}
