/* context.c - errors, accounts, and when to stop: what a thread brings along. */
#include "context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local const pvt_context *current;
static _Thread_local char message[PVT_ERROR_MAX];
static _Thread_local int last_status;
static _Thread_local bool helps;

const char *pvt_error(void) {
  return message;
}

int pvt_error_status(void) {
  return last_status;
}

int pvt_fail(int status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  last_status = status;
  return status;
}

const pvt_context *pvt_context_set(const pvt_context *context) {
  const pvt_context *before = current;
  current = context;
  return before;
}

const pvt_context *pvt_context_get(void) {
  return current;
}

pvt_account *pvt_context_account(void) {
  return current != NULL ? current->account : NULL;
}

int pvt_poll(void) {
  const pvt_context *context = current;
  if (context == NULL || context->attention == NULL) return PVT_OK;
  if (atomic_load_explicit((_Atomic uint32_t *)context->attention, memory_order_relaxed) == 0)
    return PVT_OK;
  if (context->attend == NULL || context->attend(context->arg) != 0)
    return pvt_fail(PVT_E_CANCELLED, "stopped before it was done");
  return PVT_OK;
}

#define BYTES_AT_ONCE ((int64_t)1 << 18)

int pvt_copy_bytes(void *to, const void *from, size_t bytes) {
  pvt_pieces t = {.n = (int64_t)bytes, .size = BYTES_AT_ONCE};
  while (pvt_piece(&t))
    memcpy((char *)to + t.first, (const char *)from + t.first, (size_t)(t.end - t.first));
  return t.status;
}

int pvt_clear_bytes(void *to, size_t bytes) {
  pvt_pieces t = {.n = (int64_t)bytes, .size = BYTES_AT_ONCE};
  while (pvt_piece(&t)) memset((char *)to + t.first, 0, (size_t)(t.end - t.first));
  return t.status;
}

void pvt_context_helps(void) {
  helps = true;
}

/* ---- Accounts ----------------------------------------------------------- */

struct pvt_account {
  _Atomic uint32_t references; /* of who opened it, and of every buffer that it paid for */
  _Atomic size_t bytes;
  _Atomic size_t peak;
  int (*admit)(void *arg, size_t bytes); /* only on the opener's thread */
  void *arg;
};

pvt_account *pvt_account_new(int (*admit)(void *arg, size_t bytes), void *arg) {
  /* a cache line of its own: two VMs count on different cores */
  pvt_account *account = aligned_alloc(64, (sizeof *account + 63) / 64 * 64);
  if (account == NULL) {
    pvt_fail(PVT_E_NOMEM, "out of memory");
    return NULL;
  }
  memset(account, 0, sizeof *account);
  atomic_init(&account->references, 1);
  account->admit = admit;
  account->arg = arg;
  return account;
}

pvt_account *pvt_account_retain(pvt_account *account) {
  if (account != NULL) atomic_fetch_add_explicit(&account->references, 1, memory_order_relaxed);
  return account;
}

void pvt_account_release(pvt_account *account) {
  if (account != NULL &&
      atomic_fetch_sub_explicit(&account->references, 1, memory_order_acq_rel) == 1)
    free(account);
}

void pvt_account_close(pvt_account *account) {
  if (account == NULL) return;
  account->admit = NULL;
  pvt_account_release(account);
}

size_t pvt_account_bytes(const pvt_account *account) {
  return atomic_load_explicit((_Atomic size_t *)&account->bytes, memory_order_relaxed);
}

size_t pvt_account_peak(const pvt_account *account) {
  return atomic_load_explicit((_Atomic size_t *)&account->peak, memory_order_relaxed);
}

int pvt_account_charge(pvt_account *account, size_t bytes) {
  if (account == NULL) return PVT_OK;
  if (account->admit != NULL && !helps && !account->admit(account->arg, bytes))
    return pvt_fail(PVT_E_QUOTA, "an array of %zu bytes is more than the task's memory limit",
                    bytes);
  size_t now = atomic_fetch_add_explicit(&account->bytes, bytes, memory_order_relaxed) + bytes;
  if (now > atomic_load_explicit(&account->peak, memory_order_relaxed))
    atomic_store_explicit(&account->peak, now, memory_order_relaxed);
  return PVT_OK;
}

void pvt_account_refund(pvt_account *account, size_t bytes) {
  if (account != NULL) atomic_fetch_sub_explicit(&account->bytes, bytes, memory_order_relaxed);
}
