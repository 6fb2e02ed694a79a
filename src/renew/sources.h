/* sources: the functions of each source, for sources.c only. */
#ifndef REGCRED_RENEW_SOURCES_H
#define REGCRED_RENEW_SOURCES_H

#include "renew/source.h"

#endif
