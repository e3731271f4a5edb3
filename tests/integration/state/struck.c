/* Fails, or kills the process at, its N-th call about a file below a folder. Loaded with LD_PRELOAD; `arm` begins to count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum deed { COUNT, KILL, FAIL, FAIL_ON };

static char root[4096];
static long calls, at, fired;
static int deed, error;
static char watched[1024];

void arm(const char *folder, long number, int what, int code) {
    strncpy(root, folder, sizeof root - 1);
    at = number; deed = what; error = code; calls = fired = 0;
}

void disarm(void) { deed = COUNT; }
long counted(void) { return calls; }
long has_fired(void) { return fired; }

/* Whether this call fails; errno is set then. */
static int struck(void) {
    calls++;
    if (deed == COUNT || calls < at || (calls > at && deed != FAIL_ON)) return 0;
    fired = 1;
    if (deed == KILL) kill(getpid(), SIGKILL);
    errno = error;
    return 1;
}

static int is_below(const char *path) { return root[0] && path && !strncmp(path, root, strlen(root)); }
static int is_watched(int fd) { return fd >= 0 && fd < 1024 && watched[fd]; }

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); va_list more; va_start(more, flags); int mode = va_arg(more, int); va_end(more); \
        int below = is_below(path); if (below && struck()) return -1; \
        int fd = real(path, flags, mode); if (fd >= 0 && fd < 1024) watched[fd] = below; return fd; }
#define ON_PATH(name, declared, given) \
    int name declared { REAL(name); return is_below(path) && struck() ? -1 : real given; }
#define ON_FILE(type, name, declared, given) \
    type name declared { REAL(name); return is_watched(fd) && struck() ? -1 : real given; }

OPENS(open)
OPENS(open64)
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(unlink, (const char *path), (path))
ON_PATH(rename, (const char *path, const char *to), (path, to))
ON_PATH(link, (const char *path, const char *to), (path, to))
int linkat(int from, const char *path, int fd, const char *to, int flags) {
    REAL(linkat); return is_below(path) && struck() ? -1 : real(from, path, fd, to, flags); }
ON_FILE(ssize_t, read, (int fd, void *into, size_t size), (fd, into, size))
ON_FILE(ssize_t, pread64, (int fd, void *into, size_t size, off64_t place), (fd, into, size, place))
ON_FILE(ssize_t, pread, (int fd, void *into, size_t size, off_t place), (fd, into, size, place))
ON_FILE(ssize_t, write, (int fd, const void *from, size_t size), (fd, from, size))
ON_FILE(ssize_t, pwrite64, (int fd, const void *from, size_t size, off64_t place), (fd, from, size, place))
ON_FILE(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t place), (fd, from, size, place))
ON_FILE(int, fsync, (int fd), (fd))
ON_FILE(int, fdatasync, (int fd), (fd))
ON_FILE(int, ftruncate, (int fd, off_t size), (fd, size))
ON_FILE(int, ftruncate64, (int fd, off64_t size), (fd, size))
ON_FILE(int, fchmod, (int fd, mode_t mode), (fd, mode))
