/* quota: what one account may take of what all share. */
#include "resource/quota.h"

#include "model/schema.h"
#include "shared/limiter.h"
#include "store/store.h"

const char quota_too_many[] = "Your account has made too many changes in the last minute: wait as "
			      "long as Retry-After says.";

int64_t
quota_account(const struct context *c)
{
	return c->id->person_id != 0 ? c->id->person_id : c->id->user_id;
}

enum err
quota_count(const struct context *c, const struct limit *limit, const char *why, struct error *e)
{
	char who[ID_TEXT_SIZE];

	(void)id_write(who, &family_account, quota_account(c));
	e->retry_after_s = limiter_take(limit, who, c->now_ms / 1000);
	return e->retry_after_s == 0 ? ERR_NONE : err_set(e, ERR_TOO_MANY, NULL, why);
}

enum err
quota_take_room(const struct context *c, size_t bytes, struct error *e)
{
	const struct limit *limit = &c->limits.room;
	char who[ID_TEXT_SIZE];

	if (limit->table == NULL || limit->most == 0)
		return ERR_NONE;
	int64_t room = store_free_room(c->store);
	if (room <= 0 || room == INT64_MAX) /* without room the store refuses it */
		return ERR_NONE;
	(void)id_write(who, &family_account, quota_account(c));
	e->retry_after_s = limiter_take_part(limit, who, bytes,
					     (uint64_t)room / 100 * (uint64_t)c->limits.room_share,
					     c->now_ms / 1000);
	return e->retry_after_s == 0
		       ? ERR_NONE
		       : err_set(e, ERR_TOO_MANY, NULL,
				 "Your account has used its share of the free disk space for "
				 "today: wait as long as Retry-After says, or ask an administrator "
				 "for room_per_account or a larger disk.");
}
