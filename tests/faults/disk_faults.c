/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk with faults, for tests: LD_PRELOAD brings it between a program, with the libraries it
 * uses, and the files of the directory that DISK_FAULTS names. It fails what DIRECTORY/disk/control
 * says, and keeps in DIRECTORY/disk what a power loss would leave: of each file what was synced, by
 * the names that were synced. After an fsync that failed nothing is written any more but what is
 * written again, as on Linux, where pages that could not be written count as clean.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    DESCRIPTORS = 65536,
    FILES = 256,
    PIECE = 4096,   /* what the system writes at once */
    PIECES = 65536, /* of one file: 256 MiB */
    PATH_SIZE = 4096,
};

/* The place of each in the control file. There: '-' no file, 'a' all, 'w' logs, 'd' all others. */
enum fault { FAULT_SYNC, FAULT_WRITE, FAULT_SHORT, FAULT_READ, FAULT_COUNT };

struct disk_file {
    ino_t inode; /* 0: it was deleted */
    bool is_log;
    bool is_directory;
    int live;   /* never closed: closing any descriptor of a file drops the locks on it */
    int shadow; /* what was synced */
    uint8_t unsynced[PIECES / 8];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of files and shadows */
static struct disk_file files[FILES];
static int file_count;
static _Atomic(struct disk_file *) of_descriptor[DESCRIPTORS];
static char directory[PATH_SIZE];
static const _Atomic char *control; /* NULL: no faults, nothing is kept */

/* Real calls are made by number: other libraries make theirs before this one is prepared. */
static int real_open(const char *path, int flags)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static void give_up(const char *what)
{
    perror(what);
    abort();
}

static int open_kept(const char *path, int flags)
{
    int fd = real_open(path, flags);
    if (fd < 0)
        give_up(path);
    return fd;
}

__attribute__((constructor)) static void prepare(void)
{
    char path[PATH_SIZE];
    const char *name = getenv("DISK_FAULTS");
    if (!name || !realpath(name, directory))
        return;
    snprintf(path, sizeof(path), "%.4000s/disk/control", directory);
    void *map = mmap(NULL, FAULT_COUNT, PROT_READ, MAP_SHARED, open_kept(path, O_RDONLY), 0);
    if (map == MAP_FAILED)
        give_up(path);
    control = map;
}

static bool has_fault(const struct disk_file *file, enum fault fault)
{
    char which = atomic_load_explicit(&control[fault], memory_order_relaxed);
    return which == 'a' || which == (file->is_log ? 'w' : 'd');
}

static struct disk_file *file_of(int fd)
{
    return control && fd >= 0 && fd < DESCRIPTORS ? atomic_load(&of_descriptor[fd]) : NULL;
}

/* The name in the directory that `fd` was opened by: "" for the directory itself, NULL for others. */
static const char *name_of(int fd, char path[PATH_SIZE])
{
    char link[64];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_SIZE - 1);
    size_t prefix = strlen(directory);
    if (length < (ssize_t)prefix || memcmp(path, directory, prefix) != 0)
        return NULL;
    path[length] = '\0';
    if (path[prefix] == '\0')
        return path + prefix;
    const char *name = path + prefix + 1;
    return path[prefix] != '/' || strchr(name, '/') ? NULL : name;
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name);
    return length >= strlen(end) && strcmp(name + length - strlen(end), end) == 0;
}

static void shadow_path(char path[PATH_SIZE], const char *folder, const char *name)
{
    snprintf(path, PATH_SIZE, "%.3000s/disk/%s/%.255s", directory, folder, name);
}

static void inode_path(char path[PATH_SIZE], ino_t inode)
{
    char name[32];
    snprintf(name, sizeof(name), "%llu", (unsigned long long)inode);
    shadow_path(path, "inodes", name);
}

static struct disk_file *find(ino_t inode)
{
    for (int i = 0; i < file_count; i++)
        if (files[i].inode == inode)
            return &files[i];
    return NULL;
}

static struct disk_file *add(const struct stat *status, const char *path, const char *name)
{
    char shadow[PATH_SIZE];
    if (file_count == FILES)
        give_up("too many files");
    struct disk_file *file = &files[file_count++];
    file->inode = status->st_ino;
    file->is_log = ends_with(name, "-wal");
    file->is_directory = S_ISDIR(status->st_mode);
    if (file->is_directory)
        return file;
    file->live = open_kept(path, O_RDONLY);
    inode_path(shadow, file->inode);
    file->shadow = open_kept(shadow, O_RDWR | O_CREAT);
    return file;
}

/* Takes note of a descriptor that was opened, when it is of a file that matters. */
static int opened(int fd)
{
    char path[PATH_SIZE];
    struct stat status;
    const char *name = control && fd >= 0 && fd < DESCRIPTORS ? name_of(fd, path) : NULL;
    /* A log's index is shared memory: nothing of it is expected to last. */
    if (!name || ends_with(name, "-shm") || fstat(fd, &status) != 0)
        return fd;
    pthread_mutex_lock(&lock);
    struct disk_file *file = find(status.st_ino);
    if (!file)
        file = add(&status, path, name);
    atomic_store(&of_descriptor[fd], file);
    pthread_mutex_unlock(&lock);
    return fd;
}

static void mark(struct disk_file *file, off_t from, off_t to)
{
    if (from < 0 || to > (off_t)PIECE * PIECES)
        give_up("the file is too large");
    pthread_mutex_lock(&lock);
    for (off_t piece = from / PIECE; piece * PIECE < to; piece++)
        file->unsynced[piece / 8] |= (uint8_t)(1 << piece % 8);
    pthread_mutex_unlock(&lock);
}

static void copy_piece(struct disk_file *file, off_t at)
{
    char bytes[PIECE];
    ssize_t length = pread(file->live, bytes, PIECE, at);
    if (length > 0 && pwrite(file->shadow, bytes, (size_t)length, at) != length)
        give_up("shadow");
}

static void keep_content(struct disk_file *file)
{
    struct stat status;
    if (fstat(file->live, &status) != 0 || ftruncate(file->shadow, status.st_size) != 0)
        give_up("shadow");
    for (off_t piece = 0; piece * PIECE < status.st_size; piece++)
        if (file->unsynced[piece / 8] & 1 << piece % 8)
            copy_piece(file, piece * PIECE);
}

static void forget_name(const char *name)
{
    char path[PATH_SIZE];
    struct stat status;
    snprintf(path, sizeof(path), "%.3000s/%.255s", directory, name);
    if (lstat(path, &status) == 0)
        return;
    shadow_path(path, "names", name);
    syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* The content behind the name becomes that of the file which has it now, which may be unsynced. */
static void keep_name(const char *name)
{
    char path[PATH_SIZE];
    char content[PATH_SIZE];
    struct stat status;
    snprintf(path, sizeof(path), "%.3000s/%.255s", directory, name);
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode) || ends_with(name, "-shm"))
        return;
    inode_path(content, status.st_ino);
    syscall(SYS_close, open_kept(content, O_RDWR | O_CREAT));
    shadow_path(path, "names", name);
    syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (link(content, path) != 0)
        give_up(path);
}

static void each_name(const char *path, void (*take)(const char *name))
{
    DIR *stream = opendir(path);
    if (!stream)
        give_up(path);
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (entry->d_name[0] != '.')
            take(entry->d_name);
    closedir(stream);
}

static void keep_names(void)
{
    char path[PATH_SIZE];
    shadow_path(path, "names", "");
    each_name(path, forget_name);
    each_name(directory, keep_name);
}

static int sync_file(int fd, long number)
{
    struct disk_file *file = file_of(fd);
    bool fails = file && has_fault(file, FAULT_SYNC);
    if (!fails && syscall(number, fd) != 0)
        return -1;
    if (!file)
        return 0;
    pthread_mutex_lock(&lock);
    if (!fails && file->is_directory)
        keep_names();
    else if (!fails)
        keep_content(file);
    memset(file->unsynced, 0, sizeof(file->unsynced));
    pthread_mutex_unlock(&lock);
    errno = EIO;
    return fails ? -1 : 0;
}

/* `at` is negative for a write at the descriptor's place. */
static ssize_t write_file(int fd, const void *bytes, size_t size, off_t at)
{
    struct disk_file *file = file_of(fd);
    if (file && has_fault(file, FAULT_WRITE)) {
        errno = EIO;
        return -1;
    }
    if (file && has_fault(file, FAULT_SHORT) && size > 1)
        size /= 2;
    ssize_t written =
        at < 0 ? syscall(SYS_write, fd, bytes, size) : syscall(SYS_pwrite64, fd, bytes, size, at);
    if (!file || written <= 0)
        return written;
    if (at < 0)
        at = lseek(fd, 0, SEEK_CUR) - written;
    mark(file, at, at + written);
    return written;
}

static ssize_t read_file(int fd, void *bytes, size_t size, off_t at)
{
    struct disk_file *file = file_of(fd);
    if (file && has_fault(file, FAULT_READ)) {
        errno = EIO;
        return -1;
    }
    return at < 0 ? syscall(SYS_read, fd, bytes, size) : syscall(SYS_pread64, fd, bytes, size, at);
}

static void forget_inode(ino_t inode)
{
    char path[PATH_SIZE];
    pthread_mutex_lock(&lock);
    struct disk_file *file = find(inode);
    if (file)
        file->inode = 0;
    /* The number may come again; a name that was synced still holds the content. */
    inode_path(path, inode);
    syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    pthread_mutex_unlock(&lock);
}

/* What the program calls. */

int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int close(int fd)
{
    if (file_of(fd))
        atomic_store(&of_descriptor[fd], NULL);
    return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return write_file(fd, bytes, size, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return write_file(fd, bytes, size, at);
}

ssize_t read(int fd, void *bytes, size_t size)
{
    return read_file(fd, bytes, size, -1);
}

ssize_t pread(int fd, void *bytes, size_t size, off_t at)
{
    return read_file(fd, bytes, size, at);
}

int ftruncate(int fd, off_t size)
{
    struct disk_file *file = file_of(fd);
    struct stat before;
    if (!file || fstat(fd, &before) != 0)
        return (int)syscall(SYS_ftruncate, fd, size);
    if (syscall(SYS_ftruncate, fd, size) != 0)
        return -1;
    off_t larger = before.st_size > size ? before.st_size : size;
    mark(file, size < before.st_size ? size : before.st_size, larger);
    return 0;
}

int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}

int unlink(const char *path)
{
    struct stat status;
    bool is_there = control && lstat(path, &status) == 0;
    int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    if (result == 0 && is_there && status.st_nlink == 1)
        forget_inode(status.st_ino);
    return result;
}

int rename(const char *from, const char *to)
{
    struct stat status;
    bool is_there = control && lstat(to, &status) == 0;
    int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (result == 0 && is_there && status.st_nlink == 1)
        forget_inode(status.st_ino);
    return result;
}

/* The same by the names for large files. */
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) __attribute__((alias("pwrite")));
ssize_t pread64(int fd, void *bytes, size_t size, off_t at) __attribute__((alias("pread")));
int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));
