"""The Python end of a typed step (proto/step.proto): takes the call, runs the function, and sends what it says.

Loaded by zygote.py beside it, before any step is forked. It runs in the step's own memory and is trusted no more than the
step: the app bounds and checks whatever comes. Works with CPython from 3.9 on and needs no package; pyarrow is imported when
a table is touched, and protobuf is there when the step's own message classes are.
"""

import fcntl
import io
import os
import sys
import threading
from struct import Struct

VERSION = 1
DOUBLE = Struct("<d")
LOG, MESSAGE, RESULT, FAILURE = 1, 2, 3, 4  # FromStep
STDOUT, STDERR = 0, 1
LOG_PIECE = 3072  # a write of up to PIPE_BUF bytes is never torn apart by another
MOST_LOGS = 500_000  # frames; the app takes twice as many. Who prints more does it without an order among streams
MOST_TEXT = 65536
EXACT = 2**53


# ---------------------------------------------------------------- the wire format


def varint(number):
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def number_field(number, value):
    return varint(number << 3) + varint(value) if value else b""


def bytes_field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def text_field(number, value):
    return bytes_field(number, value.encode("utf-8", "backslashreplace"))


def read_varint(data, at):
    byte = data[at]
    at += 1
    if byte < 0x80:
        return byte, at
    result, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
        shift += 7


def fields(data):
    """(number, value) of each: an int, or the bytes of what has a length."""
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            length, at = read_varint(data, at)
            value, at = data[at : at + length], at + length
        elif kind == 1:
            value, at = data[at : at + 8], at + 8
        elif kind == 5:
            value, at = data[at : at + 4], at + 4
        else:
            raise ValueError("a field of an unknown kind")
        yield tag >> 3, value


# ---------------------------------------------------------------- plain values, as google.protobuf.Value


def encode_value(value, path="the value", depth=0):
    if value is None:
        return b"\x08\x00"
    if value is True or value is False:
        return b"\x20\x01" if value else b"\x20\x00"
    if isinstance(value, str):
        return bytes_field(3, encode_text(value, path))
    if isinstance(value, int):
        if not -EXACT <= value <= EXACT:
            raise TypeError(f"{path} is {value}, which a double cannot say exactly: return it as a text, or use a message type")
        return b"\x11" + DOUBLE.pack(value)
    if isinstance(value, float):
        return b"\x11" + DOUBLE.pack(value)
    if depth > 64:
        raise ValueError(f"{path} is nested too deeply, or contains itself")
    if isinstance(value, dict):
        parts = []
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{path} has the key {key!r}: keys must be texts")
            entry = bytes_field(1, encode_text(key, path)) + bytes_field(2, encode_value(item, f"{path}[{key!r}]", depth + 1))
            parts.append(bytes_field(1, entry))
        return bytes_field(5, b"".join(parts))
    if isinstance(value, (list, tuple)):
        items = (bytes_field(1, encode_value(item, f"{path}[{index}]", depth + 1)) for index, item in enumerate(value))
        return bytes_field(6, b"".join(items))
    item = getattr(value, "item", None)  # a number of numpy's
    if callable(item) and getattr(value, "shape", None) == ():
        return encode_value(item(), path, depth + 1)
    raise TypeError(f"{path} is of {type(value).__module__}.{type(value).__qualname__}, which no plain value can say")


def encode_text(text, path):
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path} has a text that is not valid Unicode: {text!r}") from None


def decode_value(data):
    value = None
    for number, content in fields(data):
        if number == 1:
            value = None
        elif number == 2:
            value = DOUBLE.unpack(content)[0]
            if value.is_integer() and -EXACT <= value <= EXACT and (value or DOUBLE.pack(value) == b"\0" * 8):
                value = int(value)  # JavaScript has but one kind of number; an index or a count should be one here
        elif number == 3:
            value = content.decode()
        elif number == 4:
            value = bool(content)
        elif number == 5:
            value = decode_struct(content)
        elif number == 6:
            value = [decode_value(item) for number, item in fields(content) if number == 1]
    return value


def decode_struct(data):
    result = {}
    for number, entry in fields(data):
        if number == 1:
            key, value = "", None
            for part, content in fields(entry):
                if part == 1:
                    key = content.decode()
                elif part == 2:
                    value = decode_value(content)
            result[key] = value
    return result


# ---------------------------------------------------------------- the channel


class Channel:
    """The two descriptors that the app talks by, moved out of the way of the step's code."""

    def __init__(self, requests, replies):
        self.requests, self.replies = requests, replies
        self.lock = threading.RLock()  # a signal handler may print, too
        self.buffer = bytearray()
        self.max_frame = 256 * 1024
        self.logs = 0
        self.over = False  # nothing may follow the last frame

    @classmethod
    def moved(cls, log):
        requests = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 48)
        replies = fcntl.fcntl(1, fcntl.F_DUPFD_CLOEXEC, 48)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(log, 1)
        os.close(log)
        return cls(requests, replies)

    def receive(self):
        """The bytes of the next frame; None at the end."""
        buffer = self.buffer
        while True:
            try:
                length, at = read_varint(buffer, 0)
            except IndexError:  # not even that is whole
                pass
            else:
                if len(buffer) >= at + length:
                    frame = bytes(buffer[at : at + length])
                    del buffer[: at + length]
                    return frame
            part = os.read(self.requests, 65536)
            if not part:
                return None
            buffer += part

    def send(self, kind, body):
        message = bytes_field(kind, body)
        if len(message) > self.max_frame:
            raise ValueError(
                f"a message of {len(message)} bytes is longer than the {self.max_frame} that maxMessageBytes allows: "
                "return a table, or send it in parts"
            )
        with self.lock:
            if self.over:
                raise RuntimeError("the step has ended, or this process is not the step: no message can be sent any more")
            self.over = kind in (RESULT, FAILURE)
            write_all(self.replies, varint(len(message)) + message)

    def log(self, stream, data):
        for start in range(0, len(data), LOG_PIECE):
            piece = bytes(data[start : start + LOG_PIECE])
            message = bytes_field(LOG, number_field(1, stream) + bytes_field(2, piece))
            with self.lock:
                self.logs += 1
                if self.over or self.logs > MOST_LOGS:
                    write_all(stream + 1, piece)
                else:
                    write_all(self.replies, varint(len(message)) + message)

    def close_in_child(self):
        """A process that the step forks is not the step: what it prints goes by its descriptors."""
        self.over = True  # for whoever has kept a stream
        self.lock = threading.RLock()  # another thread may have held it
        os.close(self.replies)
        os.close(self.requests)
        use_descriptors()


def write_all(descriptor, data):
    while data:
        data = data[os.write(descriptor, data) :]


class LogOutput(io.RawIOBase):
    def __init__(self, channel, stream):
        self.channel, self.stream = channel, stream

    def writable(self):
        return True

    def fileno(self):
        return self.stream + 1

    def write(self, data):
        with memoryview(data) as view:
            data = view.tobytes()
        self.channel.log(self.stream, data)
        return len(data)


def text_output(raw, errors):
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors=errors, line_buffering=True)


def use_channel(channel):
    sys.stdout = sys.__stdout__ = text_output(LogOutput(channel, STDOUT), "surrogateescape")
    sys.stderr = sys.__stderr__ = text_output(LogOutput(channel, STDERR), "backslashreplace")


def use_descriptors():
    """What has been printed and not been flushed is the other process's to print."""
    KEPT.extend((sys.stdout, sys.stderr))  # or they would be flushed when they are collected
    sys.stdout = sys.__stdout__ = text_output(io.FileIO(1, "w", closefd=False), "surrogateescape")
    sys.stderr = sys.__stderr__ = text_output(io.FileIO(2, "w", closefd=False), "backslashreplace")


KEPT = []


# ---------------------------------------------------------------- tables


class Tables:
    """What the step may read: a mapping from names to pyarrow.Table, each mapped into memory when it is first asked for."""

    def __init__(self, inputs):
        self._inputs = inputs
        self._mapped = {}

    def __getitem__(self, name):
        if name not in self._mapped:
            self._mapped[name] = self._map(name)
        return self._mapped[name]

    def get(self, name, default=None):
        return self[name] if name in self._inputs else default

    def path(self, name):
        """For what wants a file: it can be opened for reading by this process and those that it starts with `pass_fds`."""
        return f"/proc/self/fd/{self._inputs[name][0]}"

    def __contains__(self, name):
        return name in self._inputs

    def __iter__(self):
        return iter(self._inputs)

    def __len__(self):
        return len(self._inputs)

    def keys(self):
        return self._inputs.keys()

    def values(self):
        return [self[name] for name in self._inputs]

    def items(self):
        return [(name, self[name]) for name in self._inputs]

    def _map(self, name):
        if name not in self._inputs:
            raise KeyError(f"{name!r} is no table of this call; there are: {', '.join(map(repr, self._inputs)) or 'none'}")
        import mmap

        import pyarrow

        descriptor, length = self._inputs[name]
        memory = mmap.mmap(descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ)
        return pyarrow.ipc.open_file(pyarrow.BufferReader(pyarrow.py_buffer(memory))).read_all()


class Outputs:
    """The empty files for tables that the step was given."""

    def __init__(self, slots):
        self.slots = slots
        self.taken = {}

    def descriptor(self, name):
        if not isinstance(name, str) or not name:
            raise TypeError(f"a table must be named by a text, and not by {name!r}")
        if name in self.taken:
            return self.taken[name]
        for wanted in (name, ""):
            for index, (slot, descriptor) in enumerate(self.slots):
                if slot == wanted and index not in self.taken.values():
                    self.taken[name] = index
                    return index
        declared = [slot for slot, _ in self.slots if slot]
        if declared:
            raise ValueError(f"{name!r} is no table that the step may return; declared are: {', '.join(map(repr, declared))}")
        raise ValueError(f"{name!r} is one table too many: a step may return {len(self.slots)} unless they are declared")

    def path(self, name):
        return f"/proc/self/fd/{self.slots[self.descriptor(name)][1]}"

    def write(self, name, table):
        import pyarrow

        table = as_arrow(pyarrow, table)
        with self.writer(name, table.schema) as writer:
            for batch in table if isinstance(table, pyarrow.RecordBatchReader) else (table,):
                writer.write(batch)

    def writer(self, name, schema):
        import pyarrow

        return pyarrow.ipc.new_file(pyarrow.OSFile(self.path(name), "wb"), schema)

    def encode(self):
        """In bytes, what Result.tables is."""
        parts = []
        for name, index in self.taken.items():
            size = os.fstat(self.slots[index][1]).st_size
            parts.append(bytes_field(2, text_field(1, name) + number_field(2, index) + number_field(3, size)))
        return b"".join(parts)


def as_arrow(pyarrow, table):
    if isinstance(table, (pyarrow.Table, pyarrow.RecordBatch, pyarrow.RecordBatchReader)):
        return table
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(table, pandas.DataFrame):
        return pyarrow.Table.from_pandas(table)
    return pyarrow.table(table)


def is_table(value):
    kind = type(value)
    if hasattr(kind, "__arrow_c_stream__"):
        return kind.__module__.partition(".")[0] != "pyarrow" or kind.__name__ in ("Table", "RecordBatchReader")
    if hasattr(kind, "__arrow_c_array__"):
        return kind.__name__ == "RecordBatch"
    return (kind.__module__.partition(".")[0], kind.__name__) in TABLES


TABLES = {("pyarrow", "Table"), ("pyarrow", "RecordBatch"), ("pyarrow", "RecordBatchReader"), ("pandas", "DataFrame")}


def is_tables(value):
    return isinstance(value, dict) and len(value) > 0 and all(map(is_table, value.values()))


# ---------------------------------------------------------------- the step


class Step:
    """What a function finds as its parameter `step`."""

    def __init__(self, channel, tables, outputs, codec):
        self._channel, self._outputs, self._codec = channel, outputs, codec
        self.tables = tables

    def send(self, message):
        """A message on the way; waits while the app does not take it."""
        self._channel.send(MESSAGE, self._codec.payload(message))

    def write_table(self, name, table):
        """Writes a table now; it need not be returned then."""
        self._outputs.write(name, table)

    def table_writer(self, name, schema):
        """A pyarrow.ipc.RecordBatchFileWriter, to be used in `with`: for tables that come batch by batch."""
        return self._outputs.writer(name, schema)

    def table_path(self, name):
        """Where a library may write an Arrow IPC file by itself."""
        return self._outputs.path(name)


class Codec:
    """Between a Payload and what the function is given or returns. `kind` is a class of the protobuf package, or None."""

    def __init__(self, kind):
        self.kind = kind

    def decode(self, payload):
        for number, content in fields(payload):
            if number == 1:
                if self.kind is None:
                    raise TypeError("the parameters are a message, and the step knows no type for it")
                return self.kind.FromString(content)
            if number == 2:
                return decode_value(content)
        return None

    def payload(self, value):
        is_message = hasattr(value, "SerializeToString") and hasattr(value, "DESCRIPTOR")
        if self.kind is None:
            return bytes_field(1, value.SerializeToString()) if is_message else bytes_field(2, encode_value(value))
        wanted = self.kind.DESCRIPTOR.full_name
        if is_message and value.DESCRIPTOR.full_name == wanted:
            return bytes_field(1, value.SerializeToString())
        if isinstance(value, dict):
            return bytes_field(1, self.kind(**value).SerializeToString())
        what = value.DESCRIPTOR.full_name if is_message else type(value).__qualname__
        raise TypeError(f"a {wanted} is to be returned, and not a {what}")


def message_class(name, annotation):
    """The generated class: as the function is annotated, or else the one of that name among those that were imported."""
    if hasattr(annotation, "FromString") and hasattr(annotation, "DESCRIPTOR"):
        return annotation
    if not name:
        return None
    from google.protobuf import descriptor_pool

    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        raise TypeError(
            f"no class is known for the message type {name}: import its _pb2 module, or annotate the function with the class"
        ) from None
    try:
        from google.protobuf.message_factory import GetMessageClass
    except ImportError:  # before 4.22
        return descriptor._concrete_class
    return GetMessageClass(descriptor)


def annotations_of(function):
    annotations = dict(getattr(function, "__annotations__", None) or {})
    space = getattr(function, "__globals__", {})
    for key, value in annotations.items():
        if isinstance(value, str):
            try:
                annotations[key] = eval(value, space)
            except Exception:  # made for type checkers only
                annotations[key] = None
    return annotations


def parameters_of(function):
    """Names of the parameters that are given by their places, and of those that are by their names."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None or code.co_kwonlyargcount or code.co_flags & VARIADIC or hasattr(function, "__wrapped__"):
        return parameters_by_signature(function)
    names = code.co_varnames[: code.co_argcount]
    return names[1:] if hasattr(function, "__self__") else names, ()


VARIADIC = 0x04 | 0x08


def parameters_by_signature(function):
    """Of what is decorated, an object that can be called, and the like."""
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # it does not tell
        return ("params",), ()
    by_place = tuple(one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD))
    by_name = tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)
    any_number = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    return by_place or (("params",) if any_number else ()), by_name


def arguments_for(function, params, tables, step):
    by_place, by_name = parameters_of(function)
    known = {"params": params, "tables": tables, "step": step}
    named = {name: known[name] for name in by_name if name in known}
    asked = (*by_place, *named)
    unnamed = [value for name, value in known.items() if name not in asked or (name == "params" and name not in named)]
    chosen = []
    for name in by_place:
        if name in ("tables", "step"):
            chosen.append(known[name])
        elif unnamed:
            chosen.append(unnamed.pop(0))
    return chosen, named


def split(result, outputs):
    """What was returned, as a message and a dict of tables."""
    if is_table(result):
        declared = [name for name, _ in outputs.slots if name]
        return None, {declared[0] if len(declared) == 1 else "output": result}
    if is_tables(result):
        return None, result
    if isinstance(result, tuple) and len(result) == 2:
        message, tables = result
        if is_table(tables):
            return message, split(tables, outputs)[1]
        if is_tables(tables) or tables == {}:
            return message, tables
    return result, {}


def each_params(channel, codec):
    while True:
        frame = channel.receive()
        if frame is None:
            return
        for number, content in fields(frame):
            if number == 2:
                yield codec.decode(content)


def read_call(frame):
    call = {"strings": {}, "inputs": {}, "outputs": [], "params": None, "streaming": False, "version": 0}
    for number, content in fields(frame):
        if number != 1:
            continue
        for part, value in fields(content):
            if part in STRINGS:
                call["strings"][STRINGS[part]] = value.decode()
            elif part == 1:
                call["version"] = value
            elif part == 6:
                call["params"] = value
            elif part == 7:
                call["streaming"] = bool(value)
            elif part == 10:
                entry = dict(fields(value))
                call["inputs"][entry[1].decode()] = (entry.get(2, 0), entry.get(3, 0))
            elif part == 11:
                entry = dict(fields(value))
                call["outputs"].append((entry.get(1, b"").decode(), entry.get(2, 0)))
            elif part == 13:
                call["max_frame"] = value
    return call


STRINGS = {2: "module", 3: "function", 4: "code", 5: "file", 8: "params_type", 9: "result_type"}


def find_function(strings):
    if "module" in strings:
        __import__(strings["module"])
        target = sys.modules[strings["module"]]
    else:
        target = type(sys)("__step__")
        sys.modules["__step__"] = target
        if "code" in strings:
            source, name = strings["code"], "<step>"
            SOURCES[name] = source
        else:
            name = target.__file__ = strings["file"]
            sys.path[0] = os.path.dirname(os.path.abspath(name))
            with open(name, "rb") as file:
                source = file.read()
        exec(compile(source, name, "exec"), target.__dict__)
    for name in strings["function"].split("."):
        target = getattr(target, name)
    return target


SOURCES = {}


def run(log, descriptors, without_ours):
    """Runs the call that comes on descriptor 0. Answers the status."""
    channel = Channel.moved(descriptors[log])
    os.register_at_fork(after_in_child=channel.close_in_child)
    return answer(channel, descriptors, without_ours)


def answer(channel, descriptors, without_ours):
    use_channel(channel)
    try:
        body = perform(channel, descriptors)
        flush()
        channel.send(RESULT, body)
        status = 0
    except Exception as error:
        flush()
        channel.send(FAILURE, describe(error, without_ours, channel.max_frame))
        status = 1
    return status


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            pass  # replaced or closed by the step


def perform(channel, descriptors):
    frame = channel.receive()
    if frame is None:
        raise EOFError("there was no call")
    call = read_call(frame)
    if call["version"] != VERSION:
        raise ValueError(f"this runtime knows version {VERSION} of the contract, and not {call['version']}")
    channel.max_frame = call.get("max_frame", channel.max_frame)
    strings = call["strings"]
    sys.argv, sys.path[0] = ["-m"], ""
    function = find_function(strings)
    annotations = annotations_of(function)
    names = parameters_of(function)[0] or ("params",)
    params_codec = Codec(message_class(strings.get("params_type"), annotations.get(names[0])))
    codec = Codec(message_class(strings.get("result_type"), annotations.get("return")))
    tables = Tables({name: (descriptors[index], size) for name, (index, size) in call["inputs"].items()})
    outputs = Outputs([(name, descriptors[index]) for name, index in call["outputs"]])
    step = Step(channel, tables, outputs, codec)
    if call["streaming"]:
        params = each_params(channel, params_codec)
    else:
        params = None if call["params"] is None else params_codec.decode(call["params"])
    by_place, by_name = arguments_for(function, params, tables, step)
    result = complete(function(*by_place, **by_name), step)
    message, written = split(result, outputs)
    for name, table in written.items():
        outputs.write(name, table)
    value = b"" if message is None and (codec.kind is not None or written) else bytes_field(1, codec.payload(message))
    return value + outputs.encode()


def complete(result, step):
    """Runs what only begins when it is asked for: what a generator yields are messages, and what it returns is the result."""
    if hasattr(result, "__next__") and hasattr(result, "gi_frame"):
        while True:
            try:
                message = next(result)
            except StopIteration as end:
                return end.value
            step.send(message)
    if hasattr(result, "__await__"):
        import asyncio

        async def wait():
            return await result

        return asyncio.run(wait())
    if hasattr(result, "__anext__"):
        import asyncio

        async def send_each():
            async for message in result:
                step.send(message)

        return asyncio.run(send_each())
    return result


def describe(error, without_ours, most):
    import linecache
    import traceback

    for name, source in SOURCES.items():
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    text = "".join(traceback.format_exception(type(error), error, without_ours(error.__traceback__)))
    name = type(error).__qualname__
    if type(error).__module__ not in ("builtins", "__main__", "__step__"):
        name = f"{type(error).__module__}.{name}"
    try:
        message = str(error)
    except Exception:
        message = ""
    most = min(MOST_TEXT, most // 4)  # three texts
    return b"".join(text_field(number, shorten(part, most)) for number, part in enumerate((name, message, text), 1))


def shorten(text, most):
    """As it is when it takes up to `most` bytes. A character may take six, as an escape."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= most:
        return text
    half = (most - len(LEFT_OUT)) // 2
    return data[:half].decode("utf-8", "ignore") + LEFT_OUT + data[-half:].decode("utf-8", "ignore")


LEFT_OUT = "\n... left out ...\n"


# ---------------------------------------------------------------- practice


def practise(without_ours):
    """A few calls in which nothing is said to anybody: what is set up at the first one, each step would set up again."""
    before = sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__, sys.argv, sys.path[0]
    try:
        for code in PRACTICE:
            practise_one(code, without_ours)
    finally:
        sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__, sys.argv, sys.path[0] = before
        sys.modules.pop("__step__", None)
        SOURCES.clear()
        KEPT.clear()


def practise_one(code, without_ours):
    params = bytes_field(6, bytes_field(2, encode_value({"number": 1, "text": "a text", "list": [True, None]})))
    call = number_field(1, VERSION) + text_field(3, "run") + text_field(4, code) + params + bytes_field(11, number_field(2, 0))
    message = bytes_field(1, call + number_field(13, MOST_TEXT))
    requests, ours = os.pipe()
    replies = os.open(os.devnull, os.O_WRONLY)
    try:
        os.write(ours, varint(len(message)) + message)
        answer(Channel(requests, replies), [-1], without_ours)
    finally:
        for descriptor in (requests, ours, replies):
            os.close(descriptor)


PRACTICE = (
    "def run(params):\n  return params",
    "def run(params, tables, step):\n  print('a line')\n  step.send(params)\n  yield params\n  return params",
)
