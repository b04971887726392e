"""Writes Arrow files of every type into the directory of its argument, and says as JSON what is in each of them."""

import datetime
import decimal
import json
import os
import sys

import pyarrow as pa


def field(name, kind, nullable=True):
    return pa.field(name, kind, nullable=nullable)


D = decimal.Decimal
DAY = datetime.date(2024, 2, 29)
NOON = datetime.time(12, 30, 1)
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 1)
LONG = "a text that is longer than twelve bytes, é"
WORDS = ["", "a", None, "zwölf", LONG, "日本語", "b" * 40]
BYTES = [b"", b"a", None, b"\xff\xfe", b"long enough to lie elsewhere", b"c" * 40, b"d"]
NUMBERS = [1, None, 3, 4, 5, None, 7]


def scalars():
    columns = {"null": pa.nulls(7), "bool": pa.array([True, None, False, True, True, None, False])}
    for kind in [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]:
        columns[str(kind)] = pa.array(NUMBERS, kind)
    for kind in [pa.float16(), pa.float32(), pa.float64()]:
        columns[str(kind)] = pa.array([1.5, None, 2.0, -0.0, 5.0, None, 7.0], kind)
    return [pa.record_batch(columns)]


def texts():
    kinds = [pa.string(), pa.large_string(), pa.string_view()]
    columns = {str(kind): pa.array(WORDS, kind) for kind in kinds}
    for kind in [pa.binary(), pa.large_binary(), pa.binary_view()]:
        columns[str(kind)] = pa.array(BYTES, kind)
    columns["fixed"] = pa.array([b"abc", None, b"def", b"ghi", b"jkl", b"\0\0\0", None], pa.binary(3))
    batch = pa.record_batch(columns)
    return [batch, batch.slice(2, 4), batch.slice(3, 0)]


def plain_texts():
    columns = {"ascii": pa.array(["one", "two", "", "three"]), "utf8": pa.array(["é", "zwölf", "日本", "x"])}
    return [pa.record_batch(columns)] * 2


def times():
    columns = {
        "date32": pa.array([DAY, None, DAY]),
        "date64": pa.array([DAY, None, DAY], pa.date64()),
        "interval": pa.array([(1, 2, 3), None, (4, 5, 6)], pa.month_day_nano_interval()),
    }
    for unit in ["s", "ms"]:
        columns["time " + unit] = pa.array([NOON, None, NOON], pa.time32(unit))
    for unit in ["us", "ns"]:
        columns["time " + unit] = pa.array([NOON, None, NOON], pa.time64(unit))
    for unit in ["s", "ms", "us", "ns"]:
        columns["stamp " + unit] = pa.array([MOMENT, None, MOMENT], pa.timestamp(unit))
        columns["zoned " + unit] = pa.array([MOMENT, None, MOMENT], pa.timestamp(unit, "Europe/Berlin"))
        columns["duration " + unit] = pa.array([1, None, 3], pa.duration(unit))
    return [pa.record_batch(columns)]


def decimals():
    columns = {}
    for make, digits in [(pa.decimal32, 9), (pa.decimal64, 18), (pa.decimal128, 38), (pa.decimal256, 76)]:
        for precision in [digits, 5]:
            kind = make(precision, 2)
            largest = D(10**precision - 1).scaleb(-2, decimal.Context(prec=80))
            columns[str(kind)] = pa.array([D("1.25"), None, largest, largest.copy_negate()], kind)
    return [pa.record_batch(columns)]


def lists():
    values = [[1, 2], None, [], [3, None], [4, 5]]
    number = pa.int32()
    columns = {str(kind): pa.array(values, kind) for kind in [pa.list_(number), pa.large_list(number)]}
    columns["sized"] = pa.array([[1, 2], None, [3, None], [4, 5], [6, 7]], pa.list_(number, 2))
    columns["texts"] = pa.array([["a", "é"], None, [], [LONG], [None]], pa.list_(field("x y", pa.string())))
    columns["deep"] = pa.array([[[1], []], None, [], [None, [2, 3]], [[4]]], pa.list_(pa.list_(number)))
    batch = pa.record_batch(columns)
    return [batch, batch.slice(1, 3)]


def list_views():
    values = [[1, 2], None, [], [3, None], [4, 5]]
    kinds = [pa.list_view(pa.int32()), pa.large_list_view(pa.int32()), pa.list_view(pa.list_view(pa.int32()))]
    columns = {str(kind): pa.array(values, kind) for kind in kinds[:2]}
    columns["deep"] = pa.array([values, None, [], values, [None]], kinds[2])
    # Out of order, and sharing values.
    offsets, sizes = pa.array([2, 0, 1, 4, 0], pa.int32()), pa.array([2, 3, 2, 0, 4], pa.int32())
    columns["shared"] = pa.ListViewArray.from_arrays(offsets, sizes, pa.array(["a", "b", "c", "d"]))
    batch = pa.record_batch(columns)
    return [batch, batch.slice(1, 3)]


def structs():
    pair = pa.struct([field("a", pa.int64(), False), field("b", pa.string())])
    outer = pa.struct([field("pair", pair), field("list", pa.list_(pair))])
    one = {"a": 1, "b": "x"}
    columns = {
        "pair": pa.array([one, None, {"a": 2, "b": None}, one], pair),
        "outer": pa.array([{"pair": one, "list": [one, one]}, None, {"pair": None, "list": []}, None], outer),
        "map": pa.array([[("k", 1), ("l", None)], None, [], [("m", 2)]], pa.map_(pa.string(), pa.int32())),
        "sorted": pa.array([[(1, "a")], None, [], [(2, None)]], pa.map_(pa.int8(), pa.string(), keys_sorted=True)),
        "named": pa.array([[(1, "a")], None, [], []], pa.map_(field("k", pa.int8(), False), field("v", pa.string()))),
    }
    batch = pa.record_batch(columns)
    return [batch, batch.slice(1, 2)]


def unions():
    ids = pa.array([0, 1, 0, 1, 0], pa.int8())
    offsets = pa.array([0, 0, 1, 1, 2], pa.int32())
    numbers, words = pa.array([1, None, 3, 4, 5]), pa.array(["a", "b", None, LONG, "e"])
    columns = {
        "sparse": pa.UnionArray.from_sparse(ids, [numbers, words]),
        "dense": pa.UnionArray.from_dense(ids, offsets, [numbers.slice(0, 3), words.slice(0, 2)]),
        "coded": pa.UnionArray.from_sparse(pa.array([5, 9, 5, 9, 5], pa.int8()), [numbers, words], ["n", "w"], [5, 9]),
    }
    batch = pa.record_batch(columns)
    return [batch, batch.slice(1, 3)]


def runs():
    columns = {}
    for kind in [pa.int16(), pa.int32(), pa.int64()]:
        columns[str(kind)] = pa.RunEndEncodedArray.from_arrays(pa.array([2, 5], kind), pa.array(["a", None]))
    batch = pa.record_batch(columns)
    return [batch, batch.slice(1, 3)]


def dictionaries():
    columns = {}
    for kind in [pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16(), pa.uint32()]:
        indices = pa.array([0, 1, None, 2, 1], kind)
        columns[str(kind)] = pa.DictionaryArray.from_arrays(indices, pa.array(["a", "é", LONG]))
    columns["numbers"] = pa.DictionaryArray.from_arrays(indices, pa.array([7, None, 8]), ordered=True)
    columns["lists"] = pa.DictionaryArray.from_arrays(indices, pa.array([[7, None], [], None]))
    batch = pa.record_batch(columns)
    return [batch, batch.slice(2, 2)]


def wide_dictionaries():
    columns = {}
    for kind in [pa.int64(), pa.uint64()]:
        columns[str(kind)] = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 1], kind), pa.array(["a", "é"]))
    return [pa.record_batch(columns)]


def nested_dictionaries():
    inner = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 1], pa.int8()), pa.array(["x", "y"]))
    pairs = pa.StructArray.from_arrays([inner, pa.array([1, 2, 3, 4])], ["word", "number"])
    columns = {
        "dictionary of dictionaries": pa.DictionaryArray.from_arrays(pa.array([3, 2, None, 0], pa.int8()), pairs),
        "list of dictionaries": pa.ListArray.from_arrays(pa.array([0, 1, 1, 3, 4], pa.int32()), inner),
    }
    return [pa.record_batch(columns)]


def deltas():
    def batch(words):
        indices = pa.array([0, None, len(words) - 1], pa.int32())
        return pa.record_batch({"word": pa.DictionaryArray.from_arrays(indices, pa.array(words))})

    return [batch(["a", "b"]), batch(["a", "b", "é"]), batch(["a", "b", "é", LONG])]


def nested_deltas():
    pair = pa.struct([field("a", pa.int8()), field("b", pa.string())])
    values = {
        "bool": pa.array([True, False, None]),
        "list": pa.array([[1], None, [2, 3]], pa.list_(pa.int8())),
        "sized": pa.array([[1, 2], [3, 4], None], pa.list_(pa.int8(), 2)),
        "pair": pa.array([{"a": 1, "b": "x"}, None, {"a": 2, "b": LONG}], pair),
        "view": pa.array(["a", LONG, None], pa.string_view()),
        "map": pa.array([[("a", 1)], [("b", 2)], None], pa.map_(pa.string(), pa.int8())),
        "decimal": pa.array([1, 2, None], pa.decimal128(5, 2)),
    }

    def batch(count):
        indices = pa.array([0, count - 1, None], pa.int16())
        return pa.record_batch({k: pa.DictionaryArray.from_arrays(indices, v.slice(0, count)) for k, v in values.items()})

    return [batch(2), batch(3)]


def empty():
    return [pa.record_batch({"a": pa.array([], pa.string()), "b": pa.array([], pa.list_(pa.int8()))})]


def no_columns():
    return [pa.RecordBatch.from_struct_array(pa.array([{}, {}, {}], pa.struct([])))]


def no_batches():
    return pa.schema([field("a", pa.int64(), False), field("d", pa.dictionary(pa.int8(), pa.string()))])


def extensions():
    columns = {
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef", None], pa.binary(16))),
        "json": pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}', None])),
        "bool8": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())),
    }
    foreign = pa.field("foreign", pa.int64(), metadata={"ARROW:extension:name": "app.own", "other": b"\xff"})
    batch = pa.record_batch(columns)
    return [batch.append_column(foreign, pa.array([1, 2]))]


def many():
    columns = {"n": pa.array(range(3000)), "s": pa.array([f"row {i} é" for i in range(3000)])}
    columns["n"] = pa.array([None if i % 7 == 0 else i for i in range(3000)])
    return pa.table(columns).to_batches(max_chunksize=1000)


TABLES = [scalars, texts, plain_texts, times, decimals, lists, list_views, structs, unions, runs]
TABLES += [dictionaries, wide_dictionaries, nested_dictionaries, deltas, nested_deltas]
TABLES += [empty, no_columns, no_batches, extensions, many]


def storage(kind):
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def write(directory, make):
    made = make()
    schema, batches = (made, []) if isinstance(made, pa.Schema) else (made[0].schema, made)
    path = os.path.join(directory, make.__name__ + ".arrow")
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_file(path, schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    columns = [{"name": f.name, "type": str(storage(f.type)), "nullable": f.nullable} for f in schema]
    rows = sum(batch.num_rows for batch in batches)
    return {"path": path, "rows": rows, "columns": columns, "batches": len(batches), "bytes": os.path.getsize(path)}


if __name__ == "__main__":
    print(json.dumps([write(sys.argv[1], make) for make in TABLES]))
