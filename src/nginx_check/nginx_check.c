/* nginx_check: an nginx configuration, read as nginx reads it, against a table of rules.
 *
 *   file ─► tokens ─► tree of directives ─► sites: where requests go to regcred ─► rules ─► lines
 *                     (includes in place)
 *
 * The table near the end is the list of what is looked for; the functions above it answer the
 * questions that more than one row asks.
 */
#include "nginx_check/nginx_check.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/arena.h"

enum {
	ARENA_MAX = 128 * 1024 * 1024,	  /* long lists of addresses take most of it */
	FILE_SIZE_MAX = 32 * 1024 * 1024, /* one file */
	BLOCK_DEPTH_MAX = 64,		  /* blocks in blocks; real ones have five or six */
	INCLUDE_DEPTH_MAX = 16,		  /* files in files; real ones have three or four */
	TRACE_MAX = 256,		  /* values that one value is made from */
	TARGET_MIN = 16 * 1024,		  /* bytes of a URL that a client should be able to send */
	HEADERS_MAX = 64 * 1024,	  /* FastCGI's limit for all parameters together */
	BODY_DEFAULT = 1024 * 1024,	  /* nginx's own client_max_body_size */
	BUFFER_DEFAULT = 16 * 1024,	  /* nginx's own client_body_buffer_size */
	LINE_DEFAULT = 8 * 1024,	  /* nginx's own large_client_header_buffers */
};

/* What stands at nginx's own configuration, from where its includes are named. */
static const char nginx_dir[] = "/etc/nginx";

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

/* --- The tree. */

/* A directive, with the directives in its block.  What is included hangs behind its `include`, on
 * the same level. */
struct node {
	struct node *parent, *next, *children, *last_child;
	const char *file;
	const char **words; /* words[0] is the name; NULL stands behind the last one */
	size_t word_count, word_room;
	unsigned line;
	int error; /* of an include: why its file could not be read */
};

/* A file that is being read, and the one that includes it. */
struct source {
	const struct source *from;
	const char *path;
	const char *at, *end;
	unsigned line, depth;
	dev_t device;
	ino_t inode;
};

struct parser {
	struct arena *arena;
	const char *prefix; /* where relative includes begin; "" is the working directory */
	char *why;
	size_t why_size;
};

enum token { T_WORD, T_OPEN, T_CLOSE, T_END, T_EOF, T_BAD };

static bool __attribute__((format(printf, 2, 3)))
fail(const struct parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(p->why, p->why_size, format, args);
	va_end(args);
	return false;
}

static bool
fail_at(const struct parser *p, const struct source *s, const char *text)
{
	return fail(p, "%s:%u: %s", s->path, s->line, text);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char
take(struct source *s)
{
	if (*s->at == '\n')
		s->line++;
	return *s->at++;
}

static void
skip_blanks(struct source *s)
{
	while (s->at < s->end) {
		if (*s->at == '#')
			while (s->at < s->end && *s->at != '\n')
				s->at++;
		else if (is_blank(*s->at))
			(void)take(s);
		else
			return;
	}
}

/* A copy without escapes.  nginx knows these six and leaves any other backslash in place. */
static const char *
unescaped(struct arena *a, const char *from, const char *end)
{
	static const char names[] = "\"'\\trn", values[] = "\"'\\\t\r\n";
	char *word = arena_alloc(a, (size_t)(end - from) + 1), *to = word;

	while (word != NULL && from < end) {
		const char *name = NULL;

		if (*from == '\\' && from + 1 < end && from[1] != '\0')
			name = strchr(names, from[1]);
		*to++ = name != NULL ? values[name - names] : *from;
		from += name != NULL ? 2 : 1;
	}
	return word;
}

/* From behind the opening quote; nginx wants a gap behind the closing one. */
static enum token
quoted_word(struct parser *p, struct source *s, char quote, const char **word)
{
	const char *begin = s->at;
	unsigned line = s->line;

	while (s->at < s->end && *s->at != quote)
		if (take(s) == '\\' && s->at < s->end)
			(void)take(s);
	if (s->at == s->end) {
		(void)fail(p, "%s:%u: the quote that begins here is not closed", s->path, line);
		return T_BAD;
	}
	*word = unescaped(p->arena, begin, s->at);
	s->at++;
	if (s->at < s->end && !is_blank(*s->at) && strchr(";{)", *s->at) == NULL) {
		(void)fail_at(p, s, "a space or ; is missing behind a quote");
		return T_BAD;
	}
	return T_WORD;
}

static enum token
plain_word(struct parser *p, struct source *s, const char **word)
{
	const char *begin = s->at;

	while (s->at < s->end && !is_blank(*s->at) && *s->at != ';' && *s->at != '{') {
		char c = take(s);

		/* ${name} is no block. */
		if (c == '\\' ? s->at < s->end : c == '$' && s->at < s->end && *s->at == '{')
			(void)take(s);
	}
	*word = unescaped(p->arena, begin, s->at);
	return T_WORD;
}

static enum token
next_token(struct parser *p, struct source *s, const char **word)
{
	skip_blanks(s);
	if (s->at == s->end)
		return T_EOF;
	switch (*s->at) {
	case ';':
		s->at++;
		return T_END;
	case '{':
		s->at++;
		return T_OPEN;
	case '}':
		s->at++;
		return T_CLOSE;
	case '"':
	case '\'':
		return quoted_word(p, s, *s->at++, word);
	default:
		return plain_word(p, s, word);
	}
}

static struct node *
node_new(struct parser *p, const struct source *s, struct node *parent)
{
	struct node *n = arena_alloc(p->arena, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->parent = parent;
	n->file = s->path;
	n->line = s->line;
	return n;
}

static bool
add_word(struct arena *a, struct node *n, const char *word)
{
	if (n->word_count + 1 >= n->word_room) {
		size_t room = n->word_room == 0 ? 4 : 2 * n->word_room;
		const char **words = arena_array(a, room, sizeof(*words));

		if (words == NULL)
			return false;
		if (n->word_count > 0)
			memcpy(words, n->words, n->word_count * sizeof(*words));
		n->words = words;
		n->word_room = room;
	}
	n->words[n->word_count++] = word;
	return word != NULL;
}

static void
append(struct node *n)
{
	struct node *parent = n->parent;

	if (parent->last_child == NULL)
		parent->children = n;
	else
		parent->last_child->next = n;
	parent->last_child = n;
}

/* The name and the words behind it, up to `;` or `{`.  T_CLOSE and T_EOF come without a directive.
 */
static enum token
read_directive(struct parser *p, struct source *s, struct node *parent, struct node **directive)
{
	const char *word = NULL;
	struct node *n;
	enum token t;

	skip_blanks(s);
	*directive = n = node_new(p, s, parent);
	while (n != NULL && (t = next_token(p, s, &word)) == T_WORD)
		if (!add_word(p->arena, n, word))
			n = NULL;
	if (n == NULL) {
		(void)fail(p, "%s: the configuration is too large to be checked", s->path);
		return T_BAD;
	}
	if (n->word_count == 0 && (t == T_END || t == T_OPEN)) {
		(void)fail_at(p, s, "a directive is missing in front of this ; or {");
		return T_BAD;
	}
	if (n->word_count > 0 && (t == T_CLOSE || t == T_EOF)) {
		(void)fail(p, "%s:%u: \"%.60s\" does not end with ; or {", s->path, n->line,
			   n->words[0]);
		return T_BAD;
	}
	return t;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool
begins_with(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

/* A string or comment of Lua, in which braces do not count; false if none begins here. */
static bool
skip_lua_text(struct source *s)
{
	char quote = *s->at;

	if (quote == '-' && s->end - s->at > 1 && s->at[1] == '-') {
		while (s->at < s->end && *s->at != '\n')
			s->at++;
		return true;
	}
	if (quote != '"' && quote != '\'')
		return false;
	(void)take(s);
	while (s->at < s->end && *s->at != quote && *s->at != '\n')
		if (take(s) == '\\' && s->at < s->end)
			(void)take(s);
	if (s->at < s->end)
		(void)take(s);
	return true;
}

/* What stands in a ..._by_lua_block is a program, up to the brace that closes it. */
static bool
skip_lua(struct parser *p, struct source *s)
{
	unsigned open = 1;

	while (s->at < s->end) {
		if (skip_lua_text(s))
			continue;
		char c = take(s);
		open = c == '{' ? open + 1 : c == '}' ? open - 1 : open;
		if (open == 0)
			return true;
	}
	return fail_at(p, s, "a block of Lua is not closed");
}

static bool parse_include(struct parser *p, struct source *s, struct node *include);

/* Up to the end of the block or, outside of all blocks of this file, of the file. */
static bool
parse_block(struct parser *p, struct source *s, struct node *block, unsigned depth)
{
	unsigned opened = s->line;
	struct node *n;

	if (depth > BLOCK_DEPTH_MAX)
		return fail_at(p, s, "blocks are nested too deeply");
	for (;;) {
		enum token t = read_directive(p, s, block, &n);

		if (t == T_BAD)
			return false;
		if (t == T_EOF && depth > 0)
			return fail(p, "%s:%u: the block that begins here is not closed", s->path,
				    opened);
		if (t == T_CLOSE && depth == 0)
			return fail_at(p, s, "this } closes no block");
		if (t == T_CLOSE || t == T_EOF)
			return true;
		append(n);
		if (t == T_OPEN && ends_with(n->words[0], "_by_lua_block")) {
			if (!skip_lua(p, s))
				return false;
		} else if (t == T_OPEN) {
			if (!parse_block(p, s, n, depth + 1))
				return false;
		} else if (strcmp(n->words[0], "include") == 0 && n->word_count == 2) {
			if (!parse_include(p, s, n))
				return false;
		}
	}
}

/* The whole file, NUL behind it; NULL and errno if it cannot be had. */
static char *
read_all(struct arena *a, FILE *f, size_t size)
{
	char *text = arena_alloc(a, size + 1);

	errno = ENOMEM;
	if (text == NULL)
		return NULL;
	errno = EIO; /* what a file is that has become shorter meanwhile */
	return fread(text, 1, size, f) == size ? text : NULL;
}

/* Fills path, text and file identity of *s; 0, or an errno. */
static int
open_source(struct parser *p, const char *path, struct source *s)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	char *text = NULL;
	int rc = 0;

	if (f == NULL)
		return errno;
	if (fstat(fileno(f), &st) != 0)
		rc = errno;
	else if (!S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	else if (st.st_size > FILE_SIZE_MAX)
		rc = EFBIG;
	else if ((text = read_all(p->arena, f, (size_t)st.st_size)) == NULL)
		rc = errno;
	(void)fclose(f);
	if (rc != 0)
		return rc;
	s->path = path;
	s->at = text;
	s->end = text + st.st_size;
	s->line = 1;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return 0;
}

static bool
includes_itself(const struct source *s)
{
	for (const struct source *o = s->from; o != NULL; o = o->from)
		if (o->device == s->device && o->inode == s->inode)
			return true;
	return false;
}

/* An included file that cannot be read is left to the rules, for the rest may still be judged. */
static bool
parse_file(struct parser *p, const struct source *from, const char *path, struct node *include)
{
	struct source s = {.from = from, .depth = from->depth + 1};

	include->error = open_source(p, path, &s);
	if (include->error != 0)
		return true;
	if (includes_itself(&s))
		return fail(p, "%s:%u: this include leads back to %s", include->file, include->line,
			    path);
	if (s.depth > INCLUDE_DEPTH_MAX)
		return fail(p, "%s:%u: includes are nested too deeply", include->file,
			    include->line);
	return parse_block(p, &s, include->parent, 0);
}

/* One node for each file of a pattern, so that each can be found by its name. */
static bool
parse_glob(struct parser *p, struct source *s, struct node *include, const char *pattern)
{
	glob_t found = {0};
	bool ok = true;

	if (glob(pattern, 0, NULL, &found) != 0)
		found.gl_pathc = 0; /* nginx takes none for enough, too */
	for (size_t i = 0; ok && i < found.gl_pathc; i++) {
		struct node *n = node_new(p, s, include->parent);
		const char *path = arena_strdup(p->arena, found.gl_pathv[i]);

		ok = n != NULL && path != NULL && add_word(p->arena, n, "include") &&
		     add_word(p->arena, n, path);
		if (!ok) {
			(void)fail_at(p, s, "the configuration is too large to be checked");
			break;
		}
		n->line = include->line;
		append(n);
		ok = parse_file(p, s, path, n);
	}
	globfree(&found);
	return ok;
}

static bool
parse_include(struct parser *p, struct source *s, struct node *include)
{
	const char *path = include->words[1];

	if (path[0] != '/' && p->prefix[0] != '\0')
		path = arena_printf(p->arena, "%s/%s", p->prefix, path);
	if (path == NULL)
		return fail_at(p, s, "the configuration is too large to be checked");
	if (strpbrk(path, "*?[") != NULL)
		return parse_glob(p, s, include, path);
	include->words[1] = path;
	return parse_file(p, s, path, include);
}

/* The directory of the configuration; nginx's own for whatever lies below that, as sites do. */
static const char *
find_prefix(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dir = slash == NULL ? "" : arena_copy(a, path, (size_t)(slash - path));
	char *real = realpath(slash == NULL ? "." : slash == path ? "/" : dir, NULL);
	bool below =
		real != NULL && begins_with(real, nginx_dir) && real[sizeof(nginx_dir) - 1] == '/';

	free(real);
	return below ? nginx_dir : slash == path ? "/" : dir;
}

static struct node *
parse(struct parser *p, const char *path)
{
	struct node *root = arena_alloc(p->arena, sizeof(*root));
	struct source s = {0};
	int rc;

	path = arena_strdup(p->arena, path);
	if (root == NULL || path == NULL || !add_word(p->arena, root, "")) {
		(void)fail(p, "no memory");
		return NULL;
	}
	root->file = path;
	root->line = 1;
	p->prefix = find_prefix(p->arena, path);
	rc = p->prefix == NULL ? ENOMEM : open_source(p, path, &s);
	if (rc != 0) {
		(void)fail(p, "%s cannot be read: %s", path, strerror(rc));
		return NULL;
	}
	return parse_block(p, &s, root, 0) ? root : NULL;
}

/* --- Questions about the tree. */

static bool
named(const struct node *n, const char *name)
{
	return strcmp(n->words[0], name) == 0;
}

/* The i-th word behind the name; "" if there are fewer. */
static const char *
word(const struct node *n, size_t i)
{
	return i < n->word_count ? n->words[i] : "";
}

static const char *
last_word(const struct node *n)
{
	return n->words[n->word_count - 1];
}

/* The node behind n in the order of the text, up to the end of what stands in top. */
static const struct node *
following(const struct node *top, const struct node *n)
{
	if (n->children != NULL)
		return n->children;
	while (n != top && n->next == NULL)
		n = n->parent;
	return n == top ? NULL : n->next;
}

/* The first directive of that name from n on, on n's level. */
static const struct node *
next_named(const struct node *n, const char *name)
{
	while (n != NULL && !named(n, name))
		n = n->next;
	return n;
}

static const struct node *
own(const struct node *block, const char *name)
{
	return next_named(block->children, name);
}

/* The nearest block around that says something of that name: it replaces all that stands further
 * out, which is how nginx inherits. */
static const struct node *
level_of(const struct node *block, const char *name)
{
	while (block != NULL && own(block, name) == NULL)
		block = block->parent;
	return block;
}

static const struct node *
effective(const struct node *block, const char *name)
{
	const struct node *level = level_of(block, name);

	return level == NULL ? NULL : own(level, name);
}

static bool
is_off(const struct node *directive)
{
	return strcasecmp(word(directive, 1), "off") == 0;
}

static const struct node *
enclosing(const struct node *n, const char *name)
{
	while (n != NULL && !named(n, name))
		n = n->parent;
	return n;
}

static bool
lies_in(const struct node *n, const struct node *block)
{
	while (n != NULL && n != block)
		n = n->parent;
	return n != NULL;
}

/* An include of a file of that name, directly in the block. */
static const struct node *
included(const struct node *block, const char *file)
{
	for (const struct node *n = own(block, "include"); n != NULL;
	     n = next_named(n->next, "include")) {
		const char *path = word(n, 1), *slash = strrchr(path, '/');

		if (strcmp(slash == NULL ? path : slash + 1, file) == 0)
			return n;
	}
	return NULL;
}

/* "64k" in bytes. */
static bool
parse_size(const char *text, uint64_t *bytes)
{
	unsigned shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (*end == 'k' || *end == 'K')
		shift = 10;
	else if (*end == 'm' || *end == 'M')
		shift = 20;
	else if (*end == 'g' || *end == 'G')
		shift = 30;
	if (errno != 0 || end[shift != 0] != '\0' || *bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

/* The i-th word as a size, or what nginx takes without it. */
static uint64_t
size_or(const struct node *directive, size_t i, uint64_t otherwise)
{
	uint64_t bytes;

	return directive != NULL && parse_size(word(directive, i), &bytes) ? bytes : otherwise;
}

/* --- Sites. */

enum severity { WARNING, PROBLEM };

struct finding {
	struct finding *next;
	const struct rule *rule;
	const char *file, *detail;
	unsigned line;
};

struct check {
	struct arena *arena;
	const struct node *root;
	size_t body_max;
	FILE *out;
	struct nginx_report *report;
	struct finding *findings; /* so that none is printed twice */
	size_t pass_count;	  /* of all fastcgi_pass */
};

/* A location whose requests go to regcred, or a block in it that says something else. */
struct site {
	struct check *check;
	const struct node *block;
	const struct node *pass;     /* its fastcgi_pass, which may stand in the location around */
	const struct node *server;   /* NULL in a part of a configuration */
	const struct node *upstream; /* NULL if a socket is named directly */
	const struct node *params;   /* the block whose fastcgi_params count; NULL if none does */
};

struct rule {
	const char *name;
	enum severity severity;
	void (*look)(const struct site *site, const struct rule *rule);
	const char *directive, *value; /* what look asks for, where one function serves many rows */
	const char *text;	       /* {} stands for the detail */
};

static bool
is_known(const struct check *c, const struct rule *rule, const struct node *at, const char *detail)
{
	for (const struct finding *f = c->findings; f != NULL; f = f->next)
		if (f->rule == rule && f->line == at->line && strcmp(f->file, at->file) == 0 &&
		    strcmp(f->detail, detail) == 0)
			return true;
	return false;
}

/* Words of a configuration, on one line. */
static void
print_plain(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		(void)fputc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

static void
print_finding(const struct check *c, const struct finding *f)
{
	const char *text = f->rule->text, *gap = strstr(text, "{}");

	(void)fprintf(c->out, "%s:%u: %s: ", f->file, f->line,
		      f->rule->severity == PROBLEM ? "problem" : "warning");
	if (gap != NULL) {
		(void)fprintf(c->out, "%.*s", (int)(gap - text), text);
		print_plain(c->out, f->detail);
		text = gap + 2;
	}
	(void)fprintf(c->out, "%s [%s]\n", text, f->rule->name);
}

static void
found(const struct site *site, const struct rule *rule, const struct node *at, const char *detail)
{
	struct check *c = site->check;
	struct finding *f;

	if (detail == NULL || is_known(c, rule, at, detail))
		return;
	f = arena_alloc(c->arena, sizeof(*f));
	if (f == NULL)
		return; /* the end of the check asks the arena */
	*f = (struct finding){c->findings, rule, at->file, detail, at->line};
	c->findings = f;
	if (rule->severity == PROBLEM)
		c->report->problems++;
	else
		c->report->warnings++;
	print_finding(c, f);
}

/* `if` and `limit_except` are locations without a name: they take fastcgi_pass from around them. */
static const struct node *
pass_of(const struct node *block)
{
	const struct node *pass = NULL;

	while (block != NULL && (pass = own(block, "fastcgi_pass")) == NULL &&
	       (named(block, "if") || named(block, "limit_except")))
		block = block->parent;
	return pass;
}

static const struct node *
find_upstream(const struct check *c, const char *name)
{
	for (const struct node *n = c->root; n != NULL; n = following(c->root, n))
		if (named(n, "upstream") && strcmp(word(n, 1), name) == 0)
			return n;
	return NULL;
}

static bool
upstream_names_regcred(const struct node *upstream)
{
	for (const struct node *n = upstream == NULL ? NULL : own(upstream, "server"); n != NULL;
	     n = next_named(n->next, "server"))
		if (strstr(word(n, 1), "regcred") != NULL)
			return true;
	return false;
}

static bool
leads_to_regcred(const struct site *site)
{
	return strstr(word(site->pass, 1), "regcred") != NULL ||
	       upstream_names_regcred(site->upstream) ||
	       included(site->block, "regcred_params") != NULL ||
	       (site->params != NULL && included(site->params, "regcred_params") != NULL) ||
	       site->check->pass_count == 1;
}

/* False if the block passes nothing to regcred. */
static bool
make_site(struct check *c, const struct node *block, struct site *site)
{
	if (!named(block, "location") && !named(block, "if") && !named(block, "limit_except"))
		return false;
	*site = (struct site){.check = c, .block = block, .pass = pass_of(block)};
	if (site->pass == NULL)
		return false;
	site->server = enclosing(block, "server");
	site->upstream = find_upstream(c, word(site->pass, 1));
	site->params = level_of(block, "fastcgi_param");
	return leads_to_regcred(site);
}

/* --- Parameters, and where their values come from. */

/* The next line behind n, or the first, that gives the parameter a value: regcred takes an empty
 * one for absent. */
static const struct node *
next_param(const struct site *site, const struct node *n, const char *name)
{
	if (site->params == NULL)
		return NULL;
	n = next_named(n == NULL ? site->params->children : n->next, "fastcgi_param");
	for (; n != NULL; n = next_named(n->next, "fastcgi_param"))
		if (strcmp(word(n, 1), name) == 0 && word(n, 2)[0] != '\0')
			return n;
	return NULL;
}

/* The last line counts, as in regcred. */
static const struct node *
param(const struct site *site, const char *name)
{
	const struct node *last = NULL;

	for (const struct node *n = NULL; (n = next_param(site, n, name)) != NULL;)
		last = n;
	return last;
}

static bool
is_name(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

/* The name of the next variable in *text, which moves behind it; NULL if there is none, and if
 * there is no memory. */
static const char *
next_variable(struct arena *a, const char **text)
{
	for (const char *at = strchr(*text, '$'); at != NULL; at = strchr(at, '$')) {
		const char *begin = at + 1 + (at[1] == '{'), *end = begin;

		while (is_name(*end))
			end++;
		at = *text = end;
		if (end > begin)
			return arena_copy(a, begin, (size_t)(end - begin));
	}
	return NULL;
}

/* Texts that a value is made from: itself, and what its variables were set to. */
struct trace {
	const struct site *site;
	const struct node *block;
	bool keys; /* also what a map looks at, not only what it gives */
	size_t count;
	struct {
		const struct node *at;
		const char *text;
	} from[TRACE_MAX];
};

static void trace_variable(struct trace *t, const char *name);

static void
trace_text(struct trace *t, const struct node *at, const char *text)
{
	const char *name;

	for (size_t i = 0; i < t->count; i++)
		if (t->from[i].text == text)
			return;
	if (t->count == TRACE_MAX)
		return;
	t->from[t->count].at = at;
	t->from[t->count++].text = text;
	while ((name = next_variable(t->site->check->arena, &text)) != NULL)
		trace_variable(t, name);
}

/* map SOURCE $name { key value; }, and geo and split_clients, which look the same. */
static void
trace_map(struct trace *t, const struct node *map)
{
	if (t->keys && map->word_count > 2)
		trace_text(t, map, word(map, 1));
	for (const struct node *n = map->children; n != NULL; n = n->next)
		if (n->word_count == 2 && !named(n, "include"))
			trace_text(t, n, word(n, 1));
}

/* nginx does not tell $A from $a. */
static bool
is_variable(const char *text, const char *name)
{
	return text[0] == '$' && strcasecmp(text + 1, name) == 0;
}

/* `set` counts in the blocks around a location and in their `if`s; auth_request_set is inherited.
 */
static bool
is_in_reach(const struct trace *t, const struct node *n)
{
	const struct node *block = n->parent;

	if (named(n, "auth_request_set"))
		return block == level_of(t->block, "auth_request_set");
	return lies_in(t->block, named(block, "if") ? block->parent : block);
}

static bool
is_map(const struct node *n)
{
	return named(n, "map") || named(n, "geo") || named(n, "split_clients");
}

static bool
is_set(const struct node *n)
{
	return named(n, "set") || named(n, "auth_request_set");
}

static void
trace_variable(struct trace *t, const char *name)
{
	const struct node *root = t->site->check->root;

	for (const struct node *n = root; n != NULL; n = following(root, n)) {
		if (is_map(n) && is_variable(last_word(n), name))
			trace_map(t, n);
		else if (is_set(n) && is_variable(word(n, 1), name) && is_in_reach(t, n))
			trace_text(t, n, word(n, 2));
	}
}

static void
trace_start(struct trace *t, const struct site *site, const struct node *at, const char *text)
{
	t->site = site;
	t->block = site->block;
	t->keys = true;
	t->count = 0;
	trace_text(t, at, text);
}

/* The first variable of a text whose name, or the beginning of whose name before a *, is in the
 * list; NULL if none is. */
static const char *
variable_among(struct arena *a, const char *text, const char *const *list)
{
	const char *name;

	while ((name = next_variable(a, &text)) != NULL)
		for (const char *const *l = list; *l != NULL; l++) {
			size_t len = strcspn(*l, "*");

			if (strncasecmp(name, *l, len) == 0 &&
			    ((*l)[len] == '*' || name[len] == '\0'))
				return name;
		}
	return NULL;
}

/* --- Looks that serve many rows. */

static void
look_is(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, rule->directive);

	if (n != NULL && strcasecmp(word(n, 1), rule->value) == 0)
		found(site, rule, n, "");
}

static void
look_is_not(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, rule->directive);

	if (n != NULL && strcasecmp(word(n, 1), rule->value) != 0)
		found(site, rule, n, word(n, 1));
}

static bool
has_word(const struct node *n, const char *text)
{
	for (size_t i = 1; i < n->word_count; i++)
		if (strcmp(n->words[i], text) == 0)
			return true;
	return false;
}

static void
look_has_word(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, rule->directive);

	if (n != NULL && has_word(n, rule->value))
		found(site, rule, n, "");
}

static void
look_param_set(const struct site *site, const struct rule *rule)
{
	const struct node *n = param(site, rule->directive);

	if (n != NULL)
		found(site, rule, n, word(n, 2));
}

/* Without any of them look_params_none speaks. */
static void
look_param_missing(const struct site *site, const struct rule *rule)
{
	if (site->params != NULL && param(site, rule->directive) == NULL)
		found(site, rule, site->pass, "");
}

static void
look_param_is_not(const struct site *site, const struct rule *rule)
{
	const struct node *n = param(site, rule->directive);

	if (n != NULL && strcmp(word(n, 2), rule->value) != 0)
		found(site, rule, n, word(n, 2));
}

static void
look_param_twice(const struct site *site, const struct rule *rule)
{
	const struct node *first = next_param(site, NULL, rule->directive);
	const struct node *second = first == NULL ? NULL : next_param(site, first, rule->directive);

	if (second != NULL)
		found(site, rule, second, "");
}

static void
look_params_none(const struct site *site, const struct rule *rule)
{
	if (site->params == NULL)
		found(site, rule, site->pass, "");
}

/* nginx's own parameter file, on the level that counts. */
static void
look_params_file(const struct site *site, const struct rule *rule)
{
	const struct node *n =
		site->params == NULL ? NULL : included(site->params, rule->directive);

	if (n != NULL)
		found(site, rule, n, "");
}

/* --- The way to regcred. */

/* With http {} we see all upstreams that there are. */
static void
look_upstream_missing(const struct site *site, const struct rule *rule)
{
	const char *target = word(site->pass, 1);

	if (site->upstream == NULL && enclosing(site->block, "http") != NULL &&
	    strpbrk(target, ":$") == NULL)
		found(site, rule, site->pass, target);
}

static void
look_upstream_has(const struct site *site, const struct rule *rule)
{
	const struct node *n = site->upstream == NULL ? NULL : own(site->upstream, rule->directive);

	if (n != NULL && strcmp(word(n, 1), "0") != 0)
		found(site, rule, n, "");
}

/* nginx's default is `error timeout`, which sends PUT and DELETE again if there is another server.
 * The value has a row of its own. */
static void
look_next_upstream(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, rule->directive);

	if (n == NULL || !(is_off(n) || has_word(n, rule->value)))
		found(site, rule, n == NULL ? site->pass : n, "");
}

/* --- Bodies and answers. */

static const char *
body_max(const struct site *site)
{
	size_t max = site->check->body_max;
	bool whole = max % 1024 == 0;

	return arena_printf(site->check->arena, "%zu%s", whole ? max / 1024 : max,
			    whole ? "k" : "");
}

static void
look_body_smaller(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "client_max_body_size");
	uint64_t max = size_or(n, 1, BODY_DEFAULT);

	if (max != 0 && max < site->check->body_max)
		found(site, rule, n == NULL ? site->pass : n, body_max(site));
}

static void
look_body_larger(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "client_max_body_size");
	uint64_t max = size_or(n, 1, BODY_DEFAULT);

	if (max == 0 || max > site->check->body_max)
		found(site, rule, n == NULL ? site->pass : n, body_max(site));
}

static bool
buffer_holds(const struct site *site, unsigned times)
{
	uint64_t max = size_or(effective(site->block, "client_max_body_size"), 1, BODY_DEFAULT);
	uint64_t buffer =
		size_or(effective(site->block, "client_body_buffer_size"), 1, BUFFER_DEFAULT);

	return max != 0 && max <= buffer / times;
}

static void
look_buffer_smaller(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "client_body_buffer_size");

	if (!buffer_holds(site, 1))
		found(site, rule, n == NULL ? site->pass : n, "");
}

static void
look_buffer_tight(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "client_body_buffer_size");

	if (n != NULL && buffer_holds(site, 1) && !buffer_holds(site, 2))
		found(site, rule, n, "");
}

static void
look_answer_file(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "fastcgi_max_temp_file_size");
	const struct node *buffering = effective(site->block, "fastcgi_buffering");

	if (buffering != NULL && is_off(buffering))
		return;
	if (size_or(n, 1, 1) != 0)
		found(site, rule, n == NULL ? site->pass : n, "");
}

/* --- Error pages. */

static const char *const error_codes[] = {"413", "502", "503", "504"};

/* The error_page of the level that counts which names the code. */
static const struct node *
error_page(const struct site *site, const char *code)
{
	const struct node *level = level_of(site->block, "error_page");
	const struct node *n = level == NULL ? NULL : own(level, "error_page");

	for (; n != NULL; n = next_named(n->next, "error_page"))
		for (size_t i = 1; i + 1 < n->word_count; i++)
			if (strcmp(n->words[i], code) == 0)
				return n;
	return NULL;
}

/* The location that has this very name, in the same server. */
static const struct node *
find_location(const struct site *site, const char *name)
{
	const struct node *top = site->server == NULL ? site->check->root : site->server;

	for (const struct node *n = top; n != NULL; n = following(top, n))
		if (named(n, "location") && strcmp(last_word(n), name) == 0)
			return n;
	return NULL;
}

static void
look_error_missing(const struct site *site, const struct rule *rule)
{
	const char *missing = "";

	for (size_t i = 0; missing != NULL && i < COUNT_OF(error_codes); i++)
		if (error_page(site, error_codes[i]) == NULL)
			missing = arena_printf(site->check->arena, "%s%s%s", missing,
					       missing[0] == '\0' ? "" : ", ", error_codes[i]);
	if (missing != NULL && missing[0] != '\0')
		found(site, rule, site->pass, missing);
}

/* "/errors/502.html", but not "/.regcred-error". */
static bool
names_file(const char *target)
{
	const char *name = strrchr(target, '/');

	return name != NULL && name[1] != '\0' && strchr(name + 2, '.') != NULL;
}

/* A location for the directory that the target lies in. */
static bool
lies_below_location(const struct site *site, const char *target)
{
	for (const struct node *n = site->server; n != NULL; n = following(site->server, n))
		if (named(n, "location") && strlen(last_word(n)) > 1 &&
		    begins_with(target, last_word(n)))
			return true;
	return false;
}

/* A page in a file needs no location of its own, and a variable may lead anywhere. */
static void
look_error_lost(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; site->server != NULL && i < COUNT_OF(error_codes); i++) {
		const struct node *n = error_page(site, error_codes[i]);
		const char *target = n == NULL ? "" : last_word(n);

		if ((target[0] == '/' || target[0] == '@') && strchr(target, '$') == NULL &&
		    !names_file(target) && !lies_below_location(site, target))
			found(site, rule, n, target);
	}
}

/* What another program answers is not ours to judge. */
static bool
answers_json(const struct site *site, const char *target)
{
	const struct node *location = find_location(site, target), *type;

	if (target[0] != '/' && target[0] != '@')
		return strchr(target, '$') != NULL;
	if (ends_with(target, ".html") || ends_with(target, ".htm"))
		return false;
	if (location == NULL || ends_with(target, ".json") || strchr(target, '$') != NULL)
		return true;
	if (own(location, "fastcgi_pass") != NULL || own(location, "proxy_pass") != NULL)
		return true;
	type = effective(location, "default_type");
	return type != NULL && strstr(word(type, 1), "json") != NULL;
}

static void
look_error_not_json(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(error_codes); i++) {
		const struct node *n = error_page(site, error_codes[i]);

		if (n != NULL && !answers_json(site, last_word(n)))
			found(site, rule, n, last_word(n));
	}
}

/* --- Logs. */

/* Where secrets are: in the query, in the headers that hold keys, in bodies; and in a Referer,
 * which is the URL of another request. */
// clang-format off
static const char *const telling_variables[] = {
	"request", "request_uri", "request_body", "args", "arg_*", "query_string", "cookie_*",
	"http_authorization", "http_cookie", "http_referer", "http_x_api_key", NULL
};
// clang-format on

static const struct node *
find_format(const struct check *c, const char *name)
{
	for (const struct node *n = c->root; n != NULL; n = following(c->root, n))
		if (named(n, "log_format") && strcmp(word(n, 1), name) == 0)
			return n;
	return NULL;
}

/* The name of a variable that a log format writes and should not; NULL if there is none. */
static const char *
telling_variable(const struct site *site, const struct node *block, const struct node *format)
{
	struct arena *a = site->check->arena;
	struct trace t = {.site = site, .block = block};
	const char *name = NULL;

	for (size_t i = 2; i < format->word_count; i++)
		trace_text(&t, format, format->words[i]);
	for (size_t i = 0; name == NULL && i < t.count; i++)
		name = variable_among(a, t.from[i].text, telling_variables);
	return name;
}

static const char *
format_name(const struct node *log)
{
	return log->word_count > 2 ? log->words[2] : "combined";
}

static void
look_at_log(const struct site *site, const struct rule *rule, const struct node *block,
	    const struct node *log)
{
	const char *name = format_name(log), *variable = "request";
	const struct node *format = find_format(site->check, name);

	if (is_off(log) || (format == NULL && strcmp(name, "combined") != 0))
		return;
	if (format != NULL)
		variable = telling_variable(site, block, format);
	if (variable != NULL)
		found(site, rule, log,
		      arena_printf(site->check->arena, "\"%s\" writes $%s", name, variable));
}

static void
look_at_logs(const struct site *site, const struct rule *rule, const struct node *block)
{
	const struct node *level = level_of(block, "access_log");

	for (const struct node *n = level == NULL ? NULL : own(level, "access_log"); n != NULL;
	     n = next_named(n->next, "access_log"))
		look_at_log(site, rule, block, n);
}

/* The location that answers writes the log, so error pages count too. */
static void
look_log_secret(const struct site *site, const struct rule *rule)
{
	look_at_logs(site, rule, site->block);
	for (size_t i = 0; i < COUNT_OF(error_codes); i++) {
		const struct node *n = error_page(site, error_codes[i]);
		const struct node *location = n == NULL ? NULL : find_location(site, last_word(n));

		if (location != NULL)
			look_at_logs(site, rule, location);
	}
}

static void
look_log_default(const struct site *site, const struct rule *rule)
{
	if (level_of(site->block, "access_log") == NULL)
		found(site, rule, site->pass, "");
}

static void
look_log_unknown(const struct site *site, const struct rule *rule)
{
	const struct node *level = level_of(site->block, "access_log");

	for (const struct node *n = level == NULL ? NULL : own(level, "access_log"); n != NULL;
	     n = next_named(n->next, "access_log"))
		if (!is_off(n) && strcmp(format_name(n), "combined") != 0 &&
		    find_format(site->check, format_name(n)) == NULL)
			found(site, rule, n, format_name(n));
}

/* --- Identity from nginx. */

static const char *const identity_params[] = {"REGCRED_PROXY_USER", "REGCRED_PROXY_GROUPS",
					      "REGCRED_PROXY_EMAIL"};

/* Directives that let nobody in without proof, and whether that makes $remote_user true. */
static const struct {
	const char *directive;
	bool basic;
} auth_ways[] = {
	{"auth_basic", true}, {"auth_pam", true},      {"auth_ldap", true},
	{"auth_gss", true},   {"auth_digest", true},   {"auth_request", false},
	{"auth_jwt", false},  {"auth_openidc", false},
};

// clang-format off
static const char *const client_variables[] = {
	"http_*", "arg_*", "args", "cookie_*", "query_string", "request_uri", NULL
};
// clang-format on

/* `auth_basic $realm` is no protection where a map can make it "off". */
static bool
is_on(const struct site *site, const struct node *way)
{
	struct trace t;

	trace_start(&t, site, way, word(way, 1));
	for (size_t i = 0; i < t.count; i++)
		if (strcasecmp(t.from[i].text, "off") == 0)
			return false;
	return true;
}

static bool
is_authenticated(const struct site *site, bool basic_only)
{
	for (size_t i = 0; i < COUNT_OF(auth_ways); i++) {
		const struct node *n = effective(site->block, auth_ways[i].directive);

		if (n != NULL && (auth_ways[i].basic || !basic_only) && is_on(site, n))
			return true;
	}
	return false;
}

/* With `optional` an absent certificate leaves the name empty, and a wrong one is refused, so a
 * name that comes from the certificate is proven. */
static bool
is_certified(const struct site *site, const struct node *param)
{
	static const char *const certificate[] = {"ssl_client_*", NULL};
	const struct node *verify = effective(site->block, "ssl_verify_client");
	struct trace t;

	if (verify == NULL || strcmp(word(verify, 1), "optional") != 0)
		return verify != NULL && strcmp(word(verify, 1), "on") == 0;
	trace_start(&t, site, param, word(param, 2));
	for (size_t i = 0; i < t.count; i++)
		if (variable_among(site->check->arena, t.from[i].text, certificate) != NULL)
			return true;
	return false;
}

static void
look_identity_open(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(identity_params); i++) {
		const struct node *n = param(site, identity_params[i]);

		if (n != NULL && !is_authenticated(site, false) && !is_certified(site, n))
			found(site, rule, n, identity_params[i]);
	}
}

static void
look_identity_satisfy(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "satisfy");

	if (n != NULL && strcmp(word(n, 1), "any") == 0 &&
	    param(site, "REGCRED_PROXY_USER") != NULL)
		found(site, rule, n, "");
}

/* The first rule about everybody turns them away. */
static bool
is_denied_to_others(const struct site *site)
{
	const struct node *block = site->block;

	/* The nearest block that has rules; it inherits none. */
	while (block != NULL && own(block, "allow") == NULL && own(block, "deny") == NULL)
		block = block->parent;
	for (const struct node *n = block == NULL ? NULL : block->children; n != NULL; n = n->next)
		if ((named(n, "allow") || named(n, "deny")) && strcasecmp(word(n, 1), "all") == 0)
			return named(n, "deny");
	return false;
}

static void
look_metrics_open(const struct site *site, const struct rule *rule)
{
	const struct node *n = param(site, rule->directive);

	if (n != NULL && *word(n, 2) != '\0' && own(site->block, "internal") == NULL &&
	    !is_denied_to_others(site) && !is_authenticated(site, false))
		found(site, rule, n, "");
}

/* Reports each place where a variable of the list goes into the parameter. */
static void
look_for_variables(const struct site *site, const struct rule *rule, const char *name,
		   const char *const *list)
{
	const struct node *n = param(site, name);
	struct arena *a = site->check->arena;
	struct trace t;

	if (n == NULL)
		return;
	trace_start(&t, site, n, word(n, 2));
	for (size_t i = 0; i < t.count; i++) {
		const char *variable = variable_among(a, t.from[i].text, list);

		if (variable != NULL)
			found(site, rule, t.from[i].at,
			      arena_printf(a, "%s comes from $%s", name, variable));
	}
}

static void
look_identity_client(const struct site *site, const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(identity_params); i++)
		look_for_variables(site, rule, identity_params[i], client_variables);
	look_for_variables(site, rule, "REGCRED_PROXY_TOKEN", client_variables);
}

static void
look_identity_unverified(const struct site *site, const struct rule *rule)
{
	static const char *const remote_user[] = {"remote_user", NULL};

	if (is_authenticated(site, true))
		return;
	for (size_t i = 0; i < COUNT_OF(identity_params); i++)
		look_for_variables(site, rule, identity_params[i], remote_user);
}

/* What nginx fills by itself in the request that is passed on.  $upstream_... is not among them: in
 * there it is the answer of regcred, not of the service that authenticates. */
// clang-format off
static const char *const builtin_variables[] = {
	"ssl_*", "jwt_*", "remote_*", "http_*", "arg_*", "cookie_*", "request_*", "args",
	"query_string", "server_*", "host", "realip_*", "proxy_protocol_*", "uri", "binary_*", NULL
};
// clang-format on

static bool
is_defined_by(const struct trace *t, const struct node *n, const char *name)
{
	if (is_set(n))
		return is_variable(word(n, 1), name) && is_in_reach(t, n);
	if (is_map(n) && is_variable(last_word(n), name))
		return true;
	if (strstr(n->words[0], "_set") != NULL || strstr(n->words[0], "set_by") != NULL)
		return is_variable(word(n, 1), name);
	return false;
}

static bool
has_word_with(const struct node *n, const char *part)
{
	for (size_t i = 0; i < n->word_count; i++)
		if (strstr(n->words[i], part) != NULL)
			return true;
	return false;
}

/* Also as the named part of a regular expression, wherever it is. */
static bool
is_defined(const struct trace *t, const char *name)
{
	const struct check *c = t->site->check;
	const char *group = arena_printf(c->arena, "<%s>", name);

	for (const struct node *n = c->root; n != NULL; n = following(c->root, n))
		if (is_defined_by(t, n, name) || group == NULL || has_word_with(n, group))
			return true;
	return false;
}

/* The first variable of a text that stays empty in the request to regcred. */
static const char *
empty_variable(const struct trace *t, const struct node *at, const char *text)
{
	struct arena *a = t->site->check->arena;
	const char *name;

	if (named(at, "auth_request_set"))
		return NULL; /* here $upstream_... is the right one */
	while ((name = next_variable(a, &text)) != NULL) {
		const char *dollar = arena_printf(a, "$%s", name);

		if (name[strspn(name, "0123456789")] != '\0' && dollar != NULL &&
		    variable_among(a, dollar, builtin_variables) == NULL && !is_defined(t, name))
			return name;
	}
	return NULL;
}

static void
look_identity_unset(const struct site *site, const struct rule *rule)
{
	const struct node *auth = effective(site->block, "auth_request");

	if (auth == NULL || is_off(auth))
		return;
	for (size_t i = 0; i < COUNT_OF(identity_params); i++) {
		const struct node *n = param(site, identity_params[i]);
		const char *name;
		struct trace t;

		if (n == NULL)
			continue;
		trace_start(&t, site, n, word(n, 2));
		for (size_t k = 0; k < t.count; k++)
			if ((name = empty_variable(&t, t.from[k].at, t.from[k].text)) != NULL)
				found(site, rule, t.from[k].at, name);
	}
}

static void
look_token_missing(const struct site *site, const struct rule *rule)
{
	const struct node *n = param(site, "REGCRED_PROXY_USER");

	if (n != NULL && param(site, "REGCRED_PROXY_TOKEN") == NULL)
		found(site, rule, n, "");
}

/* The token itself may stand in the parameter, in a `set` or in a map. */
static void
look_token_readable(const struct site *site, const struct rule *rule)
{
	const struct node *n = param(site, "REGCRED_PROXY_TOKEN");
	struct trace t;
	struct stat st;

	if (n == NULL)
		return;
	trace_start(&t, site, n, word(n, 2));
	for (size_t i = 0; i < t.count; i++) {
		const struct node *at = t.from[i].at;

		if (t.from[i].text[0] != '\0' && strchr(t.from[i].text, '$') == NULL &&
		    stat(at->file, &st) == 0 && (st.st_mode & S_IROTH) != 0)
			found(site, rule, at, "");
	}
}

/* --- The server. */

static void
look_headers_small(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "large_client_header_buffers");

	if (site->server != NULL && size_or(n, 2, LINE_DEFAULT) < TARGET_MIN)
		found(site, rule, n == NULL ? site->server : n, "");
}

static void
look_headers_large(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "large_client_header_buffers");
	uint64_t count = size_or(n, 1, 4), size = size_or(n, 2, LINE_DEFAULT);

	if (n != NULL && count > 0 && size > HEADERS_MAX / count)
		found(site, rule, n, "");
}

static bool
is_local(const char *address)
{
	size_t len = strlen("localhost");

	return begins_with(address, "unix:") || begins_with(address, "127.") ||
	       begins_with(address, "[::1]") ||
	       (strncasecmp(address, "localhost", len) == 0 &&
		(address[len] == ':' || address[len] == '\0'));
}

static bool
is_encrypted(const struct node *listen)
{
	const struct node *ssl = effective(listen->parent, "ssl");

	for (size_t i = 2; i < listen->word_count; i++)
		if (strcmp(listen->words[i], "ssl") == 0 || strcmp(listen->words[i], "quic") == 0)
			return true;
	return ssl != NULL && strcasecmp(word(ssl, 1), "on") == 0;
}

/* A server that sends everybody to another one, or does so with who comes without TLS. */
static bool
sends_away(const struct node *server)
{
	if (own(server, "return") != NULL)
		return true;
	for (const struct node *n = own(server, "if"); n != NULL; n = next_named(n->next, "if"))
		for (size_t i = 1; i < n->word_count; i++)
			if ((strstr(n->words[i], "$scheme") || strstr(n->words[i], "$https")) &&
			    own(n, "return") != NULL)
				return true;
	return false;
}

static void
look_no_tls(const struct site *site, const struct rule *rule)
{
	const struct node *server = site->server, *n;

	if (server == NULL || sends_away(server))
		return;
	n = own(server, "listen");
	if (n == NULL)
		found(site, rule, server, "port 80 of every address");
	for (; n != NULL; n = next_named(n->next, "listen"))
		if (!is_local(word(n, 1)) && !is_encrypted(n))
			found(site, rule, n,
			      arena_printf(site->check->arena, "`listen %s`", word(n, 1)));
}

/* --- Logins that nginx adds. */

static bool
is_inject(const struct site *site)
{
	return param(site, "REGCRED_INJECT_REGISTRY") != NULL;
}

static void
look_inject_open(const struct site *site, const struct rule *rule)
{
	if (own(site->block, "internal") == NULL)
		found(site, rule, site->pass, "");
}

static void
look_inject_body(const struct site *site, const struct rule *rule)
{
	const struct node *n = effective(site->block, "client_max_body_size");

	if (size_or(n, 1, BODY_DEFAULT) != 0)
		found(site, rule, n != NULL ? n : site->pass, n != NULL ? word(n, 1) : "1m");
}

static void
look_inject_client(const struct site *site, const struct rule *rule)
{
	look_for_variables(site, rule, "REGCRED_INJECT_REGISTRY", client_variables);
	look_for_variables(site, rule, "REGCRED_INJECT_SCHEME", client_variables);
}

/* The next proxy_pass of the server, behind n or the first, whose requests ask this location. */
static const struct node *
next_asker(const struct site *site, const struct node *n)
{
	const struct node *top = site->server;

	if (top == NULL)
		return NULL;
	for (n = following(top, n == NULL ? top : n); n != NULL; n = following(top, n)) {
		const struct node *asks =
			named(n, "proxy_pass") ? effective(n->parent, "auth_request") : NULL;

		if (asks != NULL && strcmp(word(asks, 1), last_word(site->block)) == 0)
			return n;
	}
	return NULL;
}

/* The directive about this header on the level that counts. */
static const struct node *
header_line(const struct node *block, const char *directive, const char *header)
{
	const struct node *level = level_of(block, directive);
	const struct node *n = level != NULL ? own(level, directive) : NULL;

	while (n != NULL && strcasecmp(word(n, 1), header) != 0)
		n = next_named(n->next, directive);
	return n;
}

static bool
sends_login(const struct site *site, const struct node *pass)
{
	static const char *const ours[] = {"upstream_http_x_registry_authorization", NULL};
	struct site asker = *site;
	const struct node *line = header_line(pass->parent, "proxy_set_header", "Authorization");
	struct trace t;

	if (line == NULL)
		return false;
	asker.block = pass->parent;
	trace_start(&t, &asker, line, word(line, 2));
	for (size_t i = 0; i < t.count; i++)
		if (variable_among(site->check->arena, t.from[i].text, ours) != NULL)
			return true;
	return false;
}

static void
look_inject_header(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;)
		if (!sends_login(site, n))
			found(site, rule, n, "");
}

static void
look_inject_challenge(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;)
		if (header_line(n->parent, "proxy_hide_header", "WWW-Authenticate") == NULL)
			found(site, rule, n, "");
}

/* What stands behind the host. */
static void
look_inject_path(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const char *host = strstr(word(n, 1), "://");

		if (host != NULL && strchr(host + 3, '/') != NULL)
			found(site, rule, n, word(n, 1));
	}
}

static void
look_inject_http(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const char *url = word(n, 1);

		if (begins_with(url, "http://") && !is_local(url + strlen("http://")))
			found(site, rule, n, url);
	}
}

static void
look_inject_unverified(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const struct node *verify = effective(n->parent, "proxy_ssl_verify");

		if (begins_with(word(n, 1), "https://") && (verify == NULL || is_off(verify)))
			found(site, rule, n, "");
	}
}

/* --- The rules. */

// clang-format off

/* Once for the configuration. */
static void look_include_missing(const struct site *site, const struct rule *rule);
static void look_include_denied(const struct site *site, const struct rule *rule);
static void look_no_site(const struct site *site, const struct rule *rule);
static const struct rule rules_once[] = {
	{ "include-missing", PROBLEM, look_include_missing, NULL, NULL, "the included file {}; nginx does not start without it" },
	{ "include-denied", WARNING, look_include_denied, NULL, NULL, "the included file {}, so what it says is not part of this check; run the check as root" },
	{ "no-location", PROBLEM, look_no_site, NULL, NULL, "no location here passes requests to regcred; give the configuration that nginx is started with, or include regcred.conf in a server" },
};

/* For each site. */
static const struct rule rules[] = {
	/* The way to regcred. */
	{ "upstream-missing", PROBLEM, look_upstream_missing, NULL, NULL, "there is no upstream \"{}\"; add `upstream {...}` with the line `server unix:/run/regcred/regcredd.sock;` at the http level" },
	{ "upstream-keepalive", WARNING, look_upstream_has, "keepalive", NULL, "kept connections pin a worker of regcred each; remove `keepalive` from this upstream" },
	{ "keep-conn", PROBLEM, look_is, "fastcgi_keep_conn", "on", "kept connections pin a worker each and lose requests when workers are replaced; say `fastcgi_keep_conn off`" },
	{ "retry-writes", PROBLEM, look_has_word, "fastcgi_next_upstream", "non_idempotent", "a write may be sent a second time; say `fastcgi_next_upstream off`" },
	{ "next-upstream", WARNING, look_next_upstream, "fastcgi_next_upstream", "non_idempotent", "PUT and DELETE may be sent a second time; say `fastcgi_next_upstream off`" },
	{ "cache", PROBLEM, look_is_not, "fastcgi_cache", "off", "answers of regcred belong to one caller and may hold a secret; say `fastcgi_cache off`" },
	{ "store", PROBLEM, look_is_not, "fastcgi_store", "off", "answers of regcred belong to one caller and may hold a secret; say `fastcgi_store off`" },
	{ "intercept-errors", PROBLEM, look_is, "fastcgi_intercept_errors", "on", "regcred's own errors are JSON and would be replaced; say `fastcgi_intercept_errors off`" },
	{ "no-headers", PROBLEM, look_is, "fastcgi_pass_request_headers", "off", "regcred never sees who asks without the client's headers; say `fastcgi_pass_request_headers on`" },
	{ "no-body", PROBLEM, look_is, "fastcgi_pass_request_body", "off", "regcred never sees what it should store without the body; say `fastcgi_pass_request_body on`" },

	/* Parameters. */
	{ "params-none", PROBLEM, look_params_none, NULL, NULL, "no parameter is sent, so regcred cannot tell what was asked; add `include regcred_params;`" },
	{ "stock-params", PROBLEM, look_params_file, "fastcgi_params", NULL, "nginx's own fastcgi_params sends a user that nobody has verified and parameters that regcred must not get twice; include regcred_params in its place" },
	{ "stock-conf", PROBLEM, look_params_file, "fastcgi.conf", NULL, "nginx's own fastcgi.conf sends a user that nobody has verified and parameters that regcred must not get twice; include regcred_params in its place" },
	{ "remote-user", PROBLEM, look_param_set, "REMOTE_USER", NULL, "REMOTE_USER is set to {}, which nginx fills from a header that it may not have checked; say `fastcgi_param REMOTE_USER \"\";` and use REGCRED_PROXY_USER for identities" },
	{ "no-host", PROBLEM, look_param_missing, "REGCRED_HOST", NULL, "REGCRED_HOST is missing, so links in answers may be wrong; include regcred_params on this level: one fastcgi_param of its own hides all from outside" },
	{ "no-scheme", PROBLEM, look_param_missing, "REGCRED_SCHEME", NULL, "REGCRED_SCHEME is missing, so links in answers say http; include regcred_params on this level" },
	{ "no-uri", PROBLEM, look_param_missing, "REQUEST_URI", NULL, "REQUEST_URI is missing, so regcred cannot tell what was asked; include regcred_params on this level" },
	{ "no-method", PROBLEM, look_param_missing, "REQUEST_METHOD", NULL, "REQUEST_METHOD is missing, so regcred cannot tell what was asked; include regcred_params on this level" },
	{ "no-length", PROBLEM, look_param_missing, "CONTENT_LENGTH", NULL, "CONTENT_LENGTH is missing, so regcred refuses every body; include regcred_params on this level" },
	{ "no-type", PROBLEM, look_param_missing, "CONTENT_TYPE", NULL, "CONTENT_TYPE is missing, so regcred cannot tell a form from JSON; include regcred_params on this level" },
	{ "no-address", PROBLEM, look_param_missing, "REMOTE_ADDR", NULL, "REMOTE_ADDR is missing, so logs do not say who asked; include regcred_params on this level" },
	{ "decoded-uri", PROBLEM, look_param_is_not, "REQUEST_URI", "$request_uri", "REQUEST_URI is set to {}, and regcred decodes it once more; say `fastcgi_param REQUEST_URI $request_uri;`" },
	{ "host-value", WARNING, look_param_is_not, "REGCRED_HOST", "$http_host", "REGCRED_HOST is set to {}; it should be $http_host, with the port as the client used it, or leave it and set base_url in regcred's settings" },
	{ "type-twice", PROBLEM, look_param_twice, "CONTENT_TYPE", NULL, "CONTENT_TYPE is sent twice, and regcred refuses such requests; remove this line or file" },
	{ "user-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_USER", NULL, "REGCRED_PROXY_USER is sent twice, and regcred refuses such requests; remove one" },
	{ "groups-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_GROUPS", NULL, "REGCRED_PROXY_GROUPS is sent twice, and regcred refuses such requests; remove one" },
	{ "email-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_EMAIL", NULL, "REGCRED_PROXY_EMAIL is sent twice, and regcred refuses such requests; remove one" },
	{ "token-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_TOKEN", NULL, "REGCRED_PROXY_TOKEN is sent twice, and regcred refuses such requests; remove one" },

	/* Bodies and answers. */
	{ "body-smaller", PROBLEM, look_body_smaller, NULL, NULL, "nginx refuses bodies that regcred takes; set client_max_body_size to {}" },
	{ "body-larger", WARNING, look_body_larger, NULL, NULL, "nginx takes bodies that regcred refuses; set client_max_body_size to {}" },
	{ "body-file", PROBLEM, look_buffer_smaller, NULL, NULL, "client_body_buffer_size is smaller than client_max_body_size, so nginx writes bodies with secrets to a file; make it twice as large as client_max_body_size" },
	{ "body-buffer", WARNING, look_buffer_tight, NULL, NULL, "a chunked body takes more room than its bytes, and what does not fit is written to a file with the secret in it; make client_body_buffer_size twice as large as client_max_body_size" },
	{ "body-in-file", PROBLEM, look_is_not, "client_body_in_file_only", "off", "nginx writes every body, with its secret, to a file; say `client_body_in_file_only off`" },
	{ "request-buffering", PROBLEM, look_is, "fastcgi_request_buffering", "off", "a slow client keeps a worker of regcred waiting; say `fastcgi_request_buffering on`" },
	{ "buffering", WARNING, look_is, "fastcgi_buffering", "off", "a slow reader keeps a worker of regcred waiting; say `fastcgi_buffering on`" },
	{ "answer-file", WARNING, look_answer_file, NULL, NULL, "a long answer is written to a file, and an answer may hold a secret; say `fastcgi_max_temp_file_size 0`" },

	/* nginx's own errors. */
	{ "error-page", PROBLEM, look_error_missing, NULL, NULL, "nginx's own answers with {} are HTML, which API clients cannot read; include regcred_params, or add `error_page 400 413 414 429 500 502 503 504 /.regcred-error;` with the location from regcred.conf" },
	{ "error-location", PROBLEM, look_error_lost, NULL, NULL, "error_page leads to {}, which has no location in this server; include regcred.conf in this server, which has one" },
	{ "error-not-json", PROBLEM, look_error_not_json, NULL, NULL, "error_page leads to {}, which is not JSON; use the location /.regcred-error of regcred.conf, or set default_type to application/json there" },

	/* Logs. */
	{ "log-secret", PROBLEM, look_log_secret, NULL, NULL, "the log format {}, where secrets may be; say `access_log off`, or log $request_method and the path alone as quickstart.conf.in does" },
	{ "log-default", PROBLEM, look_log_default, NULL, NULL, "nginx's default log writes the whole query, where secrets may be; say `access_log off`, or use a format without $request, $request_uri and $args" },
	{ "log-unknown", WARNING, look_log_unknown, NULL, NULL, "the log format \"{}\" is not in this configuration; check that it is without $request, $request_uri, $args, $query_string, $http_referer and $http_authorization" },
	{ "log-debug", WARNING, look_has_word, "error_log", "debug", "a debug log holds headers and queries with their secrets; use another level" },

	/* Identity from nginx. */
	{ "identity-open", PROBLEM, look_identity_open, NULL, NULL, "{} is set where nginx authenticates nobody, so anybody may be anyone; add auth_basic, auth_request or `ssl_verify_client on`, or remove the parameter" },
	{ "identity-client", PROBLEM, look_identity_client, NULL, NULL, "{}, which the client may set to anything; take it from auth_basic, from a certificate, or from the answer of the authentication service by auth_request_set" },
	{ "identity-unverified", PROBLEM, look_identity_unverified, NULL, NULL, "{}, which nobody verifies without auth_basic; add auth_basic, or take the name from the answer of the authentication service by auth_request_set" },
	{ "identity-unset", PROBLEM, look_identity_unset, NULL, NULL, "nothing sets ${} here, so it is empty; add an auth_request_set for it, from $upstream_http_..., to the location that has the auth_request" },
	{ "identity-satisfy", PROBLEM, look_identity_satisfy, NULL, NULL, "`satisfy any` lets clients in by their address alone, with a user name that nobody has verified; say `satisfy all`" },
	{ "no-token", PROBLEM, look_token_missing, NULL, NULL, "REGCRED_PROXY_USER is ignored without REGCRED_PROXY_TOKEN; include a file with `fastcgi_param REGCRED_PROXY_TOKEN ...;`" },
	{ "token-readable", PROBLEM, look_token_readable, NULL, NULL, "REGCRED_PROXY_TOKEN stands in a file that every user can read; move this line to a file of mode 0600 and include that" },

	/* Counters. */
	{ "metrics-open", PROBLEM, look_metrics_open, "REGCRED_METRICS", NULL, "everybody who reaches this location sees how much the service is used, and by what requests; say `allow 127.0.0.1; allow ::1; deny all;` in it" },

	/* The server. */
	{ "underscores", WARNING, look_is, "underscores_in_headers", "on", "headers with an underscore look like those with a dash to regcred; say `underscores_in_headers off` for this server" },
	{ "headers-small", WARNING, look_headers_small, NULL, NULL, "long URLs that regcred takes are refused by nginx; say `large_client_header_buffers 2 32k;` in this server" },
	{ "headers-large", WARNING, look_headers_large, NULL, NULL, "headers that fill these buffers do not fit into a FastCGI request, which has 64 KiB; say `large_client_header_buffers 2 32k;`" },
	{ "no-tls", WARNING, look_no_tls, NULL, NULL, "secrets come in the clear to {}; use `listen ... ssl`, or listen on 127.0.0.1 behind something that has TLS" },
};

/* For each site that asks for logins of a registry. */
static const struct rule rules_inject[] = {
	{ "inject-open", PROBLEM, look_inject_open, NULL, NULL, "any client may ask this location itself, and is given the login in a header; say `internal;` in it" },
	{ "inject-body", WARNING, look_inject_body, NULL, NULL, "layers that are longer than {} cannot be pushed, because nginx looks at their length here too; say `client_max_body_size 0;` in this location" },
	{ "inject-client", PROBLEM, look_inject_client, NULL, NULL, "{}, so that clients choose which registry's login is used; `set` it in the server" },
	{ "inject-header", PROBLEM, look_inject_header, NULL, NULL, "the client's own key goes on to the registry in place of the login; include regcred_inject_proxy on this level" },
	{ "inject-challenge", PROBLEM, look_inject_challenge, NULL, NULL, "a challenge of the registry would send clients, with their keys, to its token server; say `proxy_hide_header WWW-Authenticate;`" },
	{ "inject-path", PROBLEM, look_inject_path, NULL, NULL, "with {} nginx makes another URL than the one that regcred has looked at; name the registry without a path or slash" },
	{ "inject-http", WARNING, look_inject_http, NULL, NULL, "the login goes to {} in the clear; use https" },
	{ "inject-unverified", WARNING, look_inject_unverified, NULL, NULL, "the registry's certificate is not looked at, so whoever stands between can take the login; say `proxy_ssl_verify on` with proxy_ssl_trusted_certificate" },
};

/* Rules about bodies and answers that such a site has none of. */
static const char *const not_for_inject[] = {
	"no-body", "no-length", "body-smaller", "body-larger", "body-file", "body-buffer", "answer-file", "error-page", "error-not-json",
};

// clang-format on

static bool
is_for_inject(const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(not_for_inject); i++)
		if (strcmp(rule->name, not_for_inject[i]) == 0)
			return false;
	return true;
}

static void
look_at_includes(const struct site *site, const struct rule *rule, bool denied)
{
	const struct check *c = site->check;

	for (const struct node *n = c->root; n != NULL; n = following(c->root, n))
		if (n->error != 0 && (n->error == EACCES || n->error == EPERM) == denied)
			found(site, rule, n,
			      arena_printf(c->arena, "%s cannot be read (%s)", word(n, 1),
					   strerror(n->error)));
}

static void
look_include_missing(const struct site *site, const struct rule *rule)
{
	look_at_includes(site, rule, false);
}

static void
look_include_denied(const struct site *site, const struct rule *rule)
{
	look_at_includes(site, rule, true);
}

static void
look_no_site(const struct site *site, const struct rule *rule)
{
	struct check *c = site->check;
	struct site other;

	for (const struct node *n = c->root; n != NULL; n = following(c->root, n))
		if (make_site(c, n, &other))
			return;
	found(site, rule, c->root, "");
}

static void
check_once(struct check *c)
{
	struct site whole = {.check = c, .block = c->root};

	for (size_t i = 0; i < COUNT_OF(rules_once); i++)
		rules_once[i].look(&whole, &rules_once[i]);
}

static void
check_sites(struct check *c)
{
	struct site site;

	for (const struct node *n = c->root; n != NULL; n = following(c->root, n)) {
		if (!make_site(c, n, &site))
			continue;
		bool inject = is_inject(&site);
		for (size_t i = 0; i < COUNT_OF(rules); i++)
			if (!inject || is_for_inject(&rules[i]))
				rules[i].look(&site, &rules[i]);
		for (size_t i = 0; inject && i < COUNT_OF(rules_inject); i++)
			rules_inject[i].look(&site, &rules_inject[i]);
	}
}

static size_t
count_named(const struct node *root, const char *name)
{
	size_t count = 0;

	for (const struct node *n = root; n != NULL; n = following(root, n))
		count += named(n, name);
	return count;
}

bool
nginx_check(const char *path, size_t body_max, FILE *out, struct nginx_report *report, char *why,
	    size_t why_size)
{
	struct check c = {.body_max = body_max, .out = out, .report = report};
	struct parser p = {.arena = arena_new(ARENA_MAX), .why = why, .why_size = why_size};
	bool ok = false;

	*report = (struct nginx_report){0};
	if (p.arena == NULL)
		return fail(&p, "no memory");
	c.arena = p.arena;
	c.root = parse(&p, path);
	if (c.root == NULL)
		goto out;
	c.pass_count = count_named(c.root, "fastcgi_pass");
	check_once(&c);
	check_sites(&c);
	ok = !arena_failed(c.arena) ||
	     fail(&p, "%s: the configuration is too large to be checked", path);
out:
	arena_free(p.arena);
	return ok;
}
