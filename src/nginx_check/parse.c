/* parse: reads an nginx configuration with its includes into a tree. */
#include "nginx_check/parse.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/remedy.h"

enum {
	FILE_SIZE_MAX = 32 * 1024 * 1024, /* one file */
	BLOCK_DEPTH_MAX = 64,		  /* blocks in blocks; real ones have five or six */
	INCLUDE_DEPTH_MAX = 16,		  /* files in files; real ones have three or four */
};

/* nginx's own directory, to which its includes are relative. */
static const char nginx_dir[] = "/etc/nginx";

/* A file that is being read, and the one that includes it. */
struct source {
	const struct source *from;
	const char *path;
	const char *at, *end;
	unsigned line, depth;
	dev_t device;
	ino_t inode;
};

enum nginx_token { T_WORD, T_OPEN, T_CLOSE, T_END, T_EOF, T_BAD };

bool __attribute__((format(printf, 2, 3)))
parse_fail(const struct nginx_parser *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(p->why, p->why_size, format, args);
	va_end(args);
	return false;
}

static bool
fail_at(const struct nginx_parser *p, const struct source *s, const char *text)
{
	return parse_fail(p, "%s:%u: %s", s->path, s->line, text);
}

static bool
parse_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char
parse_take(struct source *s)
{
	if (*s->at == '\n')
		s->line++;
	return *s->at++;
}

static void
parse_skip_blanks(struct source *s)
{
	while (s->at < s->end) {
		if (*s->at == '#')
			while (s->at < s->end && *s->at != '\n')
				s->at++;
		else if (parse_is_blank(*s->at))
			(void)parse_take(s);
		else
			return;
	}
}

/* A copy without escapes.  nginx knows these six and keeps any other backslash. */
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

/* After the opening quote; nginx requires a blank, ; or the like after the closing one. */
static enum nginx_token
quoted_word(struct nginx_parser *p, struct source *s, char quote, const char **word)
{
	const char *begin = s->at;
	unsigned line = s->line;

	while (s->at < s->end && *s->at != quote)
		if (parse_take(s) == '\\' && s->at < s->end)
			(void)parse_take(s);
	if (s->at == s->end) {
		(void)parse_fail(p, "%s:%u: the quote that begins here is not closed", s->path,
				 line);
		return T_BAD;
	}
	*word = unescaped(p->arena, begin, s->at);
	s->at++;
	if (s->at < s->end && !parse_is_blank(*s->at) && strchr(";{)", *s->at) == NULL) {
		(void)fail_at(p, s, "a space or ; is missing after a quote");
		return T_BAD;
	}
	return T_WORD;
}

static enum nginx_token
plain_word(struct nginx_parser *p, struct source *s, const char **word)
{
	const char *begin = s->at;

	while (s->at < s->end && !parse_is_blank(*s->at) && *s->at != ';' && *s->at != '{') {
		char c = parse_take(s);

		/* ${name} is not a block. */
		if (c == '\\' ? s->at < s->end : c == '$' && s->at < s->end && *s->at == '{')
			(void)parse_take(s);
	}
	*word = unescaped(p->arena, begin, s->at);
	return T_WORD;
}

static enum nginx_token
next_token(struct nginx_parser *p, struct source *s, const char **word)
{
	parse_skip_blanks(s);
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
node_new(struct nginx_parser *p, const struct source *s, struct node *parent)
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

/* The name and the words after it, up to `;` or `{`. T_CLOSE and T_EOF come without a directive. */
static enum nginx_token
read_directive(struct nginx_parser *p, struct source *s, struct node *parent,
	       struct node **directive)
{
	const char *word = NULL;
	struct node *n;
	enum nginx_token t;

	parse_skip_blanks(s);
	*directive = n = node_new(p, s, parent);
	while (n != NULL && (t = next_token(p, s, &word)) == T_WORD)
		if (!add_word(p->arena, n, word))
			n = NULL;
	if (n == NULL) {
		(void)parse_fail(p, "%s: the configuration is too large to be checked", s->path);
		return T_BAD;
	}
	if (n->word_count == 0 && (t == T_END || t == T_OPEN)) {
		(void)fail_at(p, s, "a directive is missing before this ; or {");
		return T_BAD;
	}
	if (n->word_count > 0 && (t == T_CLOSE || t == T_EOF)) {
		(void)parse_fail(p, "%s:%u: \"%.60s\" does not end with ; or {", s->path, n->line,
				 n->words[0]);
		return T_BAD;
	}
	return t;
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
	(void)parse_take(s);
	while (s->at < s->end && *s->at != quote && *s->at != '\n')
		if (parse_take(s) == '\\' && s->at < s->end)
			(void)parse_take(s);
	if (s->at < s->end)
		(void)parse_take(s);
	return true;
}

/* The block of a ..._by_lua_block is a program, up to the brace that closes it. */
static bool
skip_lua(struct nginx_parser *p, struct source *s)
{
	unsigned open = 1;

	while (s->at < s->end) {
		if (skip_lua_text(s))
			continue;
		char c = parse_take(s);
		open = c == '{' ? open + 1 : c == '}' ? open - 1 : open;
		if (open == 0)
			return true;
	}
	return fail_at(p, s, "a block of Lua is not closed");
}

static bool parse_include(struct nginx_parser *p, struct source *s, struct node *include);

/* Up to the end of the block or, outside of all blocks of this file, of the file. */
static bool
parse_block(struct nginx_parser *p, struct source *s, struct node *block, unsigned depth)
{
	unsigned opened = s->line;
	struct node *n;

	if (depth > BLOCK_DEPTH_MAX)
		return fail_at(p, s, "blocks are nested too deeply");
	for (;;) {
		enum nginx_token t = read_directive(p, s, block, &n);

		if (t == T_BAD)
			return false;
		if (t == T_EOF && depth > 0)
			return parse_fail(p, "%s:%u: the block that begins here is not closed",
					  s->path, opened);
		if (t == T_CLOSE && depth == 0)
			return fail_at(p, s, "this } closes no block");
		if (t == T_CLOSE || t == T_EOF)
			return true;
		append(n);
		if (t == T_OPEN && text_ends_with(n->words[0], "_by_lua_block")) {
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

/* Fills path, text and file identity of *s; 0, or an errno. */
static int
open_source(struct nginx_parser *p, const char *path, struct source *s)
{
	struct stat st;
	int fd = file_open(path, &st), rc = 0;
	size_t size = fd < 0 || st.st_size > FILE_SIZE_MAX ? 0 : (size_t)st.st_size;
	char *text = arena_alloc(p->arena, size + 1);

	if (fd < 0)
		return errno;
	if (text == NULL || st.st_size > FILE_SIZE_MAX)
		rc = text == NULL ? ENOMEM : EFBIG;
	else if (read(fd, text, size) != (ssize_t)size)
		rc = EIO; /* the file has become shorter meanwhile */
	(void)close(fd);
	s->path = path;
	s->at = text;
	s->end = text == NULL ? NULL : text + size;
	s->line = 1;
	s->device = st.st_dev;
	s->inode = st.st_ino;
	return rc;
}

static bool
includes_itself(const struct source *s)
{
	for (const struct source *o = s->from; o != NULL; o = o->from)
		if (o->device == s->device && o->inode == s->inode)
			return true;
	return false;
}

/* An included file that cannot be read is left to the rules: the rest can still be checked. */
static bool
parse_parse_file(struct nginx_parser *p, const struct source *from, const char *path,
		 struct node *include)
{
	struct source s = {.from = from, .depth = from->depth + 1};

	include->error = open_source(p, path, &s);
	if (include->error != 0)
		return true;
	if (includes_itself(&s))
		return parse_fail(p, "%s:%u: this include leads back to %s", include->file,
				  include->line, path);
	if (s.depth > INCLUDE_DEPTH_MAX)
		return parse_fail(p, "%s:%u: includes are nested too deeply", include->file,
				  include->line);
	return parse_block(p, &s, include->parent, 0);
}

/* One node for each file of a pattern, so that each can be found by its name. */
static bool
parse_glob(struct nginx_parser *p, struct source *s, struct node *include, const char *pattern)
{
	glob_t found = {0};
	bool ok = true;

	if (glob(pattern, 0, NULL, &found) != 0)
		found.gl_pathc = 0; /* as in nginx, no match is not an error */
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
		ok = parse_parse_file(p, s, path, n);
	}
	globfree(&found);
	return ok;
}

static bool
parse_include(struct nginx_parser *p, struct source *s, struct node *include)
{
	const char *path = include->words[1];

	if (path[0] != '/' && p->prefix[0] != '\0')
		path = arena_printf(p->arena, "%s/%s", p->prefix, path);
	if (path == NULL)
		return fail_at(p, s, "the configuration is too large to be checked");
	if (strpbrk(path, "*?[") != NULL)
		return parse_glob(p, s, include, path);
	include->words[1] = path;
	return parse_parse_file(p, s, path, include);
}

/* The directory of the configuration; /etc/nginx for files below that, such as sites. */
static const char *
find_prefix(struct arena *a, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *dir = slash == NULL ? "" : arena_copy(a, path, (size_t)(slash - path));
	char *real = realpath(slash == NULL ? "." : slash == path ? "/" : dir, NULL);
	bool below = real != NULL && text_begins_with(real, nginx_dir) &&
		     real[sizeof(nginx_dir) - 1] == '/';

	free(real);
	return below ? nginx_dir : slash == path ? "/" : dir;
}

struct node *
parse_run(struct nginx_parser *p, const char *path)
{
	struct node *root = arena_alloc(p->arena, sizeof(*root));
	struct source s = {0};
	int rc;

	path = arena_strdup(p->arena, path);
	if (root == NULL || path == NULL || !add_word(p->arena, root, "")) {
		(void)parse_fail(p, "no memory");
		return NULL;
	}
	root->file = path;
	root->line = 1;
	p->prefix = find_prefix(p->arena, path);
	rc = p->prefix == NULL ? ENOMEM : open_source(p, path, &s);
	if (rc != 0) {
		(void)parse_fail(p, "%s cannot be read: %s", path, remedy_text(rc));
		return NULL;
	}
	return parse_block(p, &s, root, 0) ? root : NULL;
}
