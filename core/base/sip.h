/* A hash with a seed that peers cannot know, for tables whose names they choose: SipHash-1-3. Pure. */
#ifndef NKI_BASE_SIP_H
#define NKI_BASE_SIP_H

#include "base/str.h"

uint64_t nki_sip_hash(const uint64_t seed[2], struct nki_str text);

#endif
