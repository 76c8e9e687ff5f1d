/* seal.h - the store's key, each segment's own, and blocks of bytes sealed by that.
**
** A data key seals the blocks of one segment and nothing else, in one life of one process: so the
** number of the block is its nonce. It is random, and in the segment's head, wrapped by the store's key
** under a random nonce of 24 bytes.
*/
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "segment.h"

#define STORE_TAG_BYTES 16u
#define STORE_NONCE_BYTES 24u /* the first 12 for AES-256-GCM */

/* The store's key, in a page that core dumps and forks leave out. */
typedef struct store_vault {
  store_sealing sealing;
} store_vault;

/* NULL without memory. */
store_vault *store_vault_new(const store_sealing *sealing);
/* Overwrites it. NULL is fine. */
void store_vault_free(store_vault *vault);

typedef enum store_cipher { STORE_XCHACHA = 1, STORE_AES = 2 } store_cipher;

typedef struct store_data_key {
  const store_vault *vault;
  uint32_t cipher;
  unsigned char key[STORE_KEY_BYTES];
} store_data_key;

/* A data key in a segment's head. A head has two of them: while the store's key is changed, the new one
** is there before the old one goes. */
typedef struct store_wrapped {
  unsigned char key_id[STORE_KEY_ID_BYTES]; /* of the store's key */
  uint32_t cipher;                          /* store_cipher; 0: nothing is here */
  uint32_t checksum;                        /* of the rest */
  unsigned char nonce[STORE_NONCE_BYTES];
  unsigned char key[STORE_KEY_BYTES + STORE_TAG_BYTES];
} store_wrapped;

/* A new random data key. 0, or -1: the system has no random bytes. */
int store_data_key_new(store_data_key *key, const store_vault *vault);
/* 0, or -1 as above. bound: what the wrapped key belongs to. */
int store_wrap(store_wrapped *wrapped, const store_data_key *key, const void *bound,
               size_t bound_len);
/* The one of two that this vault's key opens. STORE_OK, STORE_E_KEY: both are of other keys,
** STORE_E_DAMAGED, or STORE_E_VERSION: the processor, or this version, has no such cipher. */
int store_unwrap(const store_wrapped wrapped[2], const store_vault *vault, const void *bound,
                 size_t bound_len, store_data_key *key);
/* Is there a key in it, of whichever key of a store? */
int store_wrapped_is_whole(const store_wrapped *wrapped);

/* Seal len bytes to len + STORE_TAG_BYTES. */
void store_seal_block(const store_data_key *key, uint64_t number, const void *bound,
                      size_t bound_len, const void *plain, size_t len, void *sealed);
/* The other way; sealed_len counts the tag. 0, or -1: it is not as it was sealed. */
int store_unseal_block(const store_data_key *key, uint64_t number, const void *bound,
                       size_t bound_len, const void *sealed, size_t sealed_len, void *plain);

#endif
