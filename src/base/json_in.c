/* json_in: a strict check, then cJSON, then a tree in the request's arena.
 *
 * The check (struct gate) reads the bytes before cJSON does and refuses what cJSON would wrongly
 * accept. It also records what cJSON loses: the text of each number, in the order of the document,
 * which is the order in which the tree is copied afterwards.
 */
#include "base/json_in.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

/* cJSON parses a number in a buffer of 64 bytes and fails on the rest of a longer one. */
enum { NUMBER_MAX = 63 };

/* cJSON's memory: each block stores its size, so that it can be wiped when freed. */

union block {
	size_t size;
	max_align_t align;
};

/* cJSON cannot say why it returned NULL. */
static _Thread_local bool out_of_memory;

static void *
block_new(size_t size)
{
	union block *b = size <= SIZE_MAX - sizeof(*b) ? malloc(sizeof(*b) + size) : NULL;

	if (b == NULL) {
		out_of_memory = true;
		return NULL;
	}
	b->size = size;
	return b + 1;
}

static void
block_free(void *p)
{
	union block *b = p;

	if (b == NULL)
		return;
	b--;
	sodium_memzero(b, sizeof(*b) + b->size);
	free(b);
}

void
json_in_init(void)
{
	cJSON_Hooks hooks = {.malloc_fn = block_new, .free_fn = block_free};

	cJSON_InitHooks(&hooks);
}

/* The check. */

struct number {
	struct number *next;
	const char *text;
};

struct gate {
	struct arena *arena;
	const char *text;
	size_t len;
	size_t at; /* the next byte */
	unsigned depth;
	unsigned nodes, nodes_max;
	struct number *numbers; /* in the order of the text */
	struct number **numbers_end;
	struct error *error;
};

/* A decoded name that an object already has. An object keeps them in a hash table. */
enum { BUCKETS = 32 };

struct name {
	struct name *next;
	const char *bytes;
	size_t len;
	uint32_t hash;
};

static enum err gate_value(struct gate *g);

static enum err
refuse_at(struct gate *g, size_t at, const char *why)
{
	const char *detail = arena_printf(g->arena, "%s at byte %zu: correct it there.", why, at);

	return err_set(g->error, detail != NULL ? ERR_INVALID_BODY : ERR_INTERNAL, NULL, detail);
}

static enum err
gate_refuse(struct gate *g, const char *why)
{
	return refuse_at(g, g->at, g->at < g->len ? why : "The text ends too early");
}

static enum err
no_memory(struct gate *g)
{
	return err_set(g->error, ERR_INTERNAL, NULL, NULL);
}

/* The next byte; NUL at the end, which is not legal anywhere else. */
static char
peek(const struct gate *g)
{
	return g->at < g->len ? g->text[g->at] : '\0';
}

static bool
gate_take(struct gate *g, char c)
{
	if (g->at == g->len || g->text[g->at] != c)
		return false;
	g->at++;
	return true;
}

static void
gate_skip_blanks(struct gate *g)
{
	while (gate_take(g, ' ') || gate_take(g, '\t') || gate_take(g, '\n') || gate_take(g, '\r'))
		continue;
}

/* Four hexadecimal digits to *unit. */
static bool
take_hex(struct gate *g, unsigned *unit)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++, g->at++) {
		char c = peek(g);

		if (c >= '0' && c <= '9')
			value = value * 16 + (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (unsigned)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + (unsigned)(c - 'A') + 10;
		else
			return false;
	}
	*unit = value;
	return true;
}

/* Writes a character as UTF-8 and returns the end. */
static char *
encode(char *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (char)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (char)(0x80 | (c & 0x3f));
	return out;
}

/* The rest of a \u escape, or of a surrogate pair, after the first "\u". */
static enum err
gate_unicode(struct gate *g, unsigned *c)
{
	size_t start = g->at - 2;
	unsigned low;

	if (!take_hex(g, c))
		return gate_refuse(g, "An escape \\u has no four hexadecimal digits");
	if (*c == 0)
		return refuse_at(g, start, "A string contains \\u0000");
	if (*c < 0xd800 || *c > 0xdfff)
		return ERR_NONE;
	if (*c > 0xdbff || !gate_take(g, '\\') || !gate_take(g, 'u') || !take_hex(g, &low) ||
	    low < 0xdc00 || low > 0xdfff)
		return refuse_at(g, start, "A string contains half of a surrogate pair");
	*c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
	return ERR_NONE;
}

/* The rest of an escape after the backslash; *c becomes the character. */
static enum err
gate_escape(struct gate *g, unsigned *c)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *letter = peek(g) != '\0' ? strchr(letters, peek(g)) : NULL;

	if (gate_take(g, 'u'))
		return gate_unicode(g, c);
	if (letter == NULL)
		return gate_refuse(g, "A string contains an unknown escape");
	*c = (unsigned char)meanings[letter - letters];
	g->at++;
	return ERR_NONE;
}

/* A raw character that is not ASCII. */
static enum err
gate_character(struct gate *g)
{
	const char *p = g->text + g->at;
	unsigned char first = (unsigned char)*p;
	size_t n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

	if (n > g->len - g->at || !http_utf8_valid(p, n))
		return gate_refuse(g, "The text is not valid UTF-8");
	g->at += n;
	return ERR_NONE;
}

/* One character of a string, raw or escaped, appended to *out unless that is NULL. */
static enum err
gate_string_part(struct gate *g, char **out)
{
	unsigned char first = (unsigned char)peek(g);
	size_t start = g->at;
	unsigned c = first;
	enum err code;

	if (first < 0x20)
		return gate_refuse(g, "A string contains a control character");
	if (first == '\\') {
		g->at++;
		code = gate_escape(g, &c);
		if (code == ERR_NONE && *out != NULL)
			*out = encode(*out, c);
		return code;
	}
	code = first < 0x80 ? ERR_NONE : gate_character(g);
	g->at += first < 0x80;
	if (code == ERR_NONE && *out != NULL) {
		memcpy(*out, g->text + start, g->at - start);
		*out += g->at - start;
	}
	return code;
}

/* A string after its opening quote. Its decoded bytes go to *out, which moves past them, unless out
 * is NULL. */
static enum err
gate_string(struct gate *g, char **out)
{
	while (!gate_take(g, '"')) {
		enum err code = gate_string_part(g, out);

		if (code != ERR_NONE)
			return code;
	}
	return ERR_NONE;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
take_digits(struct gate *g)
{
	size_t start = g->at;

	while (is_digit(peek(g)))
		g->at++;
	return g->at > start;
}

/* Notes a number's text: [ minus ] int [ frac ] [ exp ], RFC 8259, 6. */
static enum err
gate_number(struct gate *g)
{
	size_t start = g->at;
	struct number *number;

	(void)gate_take(g, '-');
	if (!gate_take(g, '0') && !take_digits(g))
		return gate_refuse(g, "A number has no digits");
	if (gate_take(g, '.') && !take_digits(g))
		return gate_refuse(g, "A number has no digits after its point");
	if (gate_take(g, 'e') || gate_take(g, 'E')) {
		if (!gate_take(g, '+'))
			(void)gate_take(g, '-');
		if (!take_digits(g))
			return gate_refuse(g, "A number has no digits in its exponent");
	}
	if (g->at - start > NUMBER_MAX)
		return refuse_at(g, start, "A number is too long");
	number = arena_alloc(g->arena, sizeof(*number));
	if (number == NULL)
		return no_memory(g);
	number->text = arena_copy(g->arena, g->text + start, g->at - start);
	if (number->text == NULL)
		return no_memory(g);
	*g->numbers_end = number;
	g->numbers_end = &number->next;
	return ERR_NONE;
}

static enum err
gate_word(struct gate *g, const char *word)
{
	size_t len = strlen(word);

	if (g->len - g->at < len || memcmp(g->text + g->at, word, len) != 0)
		return gate_refuse(g, "A JSON value is missing");
	g->at += len;
	return ERR_NONE;
}

static enum err
gate_array(struct gate *g)
{
	gate_skip_blanks(g);
	if (gate_take(g, ']'))
		return ERR_NONE;
	do {
		enum err code = gate_value(g);

		if (code != ERR_NONE)
			return code;
		gate_skip_blanks(g);
	} while (gate_take(g, ','));
	return gate_take(g, ']') ? ERR_NONE
				 : gate_refuse(g, "An array continues with neither , nor ]");
}

static uint32_t
gate_hash_of(const char *bytes, size_t len)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
	return hash;
}

static bool
is_repeated(const struct name *names, const struct name *name)
{
	for (; names != NULL; names = names->next)
		if (names->hash == name->hash && names->len == name->len &&
		    memcmp(names->bytes, name->bytes, name->len) == 0)
			return true;
	return false;
}

/* A member's name after its opening quote.  It is decoded before it is compared: "a" and "\u0061"
 * are the same name.  nodes_max bounds the number of comparisons. */
static enum err
gate_name(struct gate *g, struct name **names)
{
	struct name *name = arena_alloc(g->arena, sizeof(*name)), **bucket;
	size_t start = g->at;
	const char *quote;
	char *out = NULL;
	enum err code = gate_string(g, &out); /* to learn how long it is */

	if (code != ERR_NONE)
		return code;
	quote = g->text + g->at - 1;
	out = arena_alloc(g->arena, (size_t)(quote - g->text) - start);
	if (name == NULL || out == NULL)
		return no_memory(g);
	name->bytes = out;
	g->at = start;
	code = gate_string(g, &out); /* as before */
	name->len = (size_t)(out - name->bytes);
	name->hash = gate_hash_of(name->bytes, name->len);
	bucket = &names[name->hash % BUCKETS];
	if (is_repeated(*bucket, name))
		return refuse_at(g, start - 1, "An object has a name twice, again");
	name->next = *bucket;
	*bucket = name;
	return code;
}

static enum err
gate_member(struct gate *g, struct name **names)
{
	enum err code;

	gate_skip_blanks(g);
	if (!gate_take(g, '"'))
		return gate_refuse(g, "A name in quotes is missing");
	code = gate_name(g, names);
	if (code != ERR_NONE)
		return code;
	gate_skip_blanks(g);
	if (!gate_take(g, ':'))
		return gate_refuse(g, "The : after a name is missing");
	return gate_value(g);
}

static enum err
gate_object(struct gate *g)
{
	struct name *names[BUCKETS] = {NULL};

	gate_skip_blanks(g);
	if (gate_take(g, '}'))
		return ERR_NONE;
	do {
		enum err code = gate_member(g, names);

		if (code != ERR_NONE)
			return code;
		gate_skip_blanks(g);
	} while (gate_take(g, ','));
	return gate_take(g, '}') ? ERR_NONE
				 : gate_refuse(g, "An object continues with neither , nor }");
}

static enum err
gate_container(struct gate *g, enum err (*content)(struct gate *g))
{
	enum err code;

	if (++g->depth > JSON_DEPTH_MAX)
		return gate_refuse(g, "Arrays and objects are nested too deeply");
	g->at++;
	code = content(g);
	g->depth--;
	return code;
}

static enum err
gate_value(struct gate *g)
{
	char *unwanted = NULL;

	gate_skip_blanks(g);
	if (++g->nodes > g->nodes_max)
		return gate_refuse(g, "There are more than 2,000 values");
	switch (peek(g)) {
	case '{':
		return gate_container(g, gate_object);
	case '[':
		return gate_container(g, gate_array);
	case '"':
		g->at++;
		return gate_string(g, &unwanted);
	case 't':
		return gate_word(g, "true");
	case 'f':
		return gate_word(g, "false");
	case 'n':
		return gate_word(g, "null");
	default:
		break;
	}
	if (peek(g) == '-' || is_digit(peek(g)))
		return gate_number(g);
	return gate_refuse(g, "A JSON value is missing");
}

static enum err
gate_text(struct gate *g)
{
	enum err code;

	if (g->len >= 3 && memcmp(g->text, "\xef\xbb\xbf", 3) == 0)
		return gate_refuse(g, "There is a byte order mark");
	code = gate_value(g);
	if (code != ERR_NONE)
		return code;
	gate_skip_blanks(g);
	return g->at == g->len ? ERR_NONE : gate_refuse(g, "There is something after the value");
}

/* The tree. */

/* Values other than strings, numbers and containers need only their type. */
static bool
fill_value(struct gate *g, const cJSON *from, struct json *to)
{
	if (cJSON_IsString(from)) {
		to->type = JSON_STRING;
		to->text = arena_strdup(g->arena, from->valuestring);
		return to->text != NULL;
	}
	if (cJSON_IsNumber(from)) {
		to->type = JSON_NUMBER;
		if (g->numbers == NULL)
			return false;
		to->text = g->numbers->text;
		g->numbers = g->numbers->next;
		return true;
	}
	if (cJSON_IsBool(from)) {
		to->type = cJSON_IsTrue(from) ? JSON_TRUE : JSON_FALSE;
		to->text = cJSON_IsTrue(from) ? "true" : "false";
		return true;
	}
	to->type = cJSON_IsObject(from)	 ? JSON_OBJECT
		   : cJSON_IsArray(from) ? JSON_ARRAY
					 : JSON_NULL;
	return true;
}

/* Copies a node and its children; NULL if out of memory, or if cJSON read something other than the
 * check. */
static struct json *
copy_node(struct gate *g, const cJSON *from)
{
	struct json *node = arena_alloc(g->arena, sizeof(*node)), **end;

	if (node == NULL || !fill_value(g, from, node))
		return NULL;
	g->nodes--;
	if (from->string != NULL) {
		node->name = arena_strdup(g->arena, from->string);
		if (node->name == NULL)
			return NULL;
	}
	end = &node->child;
	for (const cJSON *child = from->child; child != NULL; child = child->next) {
		*end = copy_node(g, child);
		if (*end == NULL)
			return NULL;
		end = &(*end)->next;
	}
	return node;
}

/* Parses the accepted text with cJSON, and copies the result. The bytes are copied first, because
 * cJSON needs a final NUL to see that it has read everything. */
static enum err
read_tree(struct gate *g, struct json **out)
{
	char *text = arena_copy(g->arena, g->text, g->len);
	struct json *tree;
	cJSON *parsed;

	if (text == NULL)
		return no_memory(g);
	out_of_memory = false;
	parsed = cJSON_ParseWithLengthOpts(text, g->len + 1, NULL, true);
	if (parsed == NULL && out_of_memory)
		return no_memory(g);
	tree = parsed != NULL ? copy_node(g, parsed) : NULL;
	cJSON_Delete(parsed);
	if (arena_failed(g->arena))
		return no_memory(g);
	if (tree == NULL || g->numbers != NULL || g->nodes != 0)
		return err_set(g->error, ERR_INVALID_BODY, NULL,
			       "The body can be read in more than one way: send plain JSON.");
	*out = tree;
	return ERR_NONE;
}

enum err
json_parse(struct arena *a, const char *text, size_t len, struct json **out, struct error *e)
{
	return json_parse_many(a, text, len, JSON_NODES_MAX, out, e);
}

enum err
json_parse_many(struct arena *a, const char *text, size_t len, unsigned nodes_max,
		struct json **out, struct error *e)
{
	struct gate g = {.arena = a, .text = text, .len = len, .nodes_max = nodes_max, .error = e};
	enum err code;

	g.numbers_end = &g.numbers;
	gate_skip_blanks(&g);
	if (g.at == len) {
		struct json *empty = json_object(a);

		if (empty == NULL)
			return no_memory(&g);
		*out = empty;
		return ERR_NONE;
	}
	g.at = 0;
	code = gate_text(&g);
	return code == ERR_NONE ? read_tree(&g, out) : code;
}

/* Reading and building. */

const struct json *
json_member(const struct json *node, const char *name)
{
	if (node == NULL || node->type != JSON_OBJECT)
		return NULL;
	for (const struct json *m = node->child; m != NULL; m = m->next)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

struct json *
json_object(struct arena *a)
{
	struct json *object = arena_alloc(a, sizeof(*object));

	if (object != NULL)
		object->type = JSON_OBJECT;
	return object;
}

static struct json *
string_node(struct arena *a, const char *value)
{
	struct json *node = arena_alloc(a, sizeof(*node));

	if (node == NULL)
		return NULL;
	node->type = JSON_STRING;
	node->text = arena_strdup(a, value);
	return node->text != NULL ? node : NULL;
}

/* Turns a member into an array that contains its old value. */
static bool
wrap(struct arena *a, struct json *member)
{
	struct json *first = arena_alloc(a, sizeof(*first));

	if (first == NULL)
		return false;
	first->type = member->type;
	first->text = member->text;
	first->child = member->child;
	member->type = JSON_ARRAY;
	member->text = NULL;
	member->child = first;
	return true;
}

struct json *
json_add_string(struct arena *a, struct json *object, const char *name, const char *value)
{
	struct json *node = string_node(a, value), **end = &object->child;

	if (node == NULL)
		return NULL;
	while (*end != NULL && strcmp((*end)->name, name) != 0)
		end = &(*end)->next;
	if (*end == NULL) {
		node->name = arena_strdup(a, name);
		if (node->name == NULL)
			return NULL;
	} else {
		if ((*end)->type != JSON_ARRAY && !wrap(a, *end))
			return NULL;
		end = &(*end)->child;
		while (*end != NULL)
			end = &(*end)->next;
	}
	*end = node;
	return node;
}
