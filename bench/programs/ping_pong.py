"""Writes back each frame that it reads: a byte that tells the length, and so many bytes."""

import os

pending = bytearray()
while True:
    while not pending or len(pending) <= pending[0]:
        part = os.read(0, 65536)
        if not part:
            os._exit(0)
        pending += part
    size = 1 + pending[0]
    os.write(1, bytes(pending[:size]))
    del pending[:size]
