/* sources: their functions, by enum source_id. */
#include "renew/sources.h"

const struct source_calls sources[SOURCE__COUNT] = {
	[SOURCE_AZURE] = {.fetch = azure_fetch},
	[SOURCE_ECR] = {.fetch = ecr_fetch},
	[SOURCE_ECR_PUBLIC] = {.fetch = ecr_public_fetch},
	[SOURCE_EXEC] = {.fetch = exec_fetch},
	[SOURCE_GITHUB] = {.fetch = github_fetch},
	[SOURCE_GITLAB] = {.fetch = gitlab_fetch, .discard = gitlab_discard},
	[SOURCE_GOOGLE] = {.fetch = google_fetch},
	[SOURCE_HARBOR] = {.fetch = harbor_fetch},
	[SOURCE_QUAY] = {.fetch = quay_fetch},
	[SOURCE_VAULT] = {.fetch = vault_fetch},
};
