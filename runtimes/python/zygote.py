"""The Python end of a zygote: preloads what it was told to, waits, and in each step that was forked from it runs the job.

Started by spawn-sandbox as the main program of a confined process. Everything that confines a step is in the shared
library beside this file; what is here runs in the memory that the preloaded modules share, and is trusted no more than
they are. Works with CPython from 3.9 on, and imports nothing that a plain interpreter would not have loaded.
"""

import sys

LIBRARY = "/.zygote/zygote-python.so"
TYPED = "/.zygote/typed.py"


def main():
    import ctypes
    import json
    import os

    core = ctypes.PyDLL(LIBRARY)
    for name in ("python_argument", "python_environment"):
        function = getattr(core, name)
        function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_size_t]
    for name in ("python_argument_count", "python_descriptor_count"):
        getattr(core, name).restype = ctypes.c_size_t
    core.python_descriptor.argtypes = [ctypes.c_size_t]
    core.python_keep_twister.argtypes = [ctypes.c_void_p]
    opened = core.python_open()
    if opened:
        sys.exit("zygote: " + ("not started by spawn-sandbox" if opened == 1 else "this interpreter is not CPython"))
    config = json.loads(read_all(os))
    load_typed()
    sys.path[0] = ""
    sys.argv = [""]
    before = dict(os.environb)
    exercises = preload(config)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if dict(os.environb) != before:
        core.python_environment_changed()
    if core.python_booted():
        note_modules()
        ctypes.CDLL(LIBRARY).python_wait_for_job()  # without the lock, for threads that were preloaded
        return take_job(core, os), json, core
    exercises.append(practise_typed)
    for _ in range(ROUNDS):
        exercise(exercises)
    words = settle(json)
    if core.python_rehearse():
        practise(core, os, json, exercises)
    note_modules()
    seed_numpy()
    core.python_keep_twister(numpy_state(ctypes))
    core.python_warm(words.encode())
    del config, words, exercises, stream, before, opened, name, function
    while True:
        what = core.python_next()
        if what == OVER:
            os._exit(0)
        if what == IN_STEP:
            break
        seed_numpy()
    renew()
    if core.python_ahead():
        compile("0", "<string>", "exec")
        new_main()
    core.python_wait_for_job()
    return take_job(core, os), json, core


def load_typed():
    """The other file of ours, under no name by which a step would find it imported."""
    global typed
    typed = type(sys)("typed")
    with open(TYPED, "rb") as file:
        execute(compile(file.read(), TYPED, "exec"), typed.__dict__)


def exercise(exercises):
    for function in exercises:
        try:
            function()
        except Exception:  # of no account: the step that needs it will say what is wrong
            pass


def practise(core, os, json, exercises):
    """A job that does next to nothing, in a process that is no step: what memory it touches, each step will."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    renew()
    try:
        run(["code", "import sys\nprint(len(sys.argv), end='')\n"], json)
        exercise([function for function in exercises if function not in SELDOM])
    finally:
        core.python_rehearsed()


def practise_typed():
    typed.practise(without_ours)


def read_all(os):
    """Everything from descriptor 0, past `sys.stdin`, which the steps are to find untouched."""
    parts = []
    while True:
        part = os.read(0, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def preload(config):
    """Answers functions that do a little of what steps are likely to do. The first such call of a process costs many times
    what the next one does: what is set up lazily is set up here, and where a step will write, a rehearsal sees."""
    for name in config["preload"]:
        __import__(name)
    exercises = [function for name, functions in EXERCISES.items() if name in sys.modules for function in functions]
    code = config.get("code")
    if code is not None:
        space = new_main()
        execute(compile(code, "<preload>", "exec"), space.__dict__)
        sys.modules["__preload__"] = space
        if callable(space.__dict__.get("rehearse")):
            exercises.append(space.rehearse)
    return exercises


def settle(json):
    """Makes the memory fit to be shared, and tells what would not survive a fork."""
    import gc
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
    return json.dumps({"mode": "fork", "runtime": "CPython " + version, "threads": names})


def take_job(core, os):
    arguments = [core.python_argument(index) for index in range(core.python_argument_count())]
    if not core.python_has_environment():
        take_environment(os, environment_of(core), core)
    return [os.fsdecode(argument) for argument in arguments]


def environment_of(core):
    environment = {}
    while True:
        entry = core.python_environment(len(environment))
        if entry is None:
            return environment
        name, _, value = entry.partition(b"=")
        environment[name] = value


def take_environment(os, environment, core):
    os.environb.clear()
    core.python_clear_environment()  # also of what Python has not seen
    os.environb.update(environment)
    for entry in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if entry and entry not in sys.path:
            sys.path.insert(1, entry)


def seed_numpy():
    """Of the generator behind numpy's older functions. In the zygote before each fork, where it makes no step wait, unless the
    library beside this file can do better."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(None)


def numpy_state(ctypes):
    """Where that generator has its state, if it is what it is known to be: the step then fills it with random bytes, which
    takes microseconds. None: it is not known."""
    try:
        generator = sys.modules["numpy.random"].mtrand._rand._bit_generator
        address, state = generator.ctypes.state_address, generator.state
        known = state["bit_generator"] == "MT19937" and state["state"]["key"].nbytes == TWISTER_BYTES
        content = state["state"]["key"].tobytes() + int(state["state"]["pos"]).to_bytes(4, sys.byteorder)
        return address if known and ctypes.string_at(address, len(content)) == content else None
    except Exception:
        return None


def renew():
    """In the step: what belongs to the zygote."""
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = tempfile._name_sequence = None


def new_main():
    space = type(sys)("__main__")
    space.__builtins__ = __builtins__
    sys.modules["__main__"] = space
    return space


def execute(code, space):
    exec(code, space)


def run(job, json, core=None):
    """Runs the job, and answers its status; what it raises is the step's own, with frames of ours in front."""
    form, rest = job[0], job[1:]
    space = new_main()
    if form == "typed":
        descriptors = [core.python_descriptor(index) for index in range(core.python_descriptor_count())]
        return typed.run(int(rest[0]), descriptors, without_ours)
    if form == "code":
        sys.argv = ["-c", *rest[1:]]
        sys.path[0] = ""
        execute(compile(rest[0], "<string>", "exec"), space.__dict__)
    elif form == "file":
        run_file(rest, space)
    else:
        module, function, args = rest
        sys.argv = ["-m"]
        sys.path[0] = ""
        typed.find_function({"module": module, "function": function})(*json.loads(args))
    return 0


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


def show_error(error):
    """What the interpreter does with an exception that nobody caught, but for our own frames. Answers the status."""
    trace = without_ours(error.__traceback__)
    sys.excepthook(type(error), error.with_traceback(trace), trace)
    if isinstance(error, KeyboardInterrupt):
        import os
        import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return 1


def status_of(error):
    """What sys.exit() was given, as the interpreter takes it."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def finish():
    """What the interpreter does at its end, without taking apart what the step shares with its zygote: that would copy all of
    it, to be thrown away. Threads are waited for, exit handlers run, and what the step itself made is let go of, so that its
    files are flushed and its finalizers run."""
    import atexit
    import gc

    threading = sys.modules.get("threading")  # not to be loaded now: a step may have used up its descriptors
    if threading is not None:
        threading._shutdown()
    atexit._run_exitfuncs()
    failed = flush()  # and once more, as finalizers may print
    main = sys.modules.get("__main__")
    for name in new_modules():
        module = sys.modules.pop(name, None)
        if module is not None and module is not main and hasattr(module, "__dict__"):
            LEFT.append(module)
    if main is not None:
        main.__dict__.clear()
    LEFT.clear()
    gc.collect()
    return flush() or failed


def note_modules():
    """What is there now is not taken apart at the end of a step."""
    global LAST_PRELOADED
    PRELOADED.update(sys.modules)
    LAST_PRELOADED = next(reversed(sys.modules))


def new_modules():
    """Those that the step has imported. The others, which came before, are not even looked at: their names would be copied."""
    names = []
    for name in reversed(sys.modules):
        if name == LAST_PRELOADED:
            break
        if name not in PRELOADED:
            names.append(name)
    names.reverse()
    return names


def flush():
    failed = False
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError):
            pass  # None, or closed by the step
        except OSError:
            failed = stream is sys.stdout
    return failed


def end(status):
    import ctypes
    import os

    try:
        if finish() and status == 0:
            status = 120  # as the interpreter has it
        ctypes.CDLL(None).fflush(None)  # what extensions wrote by way of the C library
    finally:
        os._exit(status)


def use_numpy():
    numpy = sys.modules["numpy"]
    square = numpy.arange(16.0).reshape(4, 4)
    str((square @ square).sum() + square.mean())


def use_pandas():
    frame = sys.modules["pandas"].DataFrame({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]})
    str(int(frame.a.sum()) + float(frame["b"].mean()))


def use_more_of_pandas():
    frame = sys.modules["pandas"].DataFrame({"key": ["a", "b", "a"], "value": [1, 2, 3]})
    str(frame)
    frame[frame.value > 1].groupby("key").value.mean().to_dict()


def use_pyarrow():
    pyarrow = sys.modules["pyarrow"]
    table = pyarrow.table({"value": [1, 2, 3]})
    str(table.num_rows + len(table.column("value").to_pylist()))
    written = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_file(written, table.schema) as writer:
        writer.write(table)
    pyarrow.ipc.open_file(pyarrow.BufferReader(written.getvalue())).read_all()


EXERCISES = {"numpy": (use_numpy,), "pandas": (use_pandas, use_more_of_pandas), "pyarrow": (use_pyarrow,)}
# Worth to be set up once, and not to be paid for by every step.
SELDOM = (use_numpy, use_more_of_pandas, use_pyarrow)
ROUNDS = 20

OURS = (__file__, TYPED, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>", "<frozen importlib>")
OVER, IN_STEP = 0, 1  # what python_next() answers, or that a step was forked and something is left to be done
TWISTER_BYTES = 624 * 4  # what a Mersenne twister knows, but for its position
PRELOADED, LAST_PRELOADED = set(), None
typed = None
LEFT = []

if __name__ == "__main__":
    job = main()
    status = 0
    try:
        status = run(*job)
    except SystemExit as error:
        status = status_of(error)
    except BaseException as error:  # noqa: B902
        status = show_error(error)
    end(status)
