/* Cuts one read or write short: the SHORT_AT-th call of SHORT_CALL (read, pread, write or pwrite) on a regular file
 * gets half of what it asks for. For LD_PRELOAD, by scripts/system-calls. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static size_t cut(const char *name, int file, size_t count) {
    static int calls;
    const char *call = getenv("SHORT_CALL"), *at = getenv("SHORT_AT");
    struct stat found;
    if (!call || !at || strcmp(call, name) || fstat(file, &found) || !S_ISREG(found.st_mode) || count < 2)
        return count;
    return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) == atoi(at) ? count / 2 : count;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t read(int file, void *to, size_t count) { return NEXT(read)(file, to, cut("read", file, count)); }
ssize_t write(int file, const void *from, size_t count) {
    return NEXT(write)(file, from, cut("write", file, count));
}
ssize_t pread64(int file, void *to, size_t count, off64_t offset) {
    return NEXT(pread64)(file, to, cut("pread", file, count), offset);
}
ssize_t pwrite64(int file, const void *from, size_t count, off64_t offset) {
    return NEXT(pwrite64)(file, from, cut("pwrite", file, count), offset);
}
