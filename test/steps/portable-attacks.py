"""What a step without namespaces tries: NAME ARGUMENT..., each in a process of its own. Prints what came of each, as JSON."""
import ctypes
import json
import os
import signal
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)


def answered(call):
    """"done", or the error; a program that was executed says nothing, which is done, too."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            call()
            os.write(write, b"done")
        except OSError as error:
            os.write(write, os.strerror(error.errno).encode())
        os._exit(1)
    os.close(write)
    with os.fdopen(read) as told:
        answer = told.read()
    _, status = os.waitpid(child, 0)
    return answer or ("done" if status == 0 else f"ended by {status}")


def number(name, *arguments):
    result = libc.syscall(name, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def connected(family, address):
    with socket.socket(family) as client:
        client.connect(address)
        return "connected"


def sent(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        return client.sendto(b"x", address)


def changed_flags(descriptor):
    """FS_IOC_SETFLAGS, with the flag for "do not dump" beside those that it has; without them a file would be rewritten."""
    flags = ctypes.c_long(0)
    libc.ioctl(descriptor, ctypes.c_ulong(0x80086601), ctypes.byref(flags))
    flags.value |= 0x40
    if libc.ioctl(descriptor, ctypes.c_ulong(0x40086602), ctypes.byref(flags)) < 0:
        raise OSError(ctypes.get_errno(), "")


def sent_from_pair(kind, path):
    one, _ = socket.socketpair(socket.AF_UNIX, kind)
    return libc_sendto(one, path)


def libc_sendto(sender, path):
    address = (1).to_bytes(2, "little") + path.encode() + b"\0"
    if libc.sendto(sender.fileno(), b"x", 1, 0, address, len(address)) < 0:
        raise OSError(ctypes.get_errno(), "")


ATTACKS = {
    "open-for-nothing": lambda path: os.open(path, 3),
    "make-without-a-name": lambda path: os.open(path, os.O_TMPFILE | 3, 0o600),
    "flags": lambda path: changed_flags(os.open(path, 3)),
    "flags-shown": lambda path: changed_flags(os.open(path, os.O_RDONLY)),
    "cut-shown": lambda path: os.open(path, os.O_RDONLY | os.O_TRUNC),
    "datagram": lambda path: sent_from_pair(socket.SOCK_DGRAM, path),
    "raw-datagram": lambda path: sent_from_pair(socket.SOCK_RAW, path),
    "read": lambda path: open(path).read(),
    "list": lambda path: os.listdir(path),
    "write-shown": lambda path: open(path, "a").close(),
    "write": lambda path: open(path, "a").write("x"),
    "make": lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY)),
    "remove": os.unlink,
    "rename": lambda path: os.rename(path, path + "-"),
    "link": lambda path: os.link(path, os.path.join(os.environ["TMPDIR"], "linked")),
    "truncate": lambda path: os.truncate(path, 0),
    "mode": lambda path: os.chmod(path, 0o777),
    "owner": lambda path: os.chown(path, os.getuid(), os.getgid()),
    "times": lambda path: os.utime(path, (1, 1)),
    "attribute": lambda path: os.setxattr(path, "user.x", b"1"),
    "execute": lambda path: os.execv(path, [path]),
    "watch": lambda path: number(254, number(253), path.encode(), 2),
    "through-self": lambda path: open("/proc/self/root" + path).read(),
    "tcp": lambda port: connected(socket.AF_INET, ("127.0.0.1", int(port))),
    "udp": lambda port: sent(("127.0.0.1", int(port))),
    "unix": lambda path: connected(socket.AF_UNIX, path),
    "abstract": lambda name: connected(socket.AF_UNIX, "\0" + name),
    "signal": lambda pid: os.kill(int(pid), signal.SIGTERM),
    "signal-by-pidfd": lambda pid: signal.pidfd_send_signal(os.pidfd_open(int(pid)), signal.SIGTERM),
    "stop": lambda pid: os.kill(int(pid), signal.SIGSTOP),
    "affinity": lambda pid: os.sched_setaffinity(int(pid), [0]),
    "priority": lambda pid: os.setpriority(os.PRIO_PROCESS, int(pid), 19),
    "priority-of-group": lambda pid: os.setpriority(os.PRIO_PGRP, int(pid), 19),
    "idle": lambda pid: os.sched_setscheduler(int(pid), os.SCHED_IDLE, os.sched_param(0)),
    "limits": lambda pid: number(302, int(pid), 7, ctypes.byref((ctypes.c_ulong * 2)(1, 1)), None),
    "trace": lambda pid: number(101, 16, int(pid), 0, 0),
    "memory": lambda pid: open(f"/proc/{pid}/mem", "rb").read(1),
    "environment": lambda pid: open(f"/proc/{pid}/environ").read(),
    "segment": lambda key: number(29, int(key), 0, 0),
}

words = sys.argv[1:]
print(json.dumps({name: answered(lambda: ATTACKS[name](argument)) for name, argument in zip(words[::2], words[1::2])}))
