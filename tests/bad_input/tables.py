"""Malformed data files: what lies in the folder, the keys that name it, what must be said."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any, NamedTuple

import pyarrow
from pyarrow import parquet

ROWS = [{"text": f"text {row}", "label": "ab"[row % 2], "site": f"s{row % 3}"} for row in range(40)]


class TableCase(NamedTuple):
    """Files by name, the keys of the configuration, and what the message must hold."""

    id: str
    files: dict[str, bytes]
    keys: str
    parts: tuple[str, ...]


def csv(rows: list[dict[str, str]] = ROWS, delimiter: str = ",", end: str = "\n") -> bytes:
    """The rows as plain CSV."""
    lines = [delimiter.join(rows[0]), *(delimiter.join(row.values()) for row in rows)]
    return (end.join(lines) + end).encode()


def jsonl(*rows: Any) -> bytes:
    """One JSON value a line, after good rows; text and bytes are put in as they are."""
    lines = [json.dumps(row).encode() for row in ROWS]
    for row in rows:
        if isinstance(row, bytes):
            lines.append(row)
        else:
            lines.append((row if isinstance(row, str) else json.dumps(row)).encode())
    return b"\n".join(lines) + b"\n"


def columns(**given: Any) -> bytes:
    """A Parquet file of these columns."""
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(given), out)
    return out.getvalue()


def _parquet(rows: list[dict[str, str]] = ROWS) -> bytes:
    return columns(**{name: [row[name] for row in rows] for name in rows[0]})


def _twice() -> bytes:
    out = io.BytesIO()
    names = ["text", "label", "label"]
    table = pyarrow.Table.from_arrays([pyarrow.array(["x", "y"])] * 3, names=names)
    parquet.write_table(table, out)
    return out.getvalue()


def _not_utf8() -> bytes:
    offsets, data = pyarrow.array([0, 2, 4], pyarrow.int32()).buffers()[1], b"ok\xff\xfe"
    text = pyarrow.StringArray.from_buffers(2, offsets, pyarrow.py_buffer(data))
    return columns(text=text, label=["a", "b"])


def _without(row: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in row.items() if key != name}


def _cell(name: str, value: str, number: int = 6) -> bytes:
    """Good CSV but for the cell in one row (from 0)."""
    return csv([row | {name: value} if place == number else row for place, row in enumerate(ROWS)])


GOOD = csv()
TWO_LABELS = [{"text": f"t{row}", "label": "ab"[row > 3]} for row in range(8)]


def _train(id: str, name: str, content: bytes, *parts: str, keys: str = "") -> TableCase:
    """A single bad training file."""
    more = f", {keys}" if keys else ""
    return TableCase(id, {name: content}, f"data: {{name: files, train: {name}{more}}}", parts)


def _beside(id: str, split: str, name: str, content: bytes, *parts: str) -> TableCase:
    """A bad evaluation file beside a good training file."""
    keys = f"data: {{name: files, train: good.csv, {split}: {name}}}"
    return TableCase(id, {"good.csv": GOOD, name: content}, keys, parts)


def _more(id: str, rows: bytes, keys: str, *parts: str) -> TableCase:
    """A training file that does not go with other keys."""
    return TableCase(id, {"t.csv": rows}, keys, parts)


CSV: list[TableCase] = [
    _train("csv_empty", "t.csv", b"", "t.csv: the file is empty"),
    _train("csv_blank", "t.csv", b" \r\n\r\n \t\n", "t.csv: the file is empty"),
    _train("csv_bom_alone", "t.csv", b"\xef\xbb\xbf", "t.csv: ", "mpty"),
    _train("csv_bom_and_line", "t.csv", b"\xef\xbb\xbf\r\n", "t.csv: ", "mpty"),
    _train("csv_header_only", "t.csv", b"text,label\n", "t.csv: the table has no rows"),
    _train("csv_header_unended", "t.csv", b"text,label", "t.csv: ", "no rows"),
    _train("csv_no_header", "t.csv", GOOD.split(b"\n", 1)[1], "no column 'text' (data.text)"),
    _train("csv_near_text", "t.csv", GOOD.replace(b"text,", b"Text,"), "did you mean 'Text'?"),
    _train("csv_near_label", "t.csv", GOOD.replace(b"label", b"lable"), "did you mean 'lable'?"),
    _train("csv_spaced_header", "t.csv", GOOD.replace(b"label", b" label"), "did you mean ' label"),
    _train("csv_far_columns", "t.csv", b"a,b\n1,2\n", "no column 'text'", "allowed: a, b"),
    _train("csv_one_column", "t.csv", b"text\nhello\nworld\n", "no column 'label' (data.label)"),
    _train("csv_semicolons", "t.csv", csv(delimiter=";"), "no column 'text'", "text;label;site"),
    _train("csv_tabs", "t.csv", csv(delimiter="\t"), "no column 'text' (data.text)"),
    _train("csv_pipes", "t.csv", csv(delimiter="|"), "no column 'text'", "text|label|site"),
    _train("csv_utf16", "t.csv", GOOD.decode().encode("utf-16"), "t.csv: not UTF-8", "iconv"),
    _train("csv_utf16_no_bom", "t.csv", GOOD.decode().encode("utf-16-le"), "t.csv: ", "NUL"),
    _train(
        "csv_latin_1", "t.csv", _cell("text", "caf\xe9").decode().encode("latin-1"), "not UTF-8"
    ),
    _train("csv_cut_character", "t.csv", GOOD + "é".encode()[:1], "t.csv: not UTF-8"),
    _train("csv_nul_file", "t.csv", bytes(4096), "t.csv: ", "NUL"),
    _train("csv_nul_header", "t.csv", b"te\x00xt,label\nx,a\ny,b\n", "t.csv: ", "NUL"),
    _train("csv_nul_label", "t.csv", _cell("label", "\x00"), "t.csv: ", "NUL"),
    _train("csv_twice", "t.csv", b"text,label,label\nx,a,b\n", "the column 'label' is given twice"),
    _train("csv_twice_other", "t.csv", b"id,text,label,id\n1,x,a,1\n", "'id' is given twice"),
    _train("csv_long_row", "t.csv", GOOD + b"x,a,s,more\n", "cannot be read as csv", "columns"),
    _train("csv_short_row", "t.csv", GOOD + b"x\n", "cannot be read as csv", "columns"),
    _train("csv_long_ragged", "t.csv", GOOD + b"x" * 99_999 + b"\n", "cannot be read as csv"),
    _train("csv_comma_in_text", "t.csv", GOOD + b"well, well,a,s1\n", "cannot be read as csv"),
    _train("csv_open_quote", "t.csv", GOOD + b'"x,a,s1\n', "cannot be read as csv"),
    _train(
        "csv_quote_in_middle", "t.csv", b'text,label\n"x"y"z,a\n"b,c\n', "cannot be read as csv"
    ),
    _train("csv_empty_text", "t.csv", _cell("text", ""), "row 7 has no value in column 'text'"),
    _train("csv_blank_text", "t.csv", _cell("text", '"  "'), "row 7 has no value in column 'text'"),
    _train("csv_nbsp_text", "t.csv", _cell("text", "\xa0"), "row 7 has no value in column 'text'"),
    _train("csv_empty_label", "t.csv", _cell("label", ""), "row 7 has no value in column 'label'"),
    _train(
        "csv_blank_label", "t.csv", _cell("label", "\t"), "row 7 has no value in column 'label'"
    ),
    _train("csv_quoted_label", "t.csv", _cell("label", '""'), "row 7 has no value in column 'la"),
    _train("csv_empty_last", "t.csv", _cell("label", "", 39), "row 40 has no value in column"),
    _train("csv_one_label", "t.csv", b"text,label\nx,a\ny,a\nz, a\n", "only one label ('a')"),
    _train("csv_one_row", "t.csv", b"text,label\nx,a\n", "only one label ('a')", "at least 2"),
    _train("csv_same_column", "t.csv", GOOD, "data.label", "must differ", keys="label: text"),
    _train(
        "csv_client_near",
        "t.csv",
        GOOD,
        "no column 'sites' (data.client); did you mean 'site'?",
        keys="client: sites",
    ),
    _train(
        "csv_client_empty",
        "t.csv",
        _cell("site", ""),
        "row 7 has no value in column 'site'",
        keys="client: site",
    ),
    _train("csv_html", "t.csv", b"<!DOCTYPE html>\n<p>404, sorry</p>\n", "cannot be read as csv"),
    _train("csv_html_one_line", "t.csv", b"<p>" * 50_000 + b"\n<p>\n", "no column 'text'"),
    _train("csv_is_parquet", "t.csv", _parquet(), "t.csv: ", "NUL"),
    _train("csv_is_zip", "t.csv", b"PK\x03\x04\x14\x00\x08\x08\x08\x00\xff\xfe", "t.csv: ", "NUL"),
    _train(
        "csv_wide",
        "t.csv",
        (",".join(f"c{n}" for n in range(5000)) + "\n" + ",".join("x" * 5000) + "\n").encode(),
        "no column 'text' (data.text)",
    ),
    _train("csv_mac_ends", "t.csv", GOOD.replace(b"\n", b"\r") + b"x,a\r", "cannot be read as csv"),
    _train("tsv_commas", "t.tsv", GOOD, "no column 'text' (data.text)", "text,label,site"),
    _train("tsv_ragged", "t.tsv", csv(delimiter="\t") + b"x\n", "cannot be read as tsv"),
    _train("tsv_open_quote", "t.tsv", csv(delimiter="\t") + b'"x\ta\ts\n', "cannot be read as tsv"),
    _train("tsv_empty", "t.tsv", b"\n\n", "t.tsv: the file is empty"),
]


JSONL: list[TableCase] = [
    _train("json_empty", "t.jsonl", b"", "t.jsonl: the file is empty"),
    _train("json_array", "t.json", json.dumps(ROWS).encode(), "one JSON object a line", "array"),
    _train("json_indented", "t.json", json.dumps(ROWS[0], indent=1).encode(), "line 1, column 2: "),
    _train("json_list", "t.jsonl", jsonl(["x", "a"]), "line 41: one JSON object a line"),
    _train("json_scalar", "t.jsonl", jsonl(5), "line 41: one JSON object a line"),
    _train("json_null", "t.jsonl", jsonl(None), "line 41: one JSON object a line"),
    _train("json_string", "t.jsonl", jsonl('"text"'), "line 41: one JSON object a line"),
    _train("json_cut", "t.jsonl", jsonl()[:-15], "line 40, column 34: "),
    _train("json_cut_in_key", "t.jsonl", jsonl('{"text": "x", "lab'), "line 41, column 15: "),
    _train(
        "json_two_a_line", "t.jsonl", jsonl('{"text": "x"} {"text": "y"}'), "line 41, column 15: "
    ),
    _train(
        "json_no_commas", "t.jsonl", jsonl('{"text": "x" "label": "a"}'), "line 41, column 14: "
    ),
    _train(
        "json_last_comma", "t.jsonl", jsonl('{"text": "x", "label": "a"},'), "line 41, column 28: "
    ),
    _train(
        "json_single_quotes", "t.jsonl", jsonl("{'text': 'x', 'label': 'a'}"), "line 41, column 2: "
    ),
    _train("json_comment", "t.jsonl", jsonl("// more"), "line 41, column 1: "),
    _train("json_is_csv", "t.jsonl", GOOD, "cannot be read as jsonl", "line 1, column 1: "),
    _train(
        "json_key_twice",
        "t.jsonl",
        jsonl('{"text": "x", "label": "a", "label": "b"}'),
        "line 41: ",
        "'label' is given twice",
    ),
    _train("json_deep", "t.jsonl", jsonl("[" * 100_000), "cannot be read as jsonl", "line 41: "),
    _train(
        "json_deep_value",
        "t.jsonl",
        jsonl('{"text": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        "line 41: ",
    ),
    _train("json_digits", "t.jsonl", jsonl('{"label": ' + "9" * 5000 + "}"), "line 41: "),
    _train("json_nul", "t.jsonl", jsonl(b'{"text": "a\x00b", "label": "a"}'), "t.jsonl: ", "NUL"),
    _train("json_surrogate", "t.jsonl", jsonl('{"text": "\\ud800", "label": "a"}'), "line 41: "),
    _train("json_latin_1", "t.jsonl", jsonl(b'{"text": "caf\xe9", "label": "a"}'), "not UTF-8"),
    _train("json_list_text", "t.jsonl", jsonl({"text": ["x"], "label": "a"}), "row 41 holds list"),
    _train(
        "json_object_label",
        "t.jsonl",
        jsonl({"text": "x", "label": {"id": 1}}),
        "row 41 holds dict in column 'label'",
        "text or numbers",
    ),
    _train("json_no_label", "t.jsonl", jsonl({"text": "x"}), "row 41 has no value in column 'la"),
    _train("json_other_keys", "t.jsonl", jsonl({"body": "x", "topic": "a"}), "row 41 has no value"),
    _train(
        "json_null_label", "t.jsonl", jsonl({"text": "x", "label": None}), "row 41 has no value"
    ),
    _train("json_blank_text", "t.jsonl", jsonl({"text": " ", "label": "a"}), "row 41 has no value"),
    _train("json_nan_label", "t.jsonl", jsonl('{"text": "x", "label": NaN}'), "row 41", "'label'"),
    _train(
        "json_inf_label", "t.jsonl", jsonl('{"text": "x", "label": Infinity}'), "row 41", "'label'"
    ),
    _train("json_near_key", "t.jsonl", b'{"Text": "x", "label": "a"}', "did you mean 'Text'?"),
    _train("json_nested_rows", "t.json", b'{"data": [{"text": "x"}]}', "no column 'text'", "data"),
    _train("json_no_keys", "t.jsonl", b"{}\n{}\n", "no column 'text' (data.text)"),
    _train(
        "json_client_missing",
        "t.jsonl",
        jsonl({"text": "x", "label": "a"}),
        "row 41",
        "'site'",
        keys="client: site",
    ),
]


BINARY: list[TableCase] = [
    _train("parquet_empty", "t.parquet", b"", "t.parquet: cannot be read as parquet"),
    _train("parquet_text", "t.parquet", GOOD, "t.parquet: cannot be read as parquet"),
    _train("parquet_cut", "t.parquet", _parquet()[:-20], "t.parquet: cannot be read as parquet"),
    _train("parquet_half", "t.parquet", _parquet()[:200], "t.parquet: cannot be read as parquet"),
    _train(
        "parquet_start_lost", "t.parquet", _parquet()[99:], "t.parquet: cannot be read as parqu"
    ),
    _train("parquet_magic_alone", "t.parquet", b"PAR1PAR1", "t.parquet: cannot be read as parquet"),
    _train("parquet_nul", "t.parquet", bytes(2000), "t.parquet: cannot be read as parquet"),
    _train("parquet_no_rows", "t.parquet", columns(text=[], label=[]), "the table has no rows"),
    _train("parquet_no_columns", "t.parquet", columns(), "no column 'text' (data.text)"),
    _train("parquet_near", "t.parquet", columns(texts=["x"], label=["a"]), "did you mean 'texts'?"),
    _train("parquet_twice", "t.parquet", _twice(), "the column 'label' is given twice"),
    _train("parquet_bytes", "t.parquet", columns(text=[b"x"], label=["a"]), "row 1 holds bytes"),
    _train("parquet_lists", "t.parquet", columns(text=[["x"]], label=["a"]), "row 1 holds list"),
    _train("parquet_structs", "t.parquet", columns(text=["x"], label=[{"a": 1}]), "holds dict"),
    _train("parquet_nulls", "t.parquet", columns(text=[None, None], label=["a", "b"]), "row 1 has"),
    _train(
        "parquet_null", "t.parquet", columns(text=["x", "y"], label=["a", None]), "row 2 has no"
    ),
    _train(
        "parquet_nan", "t.parquet", columns(text=["x", "y"], label=[1.0, float("nan")]), "row 2"
    ),
    _train("parquet_one_label", "t.parquet", columns(text=["x", "y"], label=[1, 1]), "only one la"),
    _train("parquet_not_utf8", "t.parquet", _not_utf8(), "t.parquet: cannot be read as parquet"),
    _train(
        "parquet_far_dates",
        "t.parquet",
        columns(text=["x"], label=pyarrow.array([2**62], pyarrow.timestamp("ms"))),
        "t.parquet: cannot be read as parquet",
    ),
    _train(
        "parquet_durations",
        "t.parquet",
        columns(text=["x"], label=pyarrow.array([2**62], pyarrow.duration("ms"))),
        "t.parquet: cannot be read as parquet",
    ),
    _train(
        "parquet_times", "t.parquet", columns(text=["x"], label=[timedelta(1)]), "only one label"
    ),
]


PLACES: list[TableCase] = [
    _train("place_absent", "other.csv", GOOD, "t.csv: no such file", keys="train: t.csv")._replace(
        keys="data: {name: files, train: t.csv}"
    ),
    TableCase("place_glob", {}, 'data: {name: files, train: "*.parquet"}', ("no such file",)),
    TableCase("place_glob_folder", {}, "data: {name: files, train: x/*/t.csv}", ("no such file",)),
    TableCase("place_nul", {}, 'data: {name: files, train: "a\\0.csv"}', ("no such file",)),
    TableCase(
        "place_home", {}, "data: {name: files, train: ~nobody-here/t.csv}", ("no such file",)
    ),
    TableCase("place_bracket", {}, 'data: {name: files, train: "[t.csv"}', ("no such file",)),
    TableCase("place_url", {}, 'data: {name: files, train: "https://x.org/t.csv"}', ("no such",)),
    _train("suffix_xlsx", "t.xlsx", b"PK\x03\x04", "format .xlsx is not read", ".csv, .tsv"),
    _train("suffix_txt", "t.txt", GOOD, "format .txt is not read", "allowed: .csv, .tsv"),
    _train("suffix_none", "t", GOOD, "format without suffix is not read", "allowed: .csv"),
    _train("suffix_gz", "t.csv.gz", GOOD, "format .gz is not read", "allowed: .csv, .tsv"),
    _train("suffix_dots", "t.csv.", GOOD, "is not read", "allowed: .csv, .tsv"),
    TableCase(
        "glob_with_others",
        {"d/a.csv": GOOD, "d/readme.md": b"x"},
        'data: {name: files, train: "d/*"}',
        ("d/readme.md: format .md is not read",),
    ),
    TableCase(
        "folder_without_tables",
        {"d/readme.md": b"x"},
        "data: {name: files, train: d}",
        ("d: the folder holds no ", ".csv, .tsv"),
    ),
    TableCase(
        "folder_with_test",
        {"d/train.csv": GOOD, "d/test.csv": GOOD},
        "data: {name: files, train: d}",
        ("d: holds a file 'test'", "data.train, data.validation and data.test"),
    ),
    TableCase(
        "folder_one_bad",
        {"d/a.csv": GOOD, "d/b.csv": b"text,label\nx,\n"},
        "data: {name: files, train: d}",
        ("d/b.csv: row 1 has no value in column 'label'",),
    ),
    TableCase(
        "folder_other_columns",
        {"d/a.csv": GOOD, "d/b.csv": b"body,label\nx,a\n"},
        "data: {name: files, train: d}",
        ("d/b.csv: no column 'text' (data.text)", "body"),
    ),
    TableCase(
        "folder_one_without_client",
        {"d/a.csv": GOOD, "d/b.csv": b"text,label\nx,a\n"},
        "data: {name: files, train: d, client: site}",
        ("d/b.csv: no column 'site' (data.client)",),
    ),
    TableCase(
        "one_file_per_client",
        {"t.csv": GOOD},
        "data: {name: files, train: t.csv, file_per_client: true}",
        ("data.file_per_client: ", "t.csv is one file"),
    ),
    TableCase(
        "saved_folder_damaged",
        {"d/dataset_info.json": b"{}", "d/state.json": b"{"},
        "data: {name: files, train: d}",
        ("d: cannot be read as a datasets folder (",),
    ),
    TableCase(
        "saved_dict_damaged",
        {"d/dataset_dict.json": b'{"splits": ["train"]}'},
        "data: {name: files, train: d}",
        ("d: cannot be read as a datasets folder (",),
    ),
    TableCase(
        "saved_dict_not_json",
        {"d/dataset_dict.json": b"\xff"},
        "data: {name: files, train: d}",
        ("d: cannot be read as a datasets folder (",),
    ),
]


SPLITS: list[TableCase] = [
    _beside("test_absent", "test", "x.csv", b"", "x.csv: no such file")._replace(
        files={"good.csv": GOOD}
    ),
    _beside("test_empty", "test", "x.csv", b"", "x.csv: the file is empty"),
    _beside("test_header_only", "test", "x.csv", b"text,label\n", "x.csv: the table has no rows"),
    _beside("test_near_column", "test", "x.csv", b"text,labels\nx,a\n", "did you mean 'labels'?"),
    _beside("test_new_label", "test", "x.csv", b"text,label\nx,c\n", "label 'c' of the test split"),
    _beside("test_case_of_label", "test", "x.csv", b"text,label\nx,A\n", "label 'A' of the test"),
    _beside(
        "test_unlabelled", "test", "x.csv", b"text,label\nx,\n", "row 1 has no value in column"
    ),
    _beside("test_folder", "test", "d/x.md", b"x", "d/x.md: format .md is not read"),
    _beside(
        "validation_new", "validation", "x.csv", b"text,label\nx,c\n", "of the validation split"
    ),
    _beside("validation_empty", "validation", "x.csv", b"\n", "x.csv: the file is empty"),
    _beside("validation_bad", "validation", "x.parquet", b"x", "cannot be read as parquet"),
    _beside("validation_float", "validation", "x.jsonl", b'{"text": "x", "label": 1.0}', "'1.0'"),
]


FEDERATION: list[TableCase] = [
    _more(
        "fewer_rows_than_clients",
        csv(TWO_LABELS),
        "data: {name: files, train: t.csv}\nevaluation: {validation_fraction: 0.25}",
        "federation.num_clients: 10 clients cannot share 6 training examples",
    ),
    _more(
        "fewer_rows_than_minimum",
        GOOD,
        "data: {name: files, train: t.csv}\npartition: dirichlet",
        "partition.min_examples: 10 clients x 8 examples exceed the 36 training examples",
    ),
    _more(
        "too_few_for_validation",
        csv(TWO_LABELS[3:5]),
        "data: {name: files, train: t.csv}",
        "data: 2 training examples are too few to hold out 10% for validation",
    ),
    _more(
        "a_label_a_row",
        csv([{"text": f"t{row}", "label": f"l{row}"} for row in range(30)]),
        "data: {name: files, train: t.csv}",
        "too few to hold out 10% for validation",
        "each label",
    ),
    _more(
        "a_client_a_row",
        csv([row | {"site": f"s{place}"} for place, row in enumerate(ROWS)]),
        "data: {name: files, train: t.csv, client: site}",
        "too few to hold out 10% for validation",
        "each client",
    ),
    _more(
        "fewer_own_clients",
        GOOD,
        "data: {name: files, train: t.csv, client: site}\nfederation: {num_clients: 5}",
        "federation.num_clients: 5 given, the data has 3 clients",
    ),
    _more(
        "fewer_own_clients_a_round",
        GOOD,
        "data: {name: files, train: t.csv, client: site}\nfederation: {clients_per_round: 5}",
        "federation.clients_per_round: 5 exceeds the 3 clients",
    ),
    _more(
        "natural_without_clients",
        GOOD,
        "data: {name: files, train: t.csv}\npartition: natural",
        "partition: natural needs clients in the data",
    ),
]

TABLES = [*CSV, *JSONL, *BINARY, *PLACES, *SPLITS, *FEDERATION]


# SemEval-2010 Task 8, in the release's own form

SENTENCES = [
    (1, "The <e1>flu</e1> brings a <e2>fever</e2>.", "Cause-Effect(e1,e2)"),
    (2, "A <e1>box</e1> stands in a <e2>hall</e2>.", "Other"),
    (3, "The <e1>lid</e1> of a <e2>pot</e2> fell.", "Component-Whole(e1,e2)"),
    (4, "A <e1>fever</e1> from the <e2>flu</e2>.", "Cause-Effect(e2,e1)"),
    *((n, f"The <e1>cup</e1> and {n} more <e2>cups</e2>.", "Other") for n in range(5, 41)),
]
RELEASE = "".join(f'{n}\t"{text}"\r\n{label}\r\nComment:\r\n\r\n' for n, text, label in SENTENCES)
KEYS = "data: {name: semeval2010task8, folder: release}"
TRAIN, TEST = "release/TRAIN_FILE.TXT", "release/TEST_FILE_FULL.TXT"


def _damaged(id: str, old: str, new: str, *parts: str) -> TableCase:
    """A release whose training file has ``old`` replaced by ``new`` once."""
    assert old in RELEASE, id
    files = {TRAIN: RELEASE.replace(old, new, 1).encode(), TEST: RELEASE.encode()}
    return TableCase(id, files, KEYS, parts)


SEMEVAL: list[TableCase] = [
    _damaged("semeval_no_tag", "<e1>box</e1>", "box", "TRAIN_FILE.TXT:5", "<e1>"),
    _damaged("semeval_open_tag", "</e2>.", ".", "TRAIN_FILE.TXT:1", "</e2>"),
    _damaged("semeval_tag_twice", "<e2>hall</e2>", "<e1>hall</e1>", "TRAIN_FILE.TXT:5", "<e"),
    _damaged("semeval_two_e1", "The <e1>lid", "<e1>The</e1> <e1>lid", "TRAIN_FILE.TXT:9", "<e1>"),
    _damaged(
        "semeval_relation", "Component-Whole(e1", "Componet-Whole(e1", ":10", "Componet-Whole"
    ),
    _damaged("semeval_relation_case", "Other", "other", "TRAIN_FILE.TXT:6", "'other'"),
    _damaged("semeval_direction", "Effect(e1,e2)", "Effect(e1,e1)", ":2", "Cause-Effect(e1,e1)"),
    _damaged("semeval_no_direction", "Effect(e1,e2)", "Effect", ":2", "'Cause-Effect'"),
    _damaged("semeval_number_twice", '2\t"', '1\t"', "TRAIN_FILE.TXT:5", "1"),
    _damaged("semeval_number_back", '4\t"', '2\t"', "TRAIN_FILE.TXT:13", "2"),
    _damaged("semeval_no_number", '2\t"', '"', "TRAIN_FILE.TXT:5", "number TAB"),
    _damaged("semeval_word_number", '2\t"', 'two\t"', "TRAIN_FILE.TXT:5", "number TAB"),
    _damaged("semeval_no_tab", '2\t"', '2 "', "TRAIN_FILE.TXT:5", "number TAB"),
    _damaged("semeval_no_quote", '</e2>."', "</e2>.", "TRAIN_FILE.TXT:1", '"sentence"'),
    _damaged("semeval_blank_inside", "Other", "\r\nOther", "TRAIN_FILE.TXT:5", "label below"),
    _damaged("semeval_no_label", "Other\r\n", "", "TRAIN_FILE.TXT:5", "a label below it"),
    _damaged("semeval_two_labels", "Other", "Other\r\nOther", "TRAIN_FILE.TXT:7", "number TAB"),
    TableCase(
        "semeval_cut",
        {TRAIN: RELEASE[:-25].encode(), TEST: RELEASE.encode()},
        KEYS,
        ("TRAIN_FILE.TXT:157: expected number TAB", "label below it"),
    ),
    _damaged("semeval_empty_sentence", '"A <e1>box</e1> stands in a <e2>hall</e2>."', '""', ":5"),
    TableCase(
        "semeval_bad_test",
        {TRAIN: RELEASE.encode(), TEST: RELEASE.replace("Other", "Othr", 1).encode()},
        KEYS,
        ("TEST_FILE_FULL.TXT:6", "'Othr'"),
    ),
    TableCase(
        "semeval_is_csv", {TRAIN: GOOD, TEST: GOOD}, KEYS, ("TRAIN_FILE.TXT:1: expected number",)
    ),
    TableCase(
        "semeval_empty", {TRAIN: b"", TEST: b""}, KEYS, ("TRAIN_FILE.TXT: the file is empty",)
    ),
    TableCase(
        "semeval_no_test", {TRAIN: RELEASE.encode()}, KEYS, ("TEST_FILE_FULL.TXT: cannot r",)
    ),
    TableCase("semeval_no_train", {TEST: RELEASE.encode()}, KEYS, ("TRAIN_FILE.TXT: cannot read",)),
    TableCase("semeval_no_folder", {}, KEYS, ("data.folder: no folder release",)),
    TableCase("semeval_a_file", {"release": b"x"}, KEYS, ("data.folder: no folder release",)),
    TableCase(
        "semeval_empty_test",
        {TRAIN: RELEASE.encode(), TEST: b"\r\n"},
        KEYS,
        ("TEST_FILE_FULL.TXT",),
    ),
    TableCase(
        "semeval_latin_1",
        {TRAIN: RELEASE.replace("box", "café").encode("latin-1"), TEST: RELEASE.encode()},
        KEYS,
        ("TRAIN_FILE.TXT: not UTF-8",),
    ),
]


# Arguments of other commands: id, file, content, arguments, what must be said

OTHERS: list[tuple[str, str, bytes, list[str], tuple[str, ...]]] = [
    ("predict_empty", "t.txt", b"", ["predict", "done", "t.txt"], ("t.txt: the file is empty",)),
    ("predict_blank", "t.txt", b" \n\n", ["predict", "done", "t.txt"], ("t.txt: the file is em",)),
    ("predict_latin_1", "t.txt", b"caf\xe9\n", ["predict", "done", "t.txt"], ("t.txt: not UTF-8",)),
    ("predict_folder", "d/t.txt", b"x", ["predict", "done", "d"], ("d: cannot read (Is a dir",)),
    ("predict_absent", "t.txt", b"x", ["predict", "done", "no.txt"], ("no.txt: cannot read",)),
    (
        "predict_csv_empty",
        "t.csv",
        b"",
        ["predict", "done", "t.csv"],
        ("t.csv: the file is empty",),
    ),
    (
        "predict_csv_column",
        "t.csv",
        b"txt\nx\n",
        ["predict", "done", "t.csv"],
        ("t.csv: no column 'text'; did you mean 'txt'?",),
    ),
    (
        "predict_csv_cell",
        "t.csv",
        b"text,n\nx,1\n,2\n",
        ["predict", "done", "t.csv"],
        ("t.csv: row 2 has no value in column 'text'",),
    ),
    ("predict_csv_rows", "t.csv", b"text\n", ["predict", "done", "t.csv"], ("t.csv: no text",)),
    (
        "predict_parquet",
        "t.parquet",
        b"PAR1",
        ["predict", "done", "t.parquet"],
        ("t.parquet: cannot be read as parquet",),
    ),
    (
        "predict_jsonl",
        "t.jsonl",
        b'{"text": "x"}\n{"text": ["y"]}\n',
        ["predict", "done", "t.jsonl"],
        ("t.jsonl: row 2 holds list in column 'text'",),
    ),
    ("predict_two_files", "t.csv", GOOD, ["predict", "done", "*.csv"], ("*.csv: holds 2 files",)),
    ("predict_no_run", "t.txt", b"x\n", ["predict", ".", "t.txt"], (".: not a run folder",)),
    ("predict_damaged", "t.txt", b"x\n", ["predict", "done", "t.txt"], ("facts.json: damaged",)),
    ("init_empty", "t.csv", b"", ["init", "t.csv"], ("t.csv: the file is empty",)),
    ("init_header", "t.csv", b"text,label\n", ["init", "t.csv"], ("a value in some row",)),
    (
        "init_one_column",
        "t.csv",
        b"text\nx\n",
        ["init", "t.csv"],
        ("a text and a label are needed",),
    ),
    ("init_suffix", "t.doc", b"x", ["init", "t.doc"], ("format .doc is not read",)),
    ("init_twice", "t.csv", b"a,a\nx,y\n", ["init", "t.csv"], ("the column 'a' is given twice",)),
    ("init_ragged", "t.csv", b"a,b\nx\n", ["init", "t.csv"], ("cannot be read as csv",)),
    ("init_json", "t.json", b"[1]", ["init", "t.json"], ("one JSON object a line",)),
    ("init_objects", "t.jsonl", b"{}", ["init", "t.jsonl"], ("a text and a label are needed",)),
    ("init_taken", "federa.yaml", b"x", ["init", "own.csv"], ("federa.yaml: already exists",)),
    (
        "init_no_folder",
        "t.csv",
        GOOD,
        ["init", "t.csv", "--out", "no/x.yaml"],
        ("no/x.yaml: cannot write",),
    ),
    ("init_only_clients", "t.csv", b"text,site\nx,s\n", ["init", "t.csv"], ("can be the label",)),
    ("init_parquet", "t.parquet", b"x", ["init", "t.parquet"], ("cannot be read as parquet",)),
    ("init_saved", "d/dataset_info.json", b"{}", ["init", "d"], ("set data.train by hand",)),
]
"""In a folder with a good ``own.csv`` and ``done``, which looks like a run folder."""
