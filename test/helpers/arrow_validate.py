"""For each path on a line of its input: `ok`, or in one line why pyarrow does not take the file."""

import sys

import pyarrow as pa

for line in sys.stdin:
    try:
        with pa.ipc.open_file(line.rstrip("\n")) as reader:
            for index in range(reader.num_record_batches):
                reader.get_batch(index).validate(full=True)
        print("ok", flush=True)
    except Exception as error:
        print(f"{type(error).__name__}: {error}".replace("\n", " ")[:300], flush=True)
