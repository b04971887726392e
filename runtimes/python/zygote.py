"""The Python end of a zygote: preloads what it was told to, waits, and in each step that was forked from it runs the job.

Started by spawn-sandbox as the main program of a confined process. Everything that confines a step is in the shared
library beside this file; what is here runs in the memory that the preloaded modules share, and is trusted no more than
they are. Works with CPython from 3.9 on, and imports nothing that a plain interpreter would not have loaded.
"""

import sys

LIBRARY = "/.zygote/zygote-python.so"


def main():
    import ctypes
    import json
    import os

    core = ctypes.PyDLL(LIBRARY)
    for name in ("python_argument", "python_environment"):
        function = getattr(core, name)
        function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_size_t]
    core.python_argument_count.restype = ctypes.c_size_t
    opened = core.python_open()
    if opened:
        sys.exit("zygote: " + ("not started by spawn-sandbox" if opened == 1 else "this interpreter is not CPython"))
    config = json.loads(read_all(os))
    sys.path[0] = ""
    sys.argv = [""]
    preload(config)
    words = settle(json)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    core.python_warm(words.encode())
    del config, words, stream, opened, name, function
    if not core.python_next():
        os._exit(0)
    return take_job(core, os), json


def read_all(os):
    """Everything from descriptor 0, past `sys.stdin`, which the steps are to find untouched."""
    parts = []
    while True:
        part = os.read(0, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def preload(config):
    import importlib

    for name in config["preload"]:
        importlib.import_module(name)
    code = config.get("code")
    if code is not None:
        space = new_main()
        if config.get("path"):
            space.__file__ = config["path"]
        execute(compile(code, config.get("path") or "<preload>", "exec"), space.__dict__)
        sys.modules["__preload__"] = space


def settle(json):
    """Makes the memory fit to be shared, and tells what would not survive a fork."""
    import gc
    import os
    import threading

    names = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    gc.collect()
    gc.freeze()  # or the next collection in a step would write to, and so copy, every page of objects
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        pass  # another C library
    version = ".".join(map(str, sys.version_info[:3]))
    return json.dumps({"mode": "fork", "runtime": "CPython " + version, "threads": names, "pid": os.getpid()})


def take_job(core, os):
    arguments = [core.python_argument(index) for index in range(core.python_argument_count())]
    environment = {}
    while True:
        entry = core.python_environment(len(environment))
        if entry is None:
            break
        name, _, value = entry.partition(b"=")
        environment[name] = value
    os.environb.clear()
    os.environb.update(environment)
    renew(os)
    return [os.fsdecode(argument) for argument in arguments]


def renew(os):
    """What would be equal in all steps, or belongs to the zygote. `random` renews itself after a fork."""
    loaded = sys.modules
    numpy_random = loaded.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(None)
    tempfile = loaded.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = tempfile._name_sequence = None
    for entry in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if entry and entry not in sys.path:
            sys.path.insert(1, entry)


def new_main():
    space = type(sys)("__main__")
    space.__builtins__ = __builtins__
    sys.modules["__main__"] = space
    return space


def execute(code, space):
    exec(code, space)


def run(job, json):
    """Runs the job; what it raises is the step's own, with frames of ours in front."""
    form, rest = job[0], job[1:]
    space = new_main()
    if form == "code":
        sys.argv = ["-c", *rest[1:]]
        sys.path[0] = ""
        execute(compile(rest[0], "<string>", "exec"), space.__dict__)
    elif form == "file":
        run_file(rest, space)
    else:
        import importlib

        module, function, args = rest
        sys.argv = ["-m"]
        sys.path[0] = ""
        target = importlib.import_module(module)
        for name in function.split("."):
            target = getattr(target, name)
        target(*json.loads(args))


def run_file(rest, space):
    import os

    path = rest[0]
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        message = "{}: can't open file {!r}: [Errno {}] {}\n"
        sys.stderr.write(message.format(sys.executable, os.path.abspath(path), error.errno, error.strerror))
        sys.exit(2)
    sys.argv = rest
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    space.__file__ = path
    execute(compile(source, path, "exec"), space.__dict__)


def without_ours(trace):
    """The traceback from the first frame on that is not of this file, nor of the import system that it called."""
    while trace is not None and trace.tb_frame.f_code.co_filename in OURS:
        trace = trace.tb_next
    return trace


def end_like_python(error):
    """What the interpreter does with an exception that nobody caught, but for our own frames."""
    trace = without_ours(error.__traceback__)
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    if isinstance(error, KeyboardInterrupt):
        import os
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    sys.exit(1)


OURS = (__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", "<frozen importlib>")

if __name__ == "__main__":
    try:
        run(*main())
    except SystemExit:
        raise
    except BaseException as error:  # noqa: B902
        end_like_python(error)
