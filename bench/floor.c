/* floor: the least that a FastCGI pool of our shape can do: a constant answer from a file, head and
 * body.
 *
 *   floor SOCKET WORKERS THREADS ANSWER-FILE
 *
 * WORKERS processes of THREADS threads share one Unix socket, each thread with a request of its
 * own, as in regcredd.  What regcredd does beyond this is what `make bench` measures.
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 1 << 20, BACKLOG = 1024, WORKERS_MAX = 64, THREADS_MAX = 256 };

static char answer[ANSWER_MAX];
static int answer_len;
static int listener;

static void __attribute__((noreturn)) die(const char *what)
{
	perror(what);
	exit(1);
}

static void
read_answer(const char *path)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL)
		die(path);
	answer_len = (int)fread(answer, 1, sizeof(answer), file);
	if (ferror(file) || !feof(file))
		die(path);
	fclose(file);
}

static int
listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "floor: no socket at %s\n", path);
		exit(1);
	}
	memcpy(address.sun_path, path, strlen(path));
	unlink(path);
	umask(0117);
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0)
		die(path);
	return fd;
}

static void *
serve(void *unused)
{
	FCGX_Request request;

	if (FCGX_InitRequest(&request, listener, 0) != 0)
		return unused;
	while (FCGX_Accept_r(&request) == 0) {
		FCGX_PutStr(answer, answer_len, request.out);
		FCGX_Finish_r(&request);
	}
	return unused;
}

static void __attribute__((noreturn)) work(long threads)
{
	pthread_t ids[THREADS_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (FCGX_Init() != 0)
		exit(1);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, serve, NULL) != 0)
			exit(1);
	for (long i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	exit(0);
}

static long
number(const char *text, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end != '\0' || n < 1 || n > max) {
		fprintf(stderr, "floor: %s is not a number from 1 to %ld\n", text, max);
		exit(1);
	}
	return n;
}

int
main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: floor SOCKET WORKERS THREADS ANSWER-FILE\n");
		return 1;
	}
	long workers = number(argv[2], WORKERS_MAX);
	long threads = number(argv[3], THREADS_MAX);

	read_answer(argv[4]);
	listener = listen_at(argv[1]);
	for (long i = 0; i < workers; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (pid == 0)
			work(threads);
	}
	while (wait(NULL) > 0)
		;
	return 1; /* workers end only when they fail or are killed with us */
}
