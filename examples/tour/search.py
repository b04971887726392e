"""Looks for what the app would not like to be found: a variable of its environment, a file of its own, the host's passwords."""

import glob
import json
import os
import sys


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


name, path = sys.argv[1:]
processes = glob.glob("/proc/[0-9]*")
json.dump(
    {
        "processes": len(processes),
        "ownEnvironment": name in os.environ,
        "otherEnvironments": any(name.encode() in read(f"{process}/environ") for process in processes),
        "files": [file for file in [path, "/etc/shadow"] if os.path.exists(file)],
    },
    sys.stdout,
)
