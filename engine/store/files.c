/* files.c - see files.h. */
#include "files.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct store_files {
  pthread_t thread;
  pthread_mutex_t turn; /* whoever has it has work done; taken before the other one */
  pthread_mutex_t lock; /* of all below */
  pthread_cond_t asked, done;
  void (*work)(void *arg); /* NULL: there is none */
  void *arg;
  int fault; /* errno, behind the work */
  int stops;
};

static void *serve(void *argument) {
  store_files *files = argument;
  pthread_mutex_lock(&files->lock);
  for (;;) {
    while (files->work == NULL && !files->stops) pthread_cond_wait(&files->asked, &files->lock);
    if (files->work == NULL) break;
    errno = 0;
    files->work(files->arg);
    files->fault = errno;
    files->work = NULL;
    pthread_cond_signal(&files->done);
  }
  pthread_mutex_unlock(&files->lock);
  return NULL;
}

store_files *store_files_start(void) {
  store_files *files = calloc(1, sizeof *files);
  if (files == NULL) return NULL;
  pthread_mutex_init(&files->turn, NULL);
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
  pthread_mutex_destroy(&files->turn);
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
  pthread_mutex_lock(&files->turn);
  pthread_mutex_lock(&files->lock);
  files->work = work;
  files->arg = arg;
  pthread_cond_signal(&files->asked);
  while (files->work != NULL) pthread_cond_wait(&files->done, &files->lock);
  int fault = files->fault;
  pthread_mutex_unlock(&files->lock);
  pthread_mutex_unlock(&files->turn);
  errno = fault;
}
