"""Writes tables as files: the same ones each time. `python tables.py KIND BYTES PATH`, of rows or numbers (Arrow) or rows as csv."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv

BATCH = 1 << 20
ROW_BYTES = 28  # of one of `rows`


def rows(start, count):
    """What bench/programs/filter-app.mjs makes, too, as objects."""
    ids = np.arange(start, start + count, dtype=np.int64)
    value = (ids * 2654435761 % 2**32) / 2**32
    kinds = pa.array([f"kind {i:03}" for i in range(100)])
    return pa.record_batch({"id": ids, "value": value, "kind": kinds.take(pa.array(ids % 100))})


def numbers(start, count):
    ids = np.arange(start, start + count, dtype=np.int64)
    return pa.record_batch({"key": ids, "value": ids * 0.5})


kind, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
make, row = (numbers, 16) if kind == "numbers" else (rows, ROW_BYTES)
count = size // row
schema = make(0, 1).schema
with (pyarrow.csv.CSVWriter if kind == "csv" else pa.ipc.new_file)(path, schema) as writer:
    for start in range(0, count, BATCH):
        writer.write_batch(make(start, min(BATCH, count - start)))
