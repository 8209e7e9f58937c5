/* Preloaded into a node: makes its syncs fail, wait or lie, and its wall clock jump, as a shared file says.
 *
 * Rules: everything is off while the file is zero. What was done is counted in the same file, so that a fault which
 * nobody met can be told from one that bit. Only what a test needs is in here; the layout is shim.py's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct faults {
    volatile int64_t clock_offset_ns, sync_errno, sync_delay_us, sync_lies;
    volatile int64_t shifted, failed, delayed, lied;
};

static struct faults none;
static struct faults *faults = &none;
static int (*real_clock)(clockid_t, struct timespec *);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static ssize_t (*real_pwritev2)(int, const struct iovec *, int, off64_t, int);

static void find(void)
{
    real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    real_fsync = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    real_pwritev2 = (ssize_t (*)(int, const struct iovec *, int, off64_t, int))dlsym(RTLD_NEXT, "pwritev64v2");
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("ZOOWEEPER_FAULTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    find();
    if (fd < 0)
        return;
    void *shared = mmap(NULL, sizeof(struct faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED)
        faults = shared;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (!real_clock)
        find();
    int result = real_clock(id, now);
    int64_t offset = faults->clock_offset_ns;
    if (result == 0 && offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t nanoseconds = now->tv_nsec + offset % 1000000000;
        now->tv_sec += offset / 1000000000;
        if (nanoseconds < 0) {
            nanoseconds += 1000000000;
            now->tv_sec--;
        } else if (nanoseconds >= 1000000000) {
            nanoseconds -= 1000000000;
            now->tv_sec++;
        }
        now->tv_nsec = nanoseconds;
        __atomic_add_fetch(&faults->shifted, 1, __ATOMIC_RELAXED);
    }
    return result;
}

static int synced(int (*real)(int), int fd)
{
    if (faults->sync_delay_us) {
        int64_t left = faults->sync_delay_us;
        __atomic_add_fetch(&faults->delayed, 1, __ATOMIC_RELAXED);
        while (left > 0 && faults->sync_delay_us) { /* ends early when the fault does */
            usleep(left < 20000 ? left : 20000);
            left -= 20000;
        }
    }
    if (faults->sync_errno) {
        __atomic_add_fetch(&faults->failed, 1, __ATOMIC_RELAXED);
        errno = (int)faults->sync_errno;
        return -1;
    }
    if (faults->sync_lies) {
        __atomic_add_fetch(&faults->lied, 1, __ATOMIC_RELAXED);
        return 0;
    }
    return real(fd);
}

int fsync(int fd)
{
    return synced(real_fsync, fd);
}

int fdatasync(int fd)
{
    return synced(real_fdatasync, fd);
}

/* A write that is a sync as well: written as it is, and then synced as above. */
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t offset, int flags)
{
    ssize_t written = real_pwritev2(fd, parts, count, offset, flags & ~RWF_DSYNC);
    if (written >= 0 && flags & RWF_DSYNC && synced(real_fdatasync, fd) < 0)
        return -1;
    return written;
}
