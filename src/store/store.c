/* store: what is the same for every engine. */
#include "store/store.h"

#include "base/err.h"

enum {
	RETRY_AFTER_S = 5,
};

enum err
store_err(enum store_rc rc, struct error *e)
{
	switch (rc) {
	case STORE_FULL:
		return err_set(e, ERR_DISK_FULL, NULL,
			       "Free space on the disk of the database: it recovers by itself once "
			       "space is freed, and reading, deactivating and removing work "
			       "meanwhile.");
	case STORE_BUSY:
	case STORE_FAILED:
		(void)err_set(e, ERR_UNAVAILABLE, NULL, NULL);
		e->retry_after_s = RETRY_AFTER_S;
		return ERR_UNAVAILABLE;
	case STORE_OK:
	case STORE_NONE:
	case STORE_CONSTRAINT:
	case STORE_ABORTED:
	case STORE_NO_MEMORY:
		break;
	}
	return err_set(e, ERR_INTERNAL, NULL, NULL);
}
