/*
 * The program of pause containers: it does nothing, so that the namespaces it is in stay. As the first process of a
 * shared PID namespace it also inherits the orphans of the others and has to reap them.
 *
 * No libc: the signals are blocked and waited for, which needs neither handlers nor their return trampolines, and leaves
 * a program of two pages. Being blocked, they reach PID 1 although it handles none.
 */

#if defined(__x86_64__)
enum { NR_write = 1, NR_rt_sigprocmask = 14, NR_getpid = 39, NR_wait4 = 61, NR_rt_sigtimedwait = 128, NR_exit_group = 231 };

static long call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
enum { NR_write = 64, NR_exit_group = 94, NR_rt_sigprocmask = 135, NR_rt_sigtimedwait = 137, NR_getpid = 172, NR_wait4 = 260 };

static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
#error "pause.c knows the system calls of x86_64 and aarch64 only"
#endif

enum { SIGINT = 2, SIGTERM = 15, SIGCHLD = 17, SIG_BLOCK = 0, WNOHANG = 1, EINTR = 4, STDERR = 2 };

typedef unsigned long sigset; /* the kernel's: 64 bits */

static sigset set_of(int signal) { return 1UL << (signal - 1); }

static void say(const char *text)
{
	long length = 0;
	while (text[length])
		length++;
	call(NR_write, STDERR, (long)text, length, 0);
}

static void end(int code)
{
	for (;;)
		call(NR_exit_group, code, 0, 0, 0);
}

static void block(int signal, int code_on_failure)
{
	sigset set = set_of(signal);
	if (call(NR_rt_sigprocmask, SIG_BLOCK, (long)&set, 0, sizeof set) < 0)
		end(code_on_failure);
}

static void reap(void)
{
	while (call(NR_wait4, -1, 0, WNOHANG, 0) > 0)
		;
}

#if defined(__x86_64__)
/* The kernel starts a program with an aligned stack, where a function expects a return address on top of that. */
__attribute__((force_align_arg_pointer))
#endif
__attribute__((noreturn)) void _start(void)
{
	block(SIGINT, 1);
	block(SIGTERM, 2);
	block(SIGCHLD, 3);
	if (call(NR_getpid, 0, 0, 0, 0) != 1)
		say("Warning: pause should be the first process\n");
	sigset all = set_of(SIGINT) | set_of(SIGTERM) | set_of(SIGCHLD);
	for (;;) {
		long signal = call(NR_rt_sigtimedwait, (long)&all, 0, 0, sizeof all);
		if (signal == SIGINT) {
			say("Shutting down, got signal: Interrupt\n");
			end(0);
		} else if (signal == SIGTERM) {
			say("Shutting down, got signal: Terminated\n");
			end(0);
		} else if (signal == SIGCHLD) {
			reap();
		} else if (signal != -EINTR) {
			break;
		}
	}
	end(42);
	__builtin_unreachable();
}
