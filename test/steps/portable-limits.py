"""Takes more than it should have, in ways that are easily overlooked, or as much as it may: by its argument."""
import os
import sys
import time

MIB = 1 << 20


def open_files():
    """40 MiB in files without a name."""
    path = os.environ["TMPDIR"] + "/file"
    held = []
    for _ in range(40):
        held.append(os.open(path, os.O_CREAT | os.O_RDWR))
        os.unlink(path)
        os.write(held[-1], bytes(MIB))
    time.sleep(20)


def shared():
    """60 MiB, of which eight children have a copy that nobody has written to."""
    kept = bytearray(60 * MIB)
    for _ in range(8):
        if os.fork() == 0:
            time.sleep(1)
            os._exit(0)
    for _ in range(8):
        os.wait()
    print("shared", len(kept) // MIB)


{"open files": open_files, "shared": shared}[sys.argv[1]]()
