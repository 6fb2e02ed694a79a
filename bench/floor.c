/* floor: the least that a FastCGI pool of our shape can do: a constant answer from a file, head and
 * body.
 *
 *   floor SOCKET WORKERS THREADS ANSWER-FILE [DATABASE]
 *
 * WORKERS processes of THREADS threads share one Unix socket, each thread with a request of its
 * own, as in regcredd.  What regcredd does beyond this is what `make bench` measures.
 *
 * With a database that regcred made each request also stores a credential as regcredd does, but in
 * a transaction of its own: the same rows, disk, lock file and synchronous=FULL, one commit each.
 */
#include <fcgiapp.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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
static const char *database; /* NULL: nothing is stored */

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

/* The rows of a create, with the last registry and values of the usual length. */
static const char *const create[] = {
	"BEGIN IMMEDIATE",
	"INSERT INTO credential (uuid, kind, account_id, name, state, created, public_value, "
	"secret_value, registry_id, email) VALUES (printf('%012x', CAST((julianday('now') - "
	"2440587.5) "
	"* 86400000 AS INTEGER)) || lower(hex(randomblob(12))), "
	"'registryCredential', 5, 'bench', 'active', 1714979289000, 'user', randomblob(78), "
	"(SELECT max(id) FROM storage_pool), 'user@bench.example.test')",
	"INSERT INTO audit_log (id, created, account_id, actor_id, key_id, auth_type, client_ip, "
	"request_id, event_type, resource_type, resource_id, response_code, changes, attempts, "
	"previous_hash, hash) SELECT last_id + 1, 1714979289000, 5, 5, 1, 'key', '127.0.0.1', "
	"lower(hex(randomblob(16))), 'create', 'registryCredential', '1c' || (SELECT max(id) FROM "
	"credential), 201, '{\"accountId\":{\"new\":\"1a5\"},\"name\":{\"new\":\"bench\"},"
	"\"publicValue\":{\"new\":\"user\"},\"registryId\":{\"new\":\"1sp1\"},"
	"\"secretValue\":{\"secret\":true},\"email\":{\"new\":\"user@bench.example.test\"},"
	"\"state\":{\"new\":\"active\",\"passed\":[\"requested\",\"registering\",\"activating\"]}}'"
	", 1, "
	"last, randomblob(32) FROM audit_segment WHERE id = 1",
	"UPDATE audit_segment SET last_id = last_id + 1, last = (SELECT hash FROM audit_log ORDER "
	"BY id DESC LIMIT 1), mac = randomblob(32) WHERE id = 1",
	"COMMIT"};
enum { STEPS = sizeof(create) / sizeof(*create) };

/* What one thread stores with. */
struct writer {
	sqlite3 *db;
	sqlite3_stmt *steps[STEPS];
	int lock;
};

static void
writer_open(struct writer *w)
{
	static const char settings[] =
		"PRAGMA busy_timeout = 10000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
		"PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 2000";
	char name[512];

	(void)snprintf(name, sizeof(name), "%s.lock", database);
	w->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (w->lock < 0 ||
	    sqlite3_open_v2(database, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
		    SQLITE_OK ||
	    sqlite3_exec(w->db, settings, NULL, NULL, NULL) != SQLITE_OK)
		die(database);
	for (size_t i = 0; i < STEPS; i++)
		if (sqlite3_prepare_v2(w->db, create[i], -1, &w->steps[i], NULL) != SQLITE_OK)
			die(create[i]);
}

static bool
store(const struct writer *w)
{
	bool done = flock(w->lock, LOCK_EX) == 0;

	for (size_t i = 0; done && i < STEPS; i++) {
		done = sqlite3_step(w->steps[i]) == SQLITE_DONE;
		done = sqlite3_reset(w->steps[i]) == SQLITE_OK && done;
	}
	(void)flock(w->lock, LOCK_UN);
	return done;
}

static void *
serve(void *unused)
{
	static const char failed[] = "Status: 500 Failed\r\n\r\n";
	FCGX_Request request;
	struct writer writer = {.lock = -1};
	char body[4096];

	if (FCGX_InitRequest(&request, listener, 0) != 0)
		return unused;
	if (database != NULL)
		writer_open(&writer);
	while (FCGX_Accept_r(&request) == 0) {
		while (FCGX_GetStr(body, sizeof(body), request.in) == (int)sizeof(body))
			;
		if (database == NULL || store(&writer))
			FCGX_PutStr(answer, answer_len, request.out);
		else
			FCGX_PutStr(failed, sizeof(failed) - 1, request.out);
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
	if (argc != 5 && argc != 6) {
		fprintf(stderr, "usage: floor SOCKET WORKERS THREADS ANSWER-FILE [DATABASE]\n");
		return 1;
	}
	database = argv[5]; /* NULL without one */
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
