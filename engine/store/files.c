/* files.c - see files.h. */
#include "files.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

typedef struct job {
  struct job *next;
  void (*work)(void *arg);
  void *arg;
  int *fault; /* where errno goes, and -1 was until then; NULL: nobody waits */
} job;

struct store_files {
  pthread_t thread;
  pthread_mutex_t lock; /* of all below */
  pthread_cond_t asked, done;
  job *first, **end;
  int stops;
};

/* With the lock. */
static void put(store_files *files, job *one) {
  one->next = NULL;
  *files->end = one;
  files->end = &one->next;
  pthread_cond_signal(&files->asked);
}

static void *serve(void *argument) {
  store_files *files = argument;
  pthread_mutex_lock(&files->lock);
  for (;;) {
    while (files->first == NULL && !files->stops) pthread_cond_wait(&files->asked, &files->lock);
    job *one = files->first;
    if (one == NULL) break;
    files->first = one->next;
    if (files->first == NULL) files->end = &files->first;
    pthread_mutex_unlock(&files->lock);
    errno = 0;
    one->work(one->arg);
    int fault = errno, *waits = one->fault;
    if (waits == NULL) free(one);
    pthread_mutex_lock(&files->lock);
    if (waits != NULL) {
      *waits = fault;
      pthread_cond_broadcast(&files->done);
    }
  }
  pthread_mutex_unlock(&files->lock);
  return NULL;
}

store_files *store_files_start(void) {
  store_files *files = calloc(1, sizeof *files);
  if (files == NULL) return NULL;
  files->end = &files->first;
  pthread_mutex_init(&files->lock, NULL);
  pthread_cond_init(&files->asked, NULL);
  pthread_cond_init(&files->done, NULL);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the program's own threads */
  int failed = pthread_create(&files->thread, NULL, serve, files);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed) {
    free(files);
    return NULL;
  }
  return files;
}

void store_files_stop(store_files *files) {
  if (files == NULL) return;
  pthread_mutex_lock(&files->lock);
  files->stops = 1;
  pthread_cond_signal(&files->asked);
  pthread_mutex_unlock(&files->lock);
  pthread_join(files->thread, NULL);
  pthread_mutex_destroy(&files->lock);
  pthread_cond_destroy(&files->asked);
  pthread_cond_destroy(&files->done);
  free(files);
}

void store_files_do(store_files *files, void (*work)(void *arg), void *arg) {
  if (files == NULL) {
    work(arg);
    return;
  }
  int fault = -1;
  job one = {.work = work, .arg = arg, .fault = &fault};
  pthread_mutex_lock(&files->lock);
  put(files, &one);
  while (fault < 0) pthread_cond_wait(&files->done, &files->lock);
  pthread_mutex_unlock(&files->lock);
  errno = fault;
}

void store_files_ask(store_files *files, void (*work)(void *arg), void *arg) {
  job *one = files != NULL ? malloc(sizeof *one) : NULL;
  if (one == NULL) {
    work(arg);
    return;
  }
  *one = (job){.work = work, .arg = arg};
  pthread_mutex_lock(&files->lock);
  put(files, one);
  pthread_mutex_unlock(&files->lock);
}
