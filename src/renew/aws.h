/* aws: requests to AWS, signed; the keys that sign them; and what its errors mean.  For
 * renew/ecr.c.
 */
#ifndef REGCRED_RENEW_AWS_H
#define REGCRED_RENEW_AWS_H

#include <stdbool.h>

#include "renew/ask.h"
#include "renew/source.h"

/* A region and how its hosts are called. */
struct aws_place {
	const char *region; /* "eu-central-1" */
	const char *suffix; /* "amazonaws.com" */
	bool fips;
};

struct aws_keys {
	const char *id, *secret;
	const char *session; /* NULL: none, the keys are no temporary ones */
};

/* Only letters, digits and '-': it becomes part of host names. */
bool aws_is_region(const char *text);
/* The suffix of the hosts of a region, by how its name begins. */
const char *aws_suffix_of(const char *region);

/* The keys for requests in this place: those of sourceConfig, of a web identity or of the machine,
 * and with roleArn those of that role. */
enum renew_result aws_find_keys(struct renewal *r, const struct aws_place *place,
				struct aws_keys *out) __attribute__((warn_unused_result));

/* One request with a JSON body to a service; the result is explained. */
struct aws_call {
	const char *url, *service, *region;
	const char *target; /* X-Amz-Target */
	const char *body, *wants;
};
enum renew_result aws_ask(struct renewal *r, const struct aws_keys *keys,
			  const struct aws_call *call, struct ask_answer *out)
	__attribute__((warn_unused_result));

#endif
