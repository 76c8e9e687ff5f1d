/* seal.c - see seal.h. */
#include "seal.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "checksum.h"

#define VAULT_BYTES ((sizeof(store_vault) + 4095) & ~(size_t)4095)

static int random_bytes(void *to, size_t len) {
  return getrandom(to, len, 0) == (ssize_t)len ? 0 : -1; /* up to 256 bytes never come in part */
}

store_vault *store_vault_new(const store_sealing *sealing) {
  store_vault *vault =
      mmap(NULL, VAULT_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (vault == MAP_FAILED) return NULL;
  madvise(vault, VAULT_BYTES, MADV_DONTDUMP);
  madvise(vault, VAULT_BYTES, MADV_DONTFORK);
  mlock(vault, VAULT_BYTES); /* where the limits permit it */
  vault->sealing = *sealing;
  return vault;
}

void store_vault_free(store_vault *vault) {
  if (vault == NULL) return;
  explicit_bzero(vault, VAULT_BYTES);
  munmap(vault, VAULT_BYTES);
}

/* ---- Data keys ---------------------------------------------------------- */

int store_data_key_new(store_data_key *key, const store_vault *vault) {
  key->vault = vault;
  key->cipher = vault->sealing.aes_seal != NULL ? STORE_AES : STORE_XCHACHA;
  return random_bytes(key->key, sizeof key->key);
}

static uint32_t sum_of(const store_wrapped *wrapped) {
  uint32_t sum = store_checksum(0, wrapped, offsetof(store_wrapped, checksum));
  return store_checksum(sum, wrapped->nonce, sizeof wrapped->nonce + sizeof wrapped->key);
}

int store_wrap(store_wrapped *wrapped, const store_data_key *key, const void *bound,
               size_t bound_len) {
  const store_sealing *sealing = &key->vault->sealing;
  unsigned long long len;
  memcpy(wrapped->key_id, sealing->key_id, sizeof wrapped->key_id);
  wrapped->cipher = key->cipher;
  if (random_bytes(wrapped->nonce, sizeof wrapped->nonce) != 0) return -1;
  sealing->xchacha_seal(wrapped->key, &len, key->key, sizeof key->key, bound, bound_len, NULL,
                        wrapped->nonce, sealing->key);
  wrapped->checksum = sum_of(wrapped);
  return 0;
}

int store_wrapped_is_whole(const store_wrapped *wrapped) {
  return wrapped->cipher != 0 && wrapped->checksum == sum_of(wrapped);
}

int store_unwrap(const store_wrapped wrapped[2], const store_vault *vault, const void *bound,
                 size_t bound_len, store_data_key *key) {
  const store_sealing *sealing = &vault->sealing;
  int status = STORE_E_DAMAGED;
  for (int i = 0; i < 2; i++) {
    const store_wrapped *one = &wrapped[i];
    if (!store_wrapped_is_whole(one)) continue;
    if (memcmp(one->key_id, sealing->key_id, sizeof one->key_id) != 0) {
      if (status == STORE_E_DAMAGED) status = STORE_E_KEY;
      continue;
    }
    unsigned long long len;
    if (sealing->xchacha_unseal(key->key, &len, NULL, one->key, sizeof one->key, bound, bound_len,
                                one->nonce, sealing->key) != 0)
      return STORE_E_DAMAGED;
    key->vault = vault;
    key->cipher = one->cipher;
    if (key->cipher == STORE_XCHACHA || (key->cipher == STORE_AES && sealing->aes_seal != NULL))
      return STORE_OK;
    explicit_bzero(key, sizeof *key);
    return STORE_E_VERSION;
  }
  return status;
}

/* ---- Blocks ------------------------------------------------------------- */

void store_seal_block(const store_data_key *key, uint64_t number, const void *bound,
                      size_t bound_len, const void *plain, size_t len, void *sealed) {
  const store_sealing *sealing = &key->vault->sealing;
  store_seal *seal = key->cipher == STORE_AES ? sealing->aes_seal : sealing->xchacha_seal;
  unsigned char nonce[STORE_NONCE_BYTES] = {0};
  unsigned long long sealed_len;
  memcpy(nonce, &number, sizeof number);
  seal(sealed, &sealed_len, plain, len, bound, bound_len, NULL, nonce, key->key);
}

int store_unseal_block(const store_data_key *key, uint64_t number, const void *bound,
                       size_t bound_len, const void *sealed, size_t sealed_len, void *plain) {
  const store_sealing *sealing = &key->vault->sealing;
  store_unseal *unseal = key->cipher == STORE_AES ? sealing->aes_unseal : sealing->xchacha_unseal;
  unsigned char nonce[STORE_NONCE_BYTES] = {0};
  unsigned long long len;
  memcpy(nonce, &number, sizeof number);
  return unseal(plain, &len, NULL, sealed, sealed_len, bound, bound_len, nonce, key->key) == 0 ? 0
                                                                                               : -1;
}
