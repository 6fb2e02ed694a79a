/* terminal: asks the user questions. */
#include "client/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Signals that end or stop a program: the terminal must be restored before they take effect. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

enum { ENDING_COUNT = sizeof(ending) / sizeof(*ending) };

static volatile sig_atomic_t caught;

static void catch (int number)
{
	caught = number;
}

/* What is restored after a secret was typed. */
struct terminal {
	struct termios shown;
	struct sigaction actions[ENDING_COUNT];
	sigset_t mask;
};

/* From here on the signals are blocked, except in ppoll(), so that none is lost. */
static bool
terminal_hide(struct terminal *t)
{
	struct sigaction action = {.sa_handler = catch};
	sigset_t blocked;

	if (tcgetattr(STDIN_FILENO, &t->shown) != 0)
		return false;
	struct termios hidden = t->shown;
	caught = 0;
	(void)sigemptyset(&action.sa_mask);
	(void)sigemptyset(&blocked);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		(void)sigaddset(&blocked, ending[i]);
	(void)sigprocmask(SIG_BLOCK, &blocked, &t->mask);
	for (size_t i = 0; i < ENDING_COUNT; i++) {
		(void)sigaction(ending[i], &action, &t->actions[i]);
		if (t->actions[i].sa_handler == SIG_IGN) /* for example under nohup */
			(void)sigaction(ending[i], &t->actions[i], NULL);
	}
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	return tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
}

/* Restores the terminal; then pending signals take effect. */
static void
terminal_show(const struct terminal *t)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &t->shown);
	(void)fputc('\n', stderr);
	for (size_t i = 0; i < ENDING_COUNT; i++)
		(void)sigaction(ending[i], &t->actions[i], NULL);
	if (caught != 0)
		(void)raise(caught);
	(void)sigprocmask(SIG_SETMASK, &t->mask, NULL);
}

/* A terminal delivers a whole line at once, after it has been typed. */
static bool
terminal_read_line(const sigset_t *mask, char *out, size_t size)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	ssize_t n = -1;
	int ready;

	do
		ready = ppoll(&in, 1, NULL, mask);
	while (ready < 0 && errno == EINTR && caught == 0);
	if (ready == 1)
		n = read(STDIN_FILENO, out, size - 1);
	if (n <= 0)
		return false;
	out[n] = '\0';
	return true;
}

bool
terminal_ask(const char *question, bool secret, char *out, size_t size)
{
	struct terminal t;
	sigset_t mask;

	(void)sigprocmask(SIG_SETMASK, NULL, &mask);
	caught = 0;
	bool ok = !secret || terminal_hide(&t);
	if (ok) {
		(void)fputs(question, stderr);
		ok = terminal_read_line(secret ? &t.mask : &mask, out, size);
		if (secret) {
			terminal_show(&t);
			ok = ok && caught == 0;
		}
	}
	if (ok)
		out[strcspn(out, "\r\n")] = '\0';
	return ok && *out != '\0';
}
