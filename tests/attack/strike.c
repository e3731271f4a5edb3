/* Strikes one system call of a process: loaded with LD_PRELOAD, told what to do through a shared page (struct page).
 *
 * Counts the calls of the watched kinds that are about files below a root folder, or about internet sockets, and at the
 * N-th kills the process, fails the call, shortens it or freezes the process. It also moves the clocks, so that a frozen
 * process has slept for as long as the test wants. `armed` is called by the process itself, after its fork.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum kind {
    CREATE = 1, OPEN = 2, READ = 4, WRITE = 8, SYNC = 16, RENAME = 32, LINK = 64, UNLINK = 128, MKDIR = 256,
    TRUNCATE = 512, CLOSE = 1024, LOCK = 2048, LIST = 4096, SPACE = 8192, STAT = 16384, CONNECT = 32768,
    SEND = 65536, RECEIVE = 131072, MODE = 262144,
};
enum deed { NOTHING, KILL, FAIL, FAIL_ON, SHORTEN, FREEZE };

struct page {
    volatile int64_t kinds, at, deed; /* orders */
    volatile int64_t realtime_ns, monotonic_ns, boottime_ns;
    volatile int64_t errors[20]; /* what a call fails with, by the number of its kind's bit */
    volatile int64_t calls, fired, frozen; /* answers */
    volatile int64_t kind, error;
    char root[512];
    char struck[512];
};

static struct page *page;
static size_t root_length;
static unsigned char watched[4096]; /* 1: a file below the root, 2: an internet socket */

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int armed(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return -1;
    void *mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped == MAP_FAILED) return -1;
    root_length = strlen(((struct page *)mapped)->root);
    page = mapped;
    return 0;
}

static int is_below(int folder, const char *path) {
    if (!page || !path) return 0;
    if (path[0] == '/') return !strncmp(path, page->root, root_length);
    return folder == AT_FDCWD || (folder >= 0 && folder < 4096 && watched[folder] == 1);
}

static int is_file(int fd) { return page && fd >= 0 && fd < 4096 && watched[fd] == 1; }
static int is_socket(int fd) { return page && fd >= 0 && fd < 4096 && watched[fd] == 2; }
static void watch(int fd, unsigned char what) { if (fd >= 0 && fd < 4096) watched[fd] = what; }

/* What to do about a call: NOTHING, FAIL (errno is set), SHORTEN. Does not return where the process is killed. */
static enum deed strike(enum kind kind, const char *name, int fd, const char *path) {
    if (!(page->kinds & kind)) return NOTHING;
    int64_t number = __atomic_add_fetch(&page->calls, 1, __ATOMIC_SEQ_CST);
    enum deed deed = page->deed;
    if (!page->at || number < page->at || (number > page->at && deed != FAIL_ON)) return NOTHING;
    if (deed == SHORTEN && kind != WRITE && kind != SEND) return NOTHING;
    int before = errno;
    if (!page->fired) {
        char link[64], found[400] = "";
        if (!path) {
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t length = readlink(link, found, sizeof found - 1);
            found[length > 0 ? length : 0] = 0;
        }
        snprintf(page->struck, sizeof page->struck, "%s %.400s", name, path ? path : found);
        page->kind = kind;
    }
    __atomic_add_fetch(&page->fired, 1, __ATOMIC_SEQ_CST);
    errno = before;
    switch (deed) {
    case KILL: kill(getpid(), SIGKILL); for (;;) pause();
    case FREEZE: page->frozen = 1; kill(getpid(), SIGSTOP); while (page->frozen) usleep(1000); return NOTHING;
    case FAIL: case FAIL_ON: page->error = page->errors[__builtin_ctz(kind)]; errno = (int)page->error; return FAIL;
    default: return deed;
    }
}

#define ABOUT_PATH(kind, folder, path, failed) \
    if (is_below(folder, path) && strike(kind, __func__, -1, path) == FAIL) return failed
#define ABOUT_FILE(kind, fd, failed) \
    if (is_file(fd) && strike(kind, __func__, fd, NULL) == FAIL) return failed

#define OPENS(name, folder_parameter, folder, ...) \
    int name(folder_parameter const char *path, int flags, ...) { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        int below = is_below(folder, path); \
        if (below && strike(flags & (O_CREAT | O_TRUNC) ? CREATE : OPEN, __func__, -1, path) == FAIL) return -1; \
        int fd = real(__VA_ARGS__ path, flags, mode); \
        if (page) watch(fd, below); \
        return fd; \
    }
#define COMMA ,
OPENS(open, , AT_FDCWD, )
OPENS(open64, , AT_FDCWD, )
OPENS(openat, int folder COMMA, folder, folder COMMA)
OPENS(openat64, int folder COMMA, folder, folder COMMA)

#define READS(name, type, parameters, ...) \
    ssize_t name parameters { REAL(name); ABOUT_FILE(READ, fd, -1); return real(__VA_ARGS__); }
READS(read, , (int fd, void *data, size_t length), fd, data, length)
READS(pread, , (int fd, void *data, size_t length, off_t at), fd, data, length, at)
READS(pread64, , (int fd, void *data, size_t length, off64_t at), fd, data, length, at)

#define WRITES(name, parameters, ...) \
    ssize_t name parameters { \
        REAL(name); \
        if (is_file(fd)) { \
            enum deed deed = strike(WRITE, __func__, fd, NULL); \
            if (deed == FAIL) return -1; \
            if (deed == SHORTEN && length > 1) length /= 2; \
        } \
        return real(__VA_ARGS__); \
    }
WRITES(write, (int fd, const void *data, size_t length), fd, data, length)
WRITES(pwrite, (int fd, const void *data, size_t length, off_t at), fd, data, length, at)
WRITES(pwrite64, (int fd, const void *data, size_t length, off64_t at), fd, data, length, at)

int fsync(int fd) { REAL(fsync); ABOUT_FILE(SYNC, fd, -1); return real(fd); }
int fdatasync(int fd) { REAL(fdatasync); ABOUT_FILE(SYNC, fd, -1); return real(fd); }
int syncfs(int fd) { REAL(syncfs); ABOUT_FILE(SYNC, fd, -1); return real(fd); }
int ftruncate(int fd, off_t length) { REAL(ftruncate); ABOUT_FILE(TRUNCATE, fd, -1); return real(fd, length); }
int ftruncate64(int fd, off64_t length) { REAL(ftruncate64); ABOUT_FILE(TRUNCATE, fd, -1); return real(fd, length); }
int flock(int fd, int what) { REAL(flock); ABOUT_FILE(LOCK, fd, -1); return real(fd, what); }
int fchmod(int fd, mode_t mode) { REAL(fchmod); ABOUT_FILE(MODE, fd, -1); return real(fd, mode); }
int fstatvfs64(int fd, struct statvfs64 *into) { REAL(fstatvfs64); ABOUT_FILE(SPACE, fd, -1); return real(fd, into); }
int fstatvfs(int fd, struct statvfs *into) { REAL(fstatvfs); ABOUT_FILE(SPACE, fd, -1); return real(fd, into); }
int statvfs(const char *path, struct statvfs *into) {
    REAL(statvfs); ABOUT_PATH(SPACE, AT_FDCWD, path, -1); return real(path, into);
}
int fstat64(int fd, struct stat64 *into) { REAL(fstat64); ABOUT_FILE(STAT, fd, -1); return real(fd, into); }
int fstat(int fd, struct stat *into) { REAL(fstat); ABOUT_FILE(STAT, fd, -1); return real(fd, into); }
int stat64(const char *path, struct stat64 *into) {
    REAL(stat64); ABOUT_PATH(STAT, AT_FDCWD, path, -1); return real(path, into);
}
int lstat64(const char *path, struct stat64 *into) {
    REAL(lstat64); ABOUT_PATH(STAT, AT_FDCWD, path, -1); return real(path, into);
}
int fstatat64(int folder, const char *path, struct stat64 *into, int flags) {
    REAL(fstatat64); ABOUT_PATH(STAT, folder, path, -1); return real(folder, path, into, flags);
}
int rename(const char *from, const char *to) {
    REAL(rename); ABOUT_PATH(RENAME, AT_FDCWD, to, -1); return real(from, to);
}
int renameat(int here, const char *from, int there, const char *to) {
    REAL(renameat); ABOUT_PATH(RENAME, there, to, -1); return real(here, from, there, to);
}
int renameat2(int here, const char *from, int there, const char *to, unsigned flags) {
    REAL(renameat2); ABOUT_PATH(RENAME, there, to, -1); return real(here, from, there, to, flags);
}
int link(const char *from, const char *to) { REAL(link); ABOUT_PATH(LINK, AT_FDCWD, to, -1); return real(from, to); }
int linkat(int here, const char *from, int there, const char *to, int flags) {
    REAL(linkat); ABOUT_PATH(LINK, there, to, -1); return real(here, from, there, to, flags);
}
int unlink(const char *path) { REAL(unlink); ABOUT_PATH(UNLINK, AT_FDCWD, path, -1); return real(path); }
int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat); ABOUT_PATH(UNLINK, folder, path, -1); return real(folder, path, flags);
}
int rmdir(const char *path) { REAL(rmdir); ABOUT_PATH(UNLINK, AT_FDCWD, path, -1); return real(path); }
int mkdir(const char *path, mode_t mode) { REAL(mkdir); ABOUT_PATH(MKDIR, AT_FDCWD, path, -1); return real(path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) {
    REAL(mkdirat); ABOUT_PATH(MKDIR, folder, path, -1); return real(folder, path, mode);
}
DIR *opendir(const char *path) { REAL(opendir); ABOUT_PATH(LIST, AT_FDCWD, path, NULL); return real(path); }
DIR *fdopendir(int fd) { REAL(fdopendir); ABOUT_FILE(LIST, fd, NULL); return real(fd); }

/* A close that fails has closed all the same: that is what Linux does. */
int close(int fd) {
    REAL(close);
    enum deed deed = is_file(fd) ? strike(CLOSE, __func__, fd, NULL) : NOTHING;
    if (page) watch(fd, 0);
    int code = real(fd);
    if (deed != FAIL) return code;
    errno = (int)page->error;
    return -1;
}

int socket(int family, int type, int protocol) {
    REAL(socket);
    int fd = real(family, type, protocol);
    if (page && family == AF_INET) watch(fd, 2);
    return fd;
}
int connect(int fd, const struct sockaddr *to, socklen_t length) {
    REAL(connect);
    if (is_socket(fd) && strike(CONNECT, __func__, fd, NULL) == FAIL) return -1;
    return real(fd, to, length);
}
ssize_t send(int fd, const void *data, size_t length, int flags) {
    REAL(send);
    if (is_socket(fd)) {
        enum deed deed = strike(SEND, __func__, fd, NULL);
        if (deed == FAIL) return -1;
        if (deed == SHORTEN && length > 1) length /= 2;
    }
    return real(fd, data, length, flags);
}
/* Struck after the answer is there: that is the moment at which it begins to grow old. */
ssize_t recv(int fd, void *data, size_t length, int flags) {
    REAL(recv);
    ssize_t code = real(fd, data, length, flags);
    if (is_socket(fd) && strike(RECEIVE, __func__, fd, NULL) == FAIL) return -1;
    return code;
}

static int64_t shift_of(clockid_t clock) {
    if (!page) return 0;
    return clock == CLOCK_REALTIME ? page->realtime_ns
        : clock == CLOCK_MONOTONIC ? page->monotonic_ns
        : clock == CLOCK_BOOTTIME ? page->boottime_ns : 0;
}
static struct timespec shifted(const struct timespec *time, int64_t shift) {
    int64_t sum = time->tv_sec * 1000000000LL + time->tv_nsec + shift;
    struct timespec found = { .tv_sec = sum / 1000000000LL, .tv_nsec = sum % 1000000000LL };
    return found;
}

int clock_gettime(clockid_t clock, struct timespec *into) {
    REAL(clock_gettime);
    int code = real(clock, into);
    if (!code) *into = shifted(into, shift_of(clock));
    return code;
}

/* The kernel's clocks are where they were: a deadline by the moved ones is moved back, or each wait would last longer. */
int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *until) {
    REAL(sem_clockwait);
    struct timespec real_until = shifted(until, -shift_of(clock));
    return real(semaphore, clock, &real_until);
}
int sem_timedwait(sem_t *semaphore, const struct timespec *until) {
    REAL(sem_timedwait);
    struct timespec real_until = shifted(until, -shift_of(CLOCK_REALTIME));
    return real(semaphore, &real_until);
}
/* Python's conditions go by the monotonic clock. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    REAL(pthread_cond_timedwait);
    struct timespec real_until = shifted(until, -shift_of(CLOCK_MONOTONIC));
    return real(condition, mutex, &real_until);
}
