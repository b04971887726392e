# What the workbench's own steps do. It runs in sandboxes like the steps of its users: a CSV file is nothing to be trusted, either.
import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

COMPARE = {
    "=": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}


def read_csv(params):
    """From a path that is mounted, or from text that a command printed."""
    source = params["path"] if "path" in params else io.BytesIO(params["text"].encode())
    return csv.read_csv(
        source,
        read_options=csv.ReadOptions(use_threads=False, column_names=params.get("header")),
        convert_options=csv.ConvertOptions(null_values=["", *params.get("nulls", [])], strings_can_be_null=True),
    )


def filter(params, tables):
    """Rows for which all conditions hold; a null meets none but `is null`."""
    table = tables["input"]
    for column, (operator, value) in params["where"].items():
        if operator == "is null":
            table = table.filter(pc.is_null(table[column]) if value else pc.is_valid(table[column]))
            continue
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # messages know one kind of number
        table = table.filter(COMPARE[operator](table[column], value))
    return sorted_by(table, params.get("sort"))


def join(params, tables):
    """Looks up each row's key on the right, where it must be unique. The rows and their order are the left table's."""
    left, right = tables["input"], tables["with"]
    [(left_key, right_key)] = params["match"].items()
    keys = right[right_key].combine_chunks()
    if len(pc.unique(keys)) != len(keys):
        raise ValueError(f"{right_key!r} is not unique in the table that is joined")
    found = pc.index_in(left[left_key], value_set=keys)
    for name, column in params["take"].items():
        left = left.append_column(name, right[column].take(found))
    return left


def group(params, tables):
    """One row for each group, in the order in which they first appear."""
    values = params["values"]
    grouped = tables["input"].group_by(params["by"], use_threads=False)
    table = grouped.aggregate([(column, function) for function, column in values.values()])
    columns = [f"{column}_{function}" for function, column in values.values()]
    return sorted_by(table.select([*params["by"], *columns]).rename_columns([*params["by"], *values]), params.get("sort"))


def sorted_by(table, sort):
    """`-name`: the largest first."""
    if sort is None:
        return table
    keys = [(name.lstrip("-"), "descending" if name.startswith("-") else "ascending") for name in sort]
    return table.sort_by(keys)
