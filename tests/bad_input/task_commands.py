"""Arguments of commands that use a task: on a folder that looks like a run, and on real runs."""

from __future__ import annotations

Arguments = list[str]
OtherCase = tuple[str, str, bytes, Arguments, tuple[str, ...]]
"""Id, file, its content, arguments, what must be said."""

_QA = ["predict", "done_qa"]
_NER = ["predict", "done_ner"]
_SHOW = ["partition", "good.yaml"]


def _qa(id: str, content: bytes, *parts: str) -> OtherCase:
    return (id, "t.jsonl", content, [*_QA, "t.jsonl"], parts)


def _ner(id: str, content: bytes, *parts: str) -> OtherCase:
    return (id, "t.jsonl", content, [*_NER, "t.jsonl"], parts)


def _show(id: str, arguments: Arguments, *parts: str) -> OtherCase:
    return (id, "t.txt", b"x", [*_SHOW, *arguments], parts)


LOOKING: list[OtherCase] = [
    # predict, questions
    ("ask_text", "t.txt", b"Why?\n", [*_QA, "t.txt"], ("t.txt: question_answering needs a table",)),
    ("ask_conll", "t.conll", b"Why O\n", [*_QA, "t.conll"], ("needs a table", "--context FILE")),
    ("ask_column", "t.csv", b"question\nWhy?\n", [*_QA, "t.csv"], ("t.csv: no column 'context'",)),
    ("ask_near", "t.csv", b"query,context\na,b\n", [*_QA, "t.csv"], ("no column 'question'",)),
    ("ask_rows", "t.csv", b"question,context\n", [*_QA, "t.csv"], ("t.csv: no text to answer",)),
    (
        "ask_cell",
        "t.csv",
        b"question,context\na,\n",
        [*_QA, "t.csv"],
        ("row 1 has no value in co",),
    ),
    _qa("ask_null", b'{"question": null, "context": "x"}', "row 1 has no value in column 'ques"),
    _qa("ask_list", b'{"question": "x", "context": ["y"]}', "row 1 holds list in column 'context'"),
    _qa("ask_cut", b'{"question": "x"', "t.jsonl: cannot be read as jsonl (line 1, column 17"),
    _qa("ask_array", b"[1]", "t.jsonl: cannot be read as jsonl", "one JSON object a line"),
    (
        "ask_no_context",
        "t.txt",
        b"Why?\n",
        [*_QA, "t.txt", "--context", "no.txt"],
        ("no.txt: cannot read (No such file or directory)",),
    ),
    (
        "ask_empty_context",
        "t.txt",
        b" \n",
        [*_QA, "good.yaml", "--context", "t.txt"],
        ("t.txt: the file is empty",),
    ),
    (
        "ask_latin_context",
        "t.txt",
        b"caf\xe9\n",
        [*_QA, "good.yaml", "--context", "t.txt"],
        ("t.txt: not UTF-8 (byte 0xe9 at position 3)",),
    ),
    (
        "ask_binary_context",
        "t.txt",
        b"a\0b\n",
        [*_QA, "good.yaml", "--context", "t.txt"],
        ("t.txt: a NUL byte at position 1",),
    ),
    (
        "ask_folder_context",
        "d/t.txt",
        b"x",
        [*_QA, "good.yaml", "--context", "d"],
        ("d: cannot read (Is a directory)",),
    ),
    (
        "ask_table_and_context",
        "t.txt",
        b"x\n",
        [*_QA, "own.csv", "--context", "t.txt"],
        ("--context: own.csv is a table, which has the passage in its column 'context'",),
    ),
    (
        "ask_nothing",
        "t.txt",
        b"\n\n",
        [*_QA, "t.txt", "--context", "own.csv"],
        ("t.txt: the file is empty",),
    ),
    (
        "ask_absent",
        "t.txt",
        b"x",
        [*_QA, "no.txt", "--context", "t.txt"],
        ("no.txt: cannot read (No such file or directory)",),
    ),
    (
        "context_for_text",
        "t.txt",
        b"x\n",
        ["predict", "done", "t.txt", "--context", "t.txt"],
        ("--context: text_classification reads none",),
    ),
    (
        "context_for_words",
        "t.txt",
        b"x\n",
        [*_NER, "t.txt", "--context", "t.txt"],
        ("--context: token_classification reads none",),
    ),
    # predict, words
    ("tag_column", "t.csv", b"txt\nx\n", [*_NER, "t.csv"], ("t.csv: no column 'text'; did you m",)),
    ("tag_csv", "t.csv", b"words\nAnna met\n", [*_NER, "t.csv"], ("row 1: expected a list of wo",)),
    ("tag_empty", "t.txt", b"", [*_NER, "t.txt"], ("t.txt: the file is empty",)),
    ("tag_latin_1", "t.txt", b"Ren\xe9\n", [*_NER, "t.txt"], ("t.txt: not UTF-8",)),
    _ner("tag_text", b'{"words": "Anna"}', "t.jsonl: row 1: expected a list of words"),
    _ner("tag_null", b'{"words": ["a"]}\n{"words": null}', "row 2: expected a list of words"),
    _ner("tag_number", b'{"words": ["a", 5]}', "t.jsonl: row 1: expected a list of words"),
    _ner("tag_cell", b'{"text": "a"}\n{"text": ""}', "row 2 has no value in column 'text'"),
    # folders that are no runs
    ("predict_no_folder", "t.txt", b"x", ["predict", "none", "t.txt"], ("none: no such folder",)),
    (
        "predict_a_file",
        "t.txt",
        b"x",
        ["predict", "own.csv", "t.txt"],
        ("own.csv: no such folder",),
    ),
    (
        "predict_bad_record",
        "e/federa.json",
        b"{",
        ["predict", "e", "own.csv"],
        ("federa.json: damaged or unreadable",),
    ),
    (
        "predict_old_record",
        "e/federa.json",
        b'{"federa": "0.1", "format": "peft"}',
        ["predict", "e", "own.csv"],
        ("federa.json: damaged or unreadable",),
    ),
    ("evaluate_no_folder", "t.txt", b"x", ["evaluate", "none"], ("none: no such folder",)),
    ("evaluate_a_file", "t.txt", b"x", ["evaluate", "own.csv"], ("own.csv: no such folder",)),
    ("evaluate_no_run", "d/x", b"x", ["evaluate", "d"], ("d: not a run folder (no config.yaml)",)),
    ("evaluate_damaged", "t.txt", b"x", ["evaluate", "done"], ("facts.json: damaged",)),
    ("evaluate_an_export", "e/federa.json", b"{}", ["evaluate", "e"], ("e: not a run folder",)),
    # partition
    _show("show_by", ["--by", "labels"], "--by: no column 'labels'; did you mean 'label'?"),
    _show("show_by_empty", ["--by", ""], "--by: no column ''; allowed: text, label"),
    _show("show_by_far", ["--by", "site"], "--by: no column 'site'; allowed: text, label"),
    _show("show_out", ["--out", "x.gif"], "x.gif: pictures are .png, .svg, .pdf, not .gif"),
    _show("show_out_bare", ["--out", "picture"], "picture: pictures are .png", "without a suffix"),
    _show("show_out_empty", ["--out", ""], "pictures are .png, .svg, .pdf"),
    _show("show_out_folder", ["--out", "no/x.png"], "no/x.png: its folder does not exist"),
    _show("show_save", ["--save", "no/s.json"], "no/s.json: its folder does not exist"),
    _show("show_save_folder", ["--save", "done"], "done: cannot write (Is a directory)"),
    _show("show_save_here", ["--save", "."], ".: cannot write (Is a directory)"),
    _show("show_save_empty", ["--save", ""], ".: cannot write (Is a directory)"),
    _show("show_save_root", ["--save", "/"], "/: cannot write (Is a directory)"),
    _show("show_save_in_file", ["--save", "own.csv/s"], "own.csv/s: its folder does not exist"),
    _show("show_save_long", ["--save", "x" * 300], "cannot write (File name too long)"),
    _show("show_set", ["--set", "task"], "--set task: expected key=value"),
    _show("show_set_task", ["--set", "task=ner"], "format .csv is not read"),
    _show(
        "show_set_split", ["--set", "partition=shardz"], "partition: unknown name", "did you mean"
    ),
    ("show_absent", "t.txt", b"x", ["partition", "no.yaml"], ("no.yaml: cannot read",)),
    ("show_default", "t.txt", b"x", ["partition"], ("federa.yaml: cannot read",)),
    # demo
    (
        "demo_task",
        "t.txt",
        b"x",
        ["demo", "--task", "tagging"],
        ("--task: unknown name 'tagging'",),
    ),
    ("demo_empty", "t.txt", b"x", ["demo", "--task", ""], ("--task: unknown name ''; allowed: ",)),
    ("demo_bare", "t.txt", b"x", ["demo", "--task"], ("--task",)),
    (
        "demo_near",
        "t.txt",
        b"x",
        ["demo", "--task", "question_answerin"],
        ("--task: unknown name", "did you mean 'question_answering'?"),
    ),
    (
        "demo_key",
        "t.txt",
        b"x",
        ["demo", "--task", "ner", "--set", "task.num_best=3"],
        ("task.num_best: unknown key",),
    ),
    (
        "demo_other_data",
        "t.txt",
        b"x",
        ["demo", "--task", "qa", "--set", "data=semeval"],
        ("task: the data set semeval2010task8 is for text_classification",),
    ),
    # init
    ("init_prose", "t.txt", b"Anna met Ben.\n", ["init", "t.txt"], ("t.txt:1: no tag 'Ben.'",)),
    ("init_conll_empty", "t.conll", b"\n", ["init", "t.conll"], ("t.conll: the file is empty",)),
    ("init_conll_tag", "t.bio", b"Anna PER\n", ["init", "t.bio"], ("t.bio:1: no tag 'PER'",)),
    (
        "init_squad",
        "t.json",
        b'{"data": [{"paragraphs": [{"context": "x"}]}]}',
        ["init", "t.json"],
        ("t.json, data[0], paragraphs[0]: no 'qas'",),
    ),
    ("init_squad_cut", "t.json", b'{"data": [{"paragraphs": [', ["init", "t.json"], ("no JSON (",)),
]
"""Beside ``own.csv``, ``good.yaml`` and folders that look like runs of each task."""


PIPED: list[tuple[str, str, bytes, tuple[str, ...]]] = [
    ("piped_text", "done_qa", b"Why?\n", ("standard input: line 1, column 1: ",)),
    ("piped_cut", "done_qa", b'{"question": "Wh', ("standard input: line 1, column 14: ",)),
    (
        "piped_second",
        "done_qa",
        b'{"question": "a", "context": "b"}\n\n{"question"}\n',
        ("standard input: line 3, column 12: ",),
    ),
    ("piped_array", "done_qa", b'[{"question": "a"}]', ("standard input: one JSON object a line",)),
    ("piped_scalar", "done_qa", b"5\n", ("standard input: line 1: one JSON object a line",)),
    ("piped_column", "done_qa", b'{"question": "a"}', ("standard input: no column 'context'",)),
    ("piped_null", "done_qa", b'{"question": "a", "context": null}', ("row 1 has no value",)),
    ("piped_twice", "done_qa", b'{"context": "a", "context": "b"}', ("line 1: ", "given twice")),
    ("piped_deep", "done_qa", b"[" * 100_000, ("standard input: ",)),
    ("piped_empty", "done_qa", b"", ("standard input: no text to answer",)),
    (
        "piped_latin_1",
        "done_qa",
        b'{"question": "\xe9"}',
        ("standard input: not UTF-8 at byte 14",),
    ),
    ("piped_words_latin_1", "done_ner", b"Ren\xe9\n", ("standard input: not UTF-8 at byte 3",)),
    ("piped_words_empty", "done_ner", b" \n", ("standard input: no text to answer",)),
    ("piped_nul", "done_qa", b"\0\0", ("standard input: ",)),
]
"""Id, run folder, standard input, what ``federa predict FOLDER -`` must say."""


FINISHED: list[tuple[str, Arguments, tuple[str, ...]]] = [
    ("score_state", ["--state", "first"], ("--state: 'first'; allowed: best, latest",)),
    ("score_state_empty", ["--state", ""], ("--state: ''; allowed: best, latest",)),
    ("score_state_case", ["--state", "Best"], ("--state: 'Best'; allowed: best, latest",)),
    (
        "score_split",
        ["--split", "dev"],
        ("--split: the data set files has no split 'dev'", "valid"),
    ),
    ("score_split_train", ["--split", "train"], ("has no split 'train'; it has validation",)),
    ("score_split_empty", ["--split", ""], ("--split: the data set files has no split ''",)),
    ("score_no_test", [], ("--split: the data set files has no split 'test'; it has validation",)),
    (
        "score_into_a_file",
        ["--split", "validation", "--predictions", "config.yaml"],
        ("config.yaml: cannot write (File exists)",),
    ),
    (
        "score_below_a_file",
        ["--split", "validation", "--predictions", "config.yaml/x"],
        ("config.yaml/x: cannot write (Not a directory)",),
    ),
]
"""Id, options of ``federa evaluate`` on a finished run, what must be said."""


LENGTHS: list[tuple[str, str, str, tuple[str, ...]]] = [
    (
        "length_stride",
        "ner",
        "task: {name: token_classification, stride: 22}",
        ("train.max_length: 24 leaves 22 tokens of a window, which must be more than task.stride",),
    ),
    (
        "length_stride_huge",
        "ner",
        f"task: {{name: token_classification, stride: {10**30}}}",
        ("train.max_length: 24 leaves 22", "more than task.stride, 1000"),
    ),
    (
        "length_question",
        "qa",
        "task: {name: question_answering, stride: 2}",
        ("train.max_length: 24 leaves 0 tokens of the passage", "max_question_tokens, 64"),
    ),
    (
        "length_question_stride",
        "qa",
        "task: {name: question_answering, max_question_tokens: 11, stride: 10}",
        ("train.max_length: 24 leaves 10 tokens of the passage", "more than task.stride, 10"),
    ),
    (
        "length_question_huge",
        "qa",
        f"task: {{name: question_answering, max_question_tokens: {10**30}}}",
        ("train.max_length: 24 leaves 0 tokens of the passage", "max_question_tokens, 1000"),
    ),
    (
        "length_clusters_ner",
        "ner",
        "partition: {name: embedding, num_clusters: 37}",
        ("partition.num_clusters: 37 clusters of 36 training examples",),
    ),
    (
        "length_scores",
        "text",
        "task: {name: text_classification, scores: [relation_macro_f1]}",
        ("relation_macro_f1: no label 'a'",),
    ),
]
"""Id, kind of data, keys beside a tiny BERT, what must be said."""
