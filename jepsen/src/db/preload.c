/* What lies between a node and its C library when the nemesis turns its clock or spoils its disk:
 * a page of memory, shared with the harness, says what is wrong now, and counts how often it was.
 *
 *   JEPSEN_PAGE=FILE LD_PRELOAD=preload.so varve server …
 *
 *   offset  0  i64  added to the wall clock, in ns
 *           8  u32  every sync of a file takes so many microseconds more
 *          12  u32  every sync of a file fails with this errno
 *          16  u32  every write to a file fails with this errno
 *          24  u64  how often a wrong time was told
 *          32  u64  how many syncs were slow or failed
 *          40  u64  how many writes failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct page {
    _Atomic int64_t clock_offset_ns;
    _Atomic uint32_t sync_delay_us, sync_errno, write_errno, unused;
    _Atomic uint64_t clock_count, sync_count, write_count;
};

static struct page *page;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("JEPSEN_PAGE");
    real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    if (!path) return;
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    void *at = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at != MAP_FAILED) page = at;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int failed = real_clock_gettime ? real_clock_gettime(clock, time)
                                    : (int)syscall(SYS_clock_gettime, clock, time);
    int64_t offset = page && !failed ? page->clock_offset_ns : 0;
    if (offset && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = time->tv_sec * 1000000000LL + time->tv_nsec + offset;
        time->tv_sec = ns / 1000000000LL;
        time->tv_nsec = ns % 1000000000LL;
        page->clock_count++;
    }
    return failed;
}

/* Standard streams and sockets are no part of the disk. */
static int is_file(int file) {
    struct stat found;
    return file > 2 && fstat(file, &found) == 0 && S_ISREG(found.st_mode);
}

static int sync_fails(int file) {
    if (!page || (!page->sync_delay_us && !page->sync_errno) || !is_file(file)) return 0;
    page->sync_count++;
    struct timespec delay = {page->sync_delay_us / 1000000, page->sync_delay_us % 1000000 * 1000L};
    nanosleep(&delay, NULL);
    if (!page->sync_errno) return 0;
    errno = page->sync_errno;
    return 1;
}

static int write_fails(int file) {
    if (!page || !page->write_errno || !is_file(file)) return 0;
    page->write_count++;
    errno = page->write_errno;
    return 1;
}

int fsync(int file) { return sync_fails(file) ? -1 : (int)syscall(SYS_fsync, file); }

int fdatasync(int file) { return sync_fails(file) ? -1 : (int)syscall(SYS_fdatasync, file); }

ssize_t write(int file, const void *from, size_t bytes) {
    return write_fails(file) ? -1 : syscall(SYS_write, file, from, bytes);
}

ssize_t pwrite(int file, const void *from, size_t bytes, off_t at) {
    return write_fails(file) ? -1 : syscall(SYS_pwrite64, file, from, bytes, at);
}

ssize_t pwrite64(int file, const void *from, size_t bytes, off_t at) {
    return write_fails(file) ? -1 : syscall(SYS_pwrite64, file, from, bytes, at);
}

ssize_t writev(int file, const struct iovec *from, int count) {
    return write_fails(file) ? -1 : syscall(SYS_writev, file, from, count);
}
