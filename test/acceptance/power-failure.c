/*
 * What a power failure does to a process's files, as a library to preload (LD_PRELOAD): at the
 * signal SIGRTMIN + 6 every byte under POWER_FOLDER that was not synced is gone, and so is the
 * process (exit code 137).
 *
 * It remembers of each file how long it was when it was last synced. At the signal, first all other
 * threads are stopped for good (so that nothing is written, synced or sent any more), then every
 * file is cut to that length; one that was never synced is cut to nothing. Files that were there
 * when the process started count as synced. Names (a new file, a rename, a removal) count as kept:
 * a journal keeps them in order.
 *
 * A real-time signal, because Node resets the others when it starts.
 *
 * KEEP_PART=1: a file keeps a random part of its bytes behind that length, as a disk may.
 *
 * DROP_FSYNC=1: syncing a write-ahead log (*.log) does nothing and answers that all is well, which
 * is what LevelDB's `sync: false` amounts to. For the control: then writes must be found missing.
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 65536
#define PATH_BYTES 1024

/* Birth time tells a file from an earlier one that had the same inode. */
struct file {
  uint64_t inode;
  int64_t born_s;
  uint32_t born_ns;
  _Atomic int64_t synced; /* -1: never */
};

static struct file files[FILES_MAX];
static _Atomic int file_count;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_BYTES];
static size_t folder_bytes;
static int drop_log_syncs;
static int keep_part;
static sem_t power;
static _Atomic int frozen;
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

static void give_up(const char *why) {
  (void)!write(2, why, strlen(why));
  _exit(99);
}

static struct file *find(const struct statx *stat) {
  int count = atomic_load(&file_count);
  for (int i = count - 1; i >= 0; i--)
    if (files[i].inode == stat->stx_ino && files[i].born_s == stat->stx_btime.tv_sec &&
        files[i].born_ns == stat->stx_btime.tv_nsec)
      return &files[i];
  return NULL;
}

static void mark(const struct statx *stat) {
  struct file *file = find(stat);
  if (file == NULL) {
    pthread_mutex_lock(&adding);
    file = find(stat);
    if (file == NULL) {
      int at = atomic_load(&file_count);
      if (at == FILES_MAX) give_up("power-failure: too many files\n");
      file = &files[at];
      file->inode = stat->stx_ino;
      file->born_s = stat->stx_btime.tv_sec;
      file->born_ns = stat->stx_btime.tv_nsec;
      atomic_store(&file->synced, -1);
      atomic_store(&file_count, at + 1);
    }
    pthread_mutex_unlock(&adding);
  }
  atomic_store(&file->synced, (int64_t)stat->stx_size);
}

static int look(int at, const char *path, int flags, struct statx *stat) {
  if (statx(at, path, flags, STATX_BASIC_STATS | STATX_BTIME, stat) != 0) return -1;
  if (!(stat->stx_mask & STATX_BTIME)) give_up("power-failure: files have no birth time here\n");
  return 0;
}

/* Calls `visit` for each file. Allocates nothing: a stopped thread may hold the lock for that. */
static void each_file(const char *path, void (*visit)(int at, const char *name)) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  char entries[8192];
  for (;;) {
    long size = syscall(SYS_getdents64, fd, entries, sizeof entries);
    if (size <= 0) break;
    for (long at = 0; at < size;) {
      struct { uint64_t ino; int64_t off; uint16_t reclen; uint8_t type; } head;
      memcpy(&head, entries + at, 19);
      const char *name = entries + at + 19;
      if (head.type == DT_DIR && strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
        char inner[PATH_BYTES];
        size_t bytes = strlen(path);
        if (bytes + strlen(name) + 2 > sizeof inner) give_up("power-failure: path too long\n");
        memcpy(inner, path, bytes);
        inner[bytes] = '/';
        strcpy(inner + bytes + 1, name);
        each_file(inner, visit);
      } else if (head.type == DT_REG) {
        visit(fd, name);
      }
      at += head.reclen;
    }
  }
  close(fd);
}

static void believe(int at, const char *name) {
  struct statx stat;
  if (look(at, name, AT_SYMLINK_NOFOLLOW, &stat) == 0) mark(&stat);
}

static void cut(int at, const char *name) {
  struct statx stat;
  if (look(at, name, AT_SYMLINK_NOFOLLOW, &stat) != 0) return;
  struct file *file = find(&stat);
  int64_t keep = file == NULL ? 0 : atomic_load(&file->synced);
  if (keep < 0) keep = 0;
  if ((int64_t)stat.stx_size <= keep) return;
  uint64_t chance;
  if (keep_part && getrandom(&chance, sizeof chance, 0) == sizeof chance)
    keep += chance % (stat.stx_size - keep + 1);
  int fd = openat(at, name, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || ftruncate(fd, keep) != 0) give_up("power-failure: cannot cut a file\n");
  close(fd);
}

/* The handler of the other threads: they never go on. */
static void freeze(int signal) {
  (void)signal;
  atomic_fetch_add(&frozen, 1);
  for (;;) pause();
}

/* Node's thread that waits for a debugger blocks all signals for good; it touches no files. */
static int is_deaf(pid_t thread) {
  char path[64], status[4096];
  snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t size = read(fd, status, sizeof status - 1);
  close(fd);
  status[size < 0 ? 0 : size] = 0;
  const char *blocked = strstr(status, "SigBlk:");
  if (blocked == NULL) return 0;
  return (int)(strtoull(blocked + 7, NULL, 16) >> (SIGRTMIN + 7 - 1) & 1);
}

static void stop_others(void) {
  static pid_t told[4096];
  int told_count = 0;
  pid_t self = (pid_t)syscall(SYS_gettid);
  /* Until a look at the list shows nobody new: a thread may start another one meanwhile. */
  for (int news = 1; news > 0;) {
    news = 0;
    int fd = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char entries[8192];
    for (long size; (size = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0;) {
      for (long at = 0; at < size;) {
        uint16_t reclen;
        memcpy(&reclen, entries + at + 16, 2);
        pid_t thread = (pid_t)atoi(entries + at + 19);
        at += reclen;
        if (thread <= 0 || thread == self || is_deaf(thread)) continue;
        int known = 0;
        for (int i = 0; i < told_count && !known; i++) known = told[i] == thread;
        if (known || told_count == 4096) continue;
        if (syscall(SYS_tgkill, getpid(), thread, SIGRTMIN + 7) != 0) continue;
        told[told_count++] = thread;
        news++;
      }
    }
    close(fd);
    /* One that waits for the disk takes the signal when the disk has answered. */
    struct timespec pause_time = {0, 1000000};
    for (int tries = 0; atomic_load(&frozen) < told_count && tries < 5000; tries++)
      nanosleep(&pause_time, NULL);
    if (atomic_load(&frozen) < told_count) give_up("power-failure: a thread does not stop\n");
  }
}

static void *wait_for_failure(void *nothing) {
  (void)nothing;
  while (sem_wait(&power) != 0) continue;
  stop_others();
  each_file(folder, cut);
  _exit(137);
}

static void on_signal(int signal) {
  (void)signal;
  sem_post(&power);
}

static int is_set(const char *name) {
  const char *value = getenv(name);
  return value != NULL && strcmp(value, "1") == 0;
}

__attribute__((constructor)) static void begin(void) {
  real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  const char *place = getenv("POWER_FOLDER");
  if (place == NULL || realpath(place, folder) == NULL) give_up("power-failure: no POWER_FOLDER\n");
  folder_bytes = strlen(folder);
  drop_log_syncs = is_set("DROP_FSYNC");
  keep_part = is_set("KEEP_PART");
  each_file(folder, believe);
  sem_init(&power, 0, 0);
  struct sigaction action = {.sa_handler = freeze};
  sigfillset(&action.sa_mask);
  sigaction(SIGRTMIN + 7, &action, NULL);
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(SIGRTMIN + 6, &action, NULL);
  pthread_t thread;
  if (pthread_create(&thread, NULL, wait_for_failure, NULL) != 0)
    give_up("power-failure: no thread\n");
}

static int is_ours(int fd, char *path, size_t bytes) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, bytes - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return strncmp(path, folder, folder_bytes) == 0 && path[folder_bytes] == '/';
}

static int is_log(const char *path) {
  size_t bytes = strlen(path);
  return bytes > 4 && strcmp(path + bytes - 4, ".log") == 0;
}

/* The length before the call is what a success is sure of. */
static int synced(int fd, int (*sync)(int)) {
  char path[PATH_BYTES];
  struct statx stat;
  int ours = is_ours(fd, path, sizeof path);
  if (ours && drop_log_syncs && is_log(path)) return 0;
  int known = ours && look(fd, "", AT_EMPTY_PATH, &stat) == 0;
  int result = sync(fd);
  int error = errno;
  if (known && result == 0 && S_ISREG(stat.stx_mode)) mark(&stat);
  errno = error;
  return result;
}

int fdatasync(int fd) { return synced(fd, real_fdatasync); }
int fsync(int fd) { return synced(fd, real_fsync); }
