/* sources: the functions of each source, for sources.c; and where one is asked, for survey.c. */
#ifndef REGCRED_RENEW_SOURCES_H
#define REGCRED_RENEW_SOURCES_H

#include "renew/source.h"

enum renew_result azure_fetch(struct renewal *r);
enum renew_result ecr_fetch(struct renewal *r);
enum renew_result ecr_public_fetch(struct renewal *r);
enum renew_result exec_fetch(struct renewal *r);
enum renew_result github_fetch(struct renewal *r);
enum renew_result google_fetch(struct renewal *r);
enum renew_result gitlab_fetch(struct renewal *r);
enum renew_result gitlab_discard(struct renewal *r);
enum renew_result harbor_fetch(struct renewal *r);
enum renew_result quay_fetch(struct renewal *r);
enum renew_result vault_fetch(struct renewal *r);

/* The URL of the API of ECR for the registry at r->address, unless sourceConfig has an endpoint;
 * NULL: it is not known, or out of memory. */
const char *ecr_api(struct renewal *r);

#endif
