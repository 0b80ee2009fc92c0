#!/usr/bin/env python3
"""A file system whose answers can be bent: what network, old and foreign file systems do not have.

    bent_fs.py BACKING MOUNTPOINT [BEND ...]

Shows the directory BACKING at MOUNTPOINT until that is unmounted or the process is ended. It speaks the
kernel's FUSE protocol (version 7.31) itself, without a library; it needs root and /dev/fuse. Without a bend
everything works as on the file system below. The bends are listed in BENDS; each says how it answers.
"""

import ctypes
import errno
import fcntl
import os
import signal
import stat
import struct
import sys

BENDS = {
    "no-links": "hard links are refused (SMB, FAT, many sshfs servers)",
    "no-unnamed": "files without a name (O_TMPFILE) are not known",
    "no-rename-flags": "a rename takes no flags such as RENAME_NOREPLACE (NFS, sshfs)",
    "no-dir-sync": "a directory cannot be synced (SMB, some FUSE)",
    "no-modes": "permission bits cannot be set and everyone's are shown (FAT, SMB)",
    "no-fallocate": "room cannot be taken in advance",
    "fallocate-full": "room in advance is refused for want of space, though writing goes on (compression)",
    "no-locks": "locks are refused",
    "no-read-only-locks": "an exclusive lock needs a writable file (NFS version 4)",
    "short-size": "every file is said to have at most 100 bytes",
}

(LOOKUP, FORGET, GETATTR, SETATTR, READLINK, SYMLINK, MKDIR, UNLINK, RMDIR, RENAME, LINK, OPEN, READ, WRITE,
 STATFS, RELEASE, FSYNC, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, SETLK, SETLKW, CREATE, INTERRUPT,
 DESTROY, BATCH_FORGET, FALLOCATE, RENAME2, TMPFILE) = (
    1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 25, 26, 27, 28, 29, 30, 32, 33, 35, 36, 38, 42,
    43, 45, 51)
SILENT = {FORGET, BATCH_FORGET, INTERRUPT, DESTROY}
FLOCK_LOCKS, BIG_WRITES, ATOMIC_TRUNCATE = 1 << 10, 1 << 5, 1 << 3
DIRECT_IO = 1
LARGEST_WRITE = 128 * 1024
LIBC = ctypes.CDLL(None, use_errno=True)


class Bent:
    """Nodes are descriptors of the files below, opened as places only; handles are open files."""

    def __init__(self, backing, device, bends):
        self.device, self.bends = device, bends
        root = os.open(backing, os.O_PATH | os.O_DIRECTORY)
        self.nodes = {1: root}
        self.numbers = {self.identity(root): 1}
        self.handles = {}
        self.next = 2
        self.locks, self.waiting = {}, []

    @staticmethod
    def identity(place):
        found = os.fstat(place)
        return found.st_dev, found.st_ino

    def path(self, node):
        return f"/proc/self/fd/{self.nodes[node]}"

    def attributes(self, found):
        size, mode = found.st_size, found.st_mode
        if "short-size" in self.bends and stat.S_ISREG(mode):
            size = min(size, 100)
        if "no-modes" in self.bends:
            mode = stat.S_IFMT(mode) | 0o777
        nanoseconds = [found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns]
        return struct.pack(
            "<6Q10I", found.st_ino, size, found.st_blocks, *[time // 10**9 for time in nanoseconds],
            *[time % 10**9 for time in nanoseconds], mode, found.st_nlink, found.st_uid, found.st_gid,
            found.st_rdev, 4096, 0)

    def entry(self, place):
        """The node of a place, and what the kernel is told of it."""
        identity = self.identity(place)
        node = self.numbers.get(identity)
        if node is None:
            node, self.next = self.next, self.next + 1
            self.nodes[node], self.numbers[identity] = place, node
        else:
            os.close(place)
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + self.attributes(os.fstat(self.nodes[node]))

    def lookup(self, node, name):
        flags = os.O_PATH | os.O_NOFOLLOW
        return self.entry(os.open(name, flags, dir_fd=self.nodes[node]))

    def opened(self, file):
        handle, self.next = self.next, self.next + 1
        self.handles[handle] = file
        return struct.pack("<Q2I", handle, DIRECT_IO if "short-size" in self.bends else 0, 0)

    def answer(self, opcode, node, unique, owner, body):
        """What an operation gives; raises OSError where it fails, returns None where the answer comes later."""
        bends = self.bends
        if opcode == LOOKUP:
            return self.lookup(node, body[:-1])
        if opcode == GETATTR:
            flags, _, handle = struct.unpack_from("<2IQ", body)
            at = self.handles[handle] if flags & 1 and handle in self.handles else self.nodes[node]
            return struct.pack("<Q2I", 0, 0, 0) + self.attributes(os.fstat(at))
        if opcode == SETATTR:
            return self.set_attributes(node, body)
        if opcode == READLINK:
            return os.readlink(b"", dir_fd=self.nodes[node])
        if opcode == SYMLINK:
            name, target = body.split(b"\0")[:2]
            os.symlink(target, name, dir_fd=self.nodes[node])
            return self.lookup(node, name)
        if opcode == MKDIR:
            mode, _ = struct.unpack_from("<2I", body)
            os.mkdir(body[8:-1], mode, dir_fd=self.nodes[node])
            return self.lookup(node, body[8:-1])
        if opcode == UNLINK:
            os.unlink(body[:-1], dir_fd=self.nodes[node])
            return b""
        if opcode == RMDIR:
            os.rmdir(body[:-1], dir_fd=self.nodes[node])
            return b""
        if opcode in (RENAME, RENAME2):
            flags = struct.unpack_from("<I", body, 8)[0] if opcode == RENAME2 else 0
            (to,) = struct.unpack_from("<Q", body)
            old, new = body[16 if opcode == RENAME2 else 8:].split(b"\0")[:2]
            if flags and "no-rename-flags" in bends:
                raise OSError(errno.EINVAL, "")
            done = LIBC.renameat2(self.nodes[node], old, self.nodes[to], new, flags)
            if done:
                raise OSError(ctypes.get_errno(), "")
            return b""
        if opcode == LINK:
            if "no-links" in bends:
                raise OSError(errno.EPERM, "")
            (old,) = struct.unpack_from("<Q", body)
            os.link(self.path(old), body[8:-1], dst_dir_fd=self.nodes[node], follow_symlinks=True)
            return self.lookup(node, body[8:-1])
        if opcode in (OPEN, OPENDIR):
            (flags,) = struct.unpack_from("<I", body)
            flags &= ~(os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
            return self.opened(os.open(self.path(node), flags | os.O_CLOEXEC))
        if opcode in (CREATE, TMPFILE):
            flags, mode, _, _ = struct.unpack_from("<4I", body)
            if opcode == TMPFILE:
                if "no-unnamed" in bends:
                    raise OSError(errno.EOPNOTSUPP, "")
                file = os.open(self.path(node), os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode & 0o7777)
            else:
                flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                file = os.open(body[16:-1], flags, mode & 0o7777, dir_fd=self.nodes[node])
            place = os.open(f"/proc/self/fd/{file}", os.O_PATH)
            return self.entry(place) + self.opened(file)
        if opcode == READ:
            handle, offset, size = struct.unpack_from("<2QI", body)
            return os.pread(self.handles[handle], size, offset)
        if opcode == WRITE:
            handle, offset, size = struct.unpack_from("<2QI", body)
            return struct.pack("<2I", os.pwrite(self.handles[handle], body[40:40 + size], offset), 0)
        if opcode == STATFS:
            below = os.statvfs(self.path(node))
            return struct.pack("<5Q4I24x", below.f_blocks, below.f_bfree, below.f_bavail, below.f_files,
                               below.f_ffree, below.f_bsize, 255, below.f_frsize, 0)
        if opcode in (RELEASE, RELEASEDIR):
            handle, _, flags, owner = struct.unpack_from("<Q2IQ", body)
            if flags & 2:
                self.unlock(node, owner)
            os.close(self.handles.pop(handle))
            return b""
        if opcode == FSYNC:
            os.fsync(self.handles[struct.unpack_from("<Q", body)[0]])
            return b""
        if opcode == FSYNCDIR:
            if "no-dir-sync" in bends:
                raise OSError(errno.EINVAL, "")
            os.fsync(self.handles[struct.unpack_from("<Q", body)[0]])
            return b""
        if opcode == FLUSH:
            return b""
        if opcode == READDIR:
            return self.list(body)
        if opcode in (SETLK, SETLKW):
            return self.lock(node, opcode == SETLKW, unique, body)
        if opcode == FALLOCATE:
            handle, offset, length, mode = struct.unpack_from("<3QI", body)
            if "fallocate-full" in bends:
                raise OSError(errno.ENOSPC, "")
            if "no-fallocate" in bends or mode:
                raise OSError(errno.EOPNOTSUPP, "")
            os.posix_fallocate(self.handles[handle], offset, length)
            return b""
        raise OSError(errno.ENOSYS, "")

    def set_attributes(self, node, body):
        valid, _, handle, size = struct.unpack_from("<2I2Q", body)
        atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid = struct.unpack_from("<3Q3I4I", body, 32)
        path = self.path(node)
        if valid & 1:
            if "no-modes" in self.bends:
                raise OSError(errno.EPERM, "")
            os.chmod(path, mode & 0o7777)
        if valid & 6:
            os.chown(path, uid if valid & 2 else -1, gid if valid & 4 else -1)
        if valid & 8:
            os.truncate(self.handles[handle] if valid & 64 else path, size)
        if valid & 48:
            found = os.stat(path)
            accessed = atime * 10**9 + atime_ns if valid & 16 else found.st_atime_ns
            modified = mtime * 10**9 + mtime_ns if valid & 32 else found.st_mtime_ns
            if not valid & (128 | 256):
                os.utime(path, ns=(accessed, modified))
            else:
                os.utime(path)
        return struct.pack("<Q2I", 0, 0, 0) + self.attributes(os.fstat(self.nodes[node]))

    def list(self, body):
        handle, offset, size = struct.unpack_from("<2QI", body)
        names = [b".", b".."] + [os.fsencode(name) for name in sorted(os.listdir(self.handles[handle]))]
        entries = b""
        for number, name in enumerate(names[offset:], offset + 1):
            one = struct.pack("<2Q2I", number, number, len(name), 0) + name
            one += b"\0" * (-len(one) % 8)
            if len(entries) + len(one) > size:
                break
            entries += one
        return entries

    def lock(self, node, waits, unique, body):
        handle, owner, _, _, kind = struct.unpack_from("<4QI", body)
        if "no-locks" in self.bends:
            raise OSError(errno.ENOLCK, "")
        if kind == fcntl.F_UNLCK:
            self.unlock(node, owner)
            return b""
        access = fcntl.fcntl(self.handles[handle], fcntl.F_GETFL) & os.O_ACCMODE
        if "no-read-only-locks" in self.bends and kind == fcntl.F_WRLCK and access == os.O_RDONLY:
            raise OSError(errno.EBADF, "")
        if self.take(node, owner, kind):
            return b""
        if not waits:
            raise OSError(errno.EAGAIN, "")
        self.waiting.append((unique, node, owner, kind))
        return None

    def take(self, node, owner, kind):
        others = {who: how for who, how in self.locks.get(node, {}).items() if who != owner}
        if any(fcntl.F_WRLCK in (kind, how) for how in others.values()):
            return False
        self.locks[node] = {**others, owner: kind}
        return True

    def unlock(self, node, owner):
        self.locks.get(node, {}).pop(owner, None)
        still = []
        for unique, at, who, kind in self.waiting:
            if at == node and self.take(at, who, kind):
                self.reply(unique, 0, b"")
            else:
                still.append((unique, at, who, kind))
        self.waiting = still

    def reply(self, unique, error, body):
        try:
            os.write(self.device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)
        except FileNotFoundError:
            pass  # the one who asked was killed

    def start(self, unique, body):
        _, _, read_ahead, offered = struct.unpack_from("<4I", body)
        wanted = BIG_WRITES | ATOMIC_TRUNCATE
        if self.bends & {"no-locks", "no-read-only-locks"}:
            wanted |= FLOCK_LOCKS  # else the kernel locks by itself, for this mount only
        self.reply(unique, 0, struct.pack("<4I2H2I2HI28x", 7, 31, read_ahead, offered & wanted, 16, 12,
                                          LARGEST_WRITE, 1, 32, 0, 0))

    def serve(self):
        while True:
            try:
                request = os.read(self.device, LARGEST_WRITE + 4096)
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno in (errno.ENODEV, errno.ENOENT):
                    return  # unmounted
                raise
            _, opcode, unique, node, owner = struct.unpack_from("<2I2QI", request)
            body = request[40:]
            if opcode == INIT:
                self.start(unique, body)
            elif opcode not in SILENT:
                try:
                    given = self.answer(opcode, node, unique, owner, body)
                except OSError as error:
                    self.reply(unique, error.errno, b"")
                else:
                    if given is not None:
                        self.reply(unique, 0, given)


def main():
    if len(sys.argv) < 3 or not set(sys.argv[3:]) <= set(BENDS):
        lines = "\n".join(f"  {name:20}{meaning}" for name, meaning in BENDS.items())
        sys.exit(f"usage: bent_fs.py BACKING MOUNTPOINT [BEND ...]\n{lines}")
    backing, mountpoint = sys.argv[1:3]
    os.umask(0)
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    bent = Bent(backing, device, set(sys.argv[3:]))
    target = os.fsencode(mountpoint)
    if LIBC.mount(b"bent_fs", target, b"fuse.bent", ctypes.c_ulong(6), options.encode()):  # nosuid, nodev
        sys.exit(f"bent_fs: cannot mount at {mountpoint}: {os.strerror(ctypes.get_errno())}; it needs root")
    signal.signal(signal.SIGTERM, lambda *_: LIBC.umount2(target, 2))
    bent.serve()


main()
