"""Malformed files of words, questions, public releases and saved splits, as in ``tables``."""

from __future__ import annotations

import gzip
import hashlib
import json
from typing import Any

from bad_input.tables import GOOD, TableCase, columns, csv

_B, _O = "B-PER", "O"
SENTENCES: list[dict[str, Any]] = [
    {"words": ["Anna", "met", f"guest{row}"], "tags": [_B, _O, _O], "site": f"s{row % 3}"}
    for row in range(40)
]
PASSAGE = "The printer stands in the hall. Its paper is in the blue box."
ASKED: list[dict[str, Any]] = [
    {"question": f"Where is {row}?", "context": f"{row}. {PASSAGE}", "answers": ["the hall"]}
    for row in range(40)
]
NER = "task: token_classification\ndata: {name: files, train: "
QA = "task: question_answering\ndata: {name: files, train: "


def lines(rows: list[dict[str, Any]], *more: Any) -> bytes:
    """JSON lines: the rows, then more."""
    return b"".join(
        (row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n"
        for row in (*rows, *more)
    )


def conll(*more: str) -> bytes:
    """A column file of the sentences, then more lines."""
    blocks = [
        "".join(f"{word} {tag}\n" for word, tag in zip(row["words"], row["tags"], strict=True))
        for row in SENTENCES
    ]
    return ("\n".join(blocks) + "\n" + "".join(f"{line}\n" for line in more)).encode()


def squad(**changes: Any) -> dict[str, Any]:
    """SQuAD's layout, one question a paragraph; changes: keys of the first question."""
    paragraphs = [
        {
            "context": row["context"],
            "qas": [
                {
                    "id": f"q{number}",
                    "question": row["question"],
                    "answers": [
                        {"text": "the hall", "answer_start": row["context"].find("the hall")}
                    ],
                }
            ],
        }
        for number, row in enumerate(ASKED)
    ]
    paragraphs[0]["qas"][0] |= changes
    return {"version": "1.1", "data": [{"title": "Office", "paragraphs": paragraphs}]}


def _ner(id: str, name: str, content: bytes, *parts: str, keys: str = "") -> TableCase:
    more = f", {keys}" if keys else ""
    return TableCase(id, {name: content}, f"{NER}{name}{more}}}", parts)


def _ner_row(id: str, row: Any, *parts: str) -> TableCase:
    """A bad 41st line of JSON."""
    return _ner(id, "t.jsonl", lines(SENTENCES, row), *parts)


def _qa(id: str, name: str, content: bytes, *parts: str, keys: str = "") -> TableCase:
    more = f", {keys}" if keys else ""
    return TableCase(id, {name: content}, f"{QA}{name}{more}}}", parts)


def _qa_row(id: str, changes: dict[str, Any], *parts: str) -> TableCase:
    """A bad 41st line of JSON."""
    return _qa(id, "t.jsonl", lines(ASKED, ASKED[0] | changes), *parts)


def _squad(id: str, content: Any, *parts: str) -> TableCase:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return _qa(id, "t.json", data, *parts)


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


ALL_O = [row | {"tags": [_O] * 3} for row in SENTENCES]

WORDS: list[TableCase] = [
    # column files
    _ner("conll_empty", "t.conll", b"", "t.conll: the file is empty"),
    _ner("conll_blank", "t.conll", b"\n \n\t\n", "t.conll: the file is empty"),
    _ner("conll_bom", "t.conll", b"\xef\xbb\xbf\n", "t.conll: the file is empty"),
    _ner("conll_boundaries", "t.conll", b"-DOCSTART- -X- O\n\n", "t.conll: holds no words"),
    _ner("conll_one_column", "t.conll", b"Anna\nmet\n", "t.conll:1: ['Anna'] where 2 columns"),
    _ner("conll_prose", "t.txt", b"Anna met Ben today.\nThen she left.\n", "t.txt:1: no tag 'toda"),
    _ner("conll_fewer", "t.conll", conll("Ben"), "t.conll:161: ['Ben'] where 2 columns (word"),
    _ner("conll_more", "t.bio", conll("Ben NNP O"), "t.bio:161: ['Ben', 'NNP', 'O'] where 2"),
    _ner("conll_tabs_later", "t.iob", conll("Ben\tO"), "t.iob:161: ['Ben\\tO'] where 2 columns"),
    _ner("conll_no_word", "t.conll", b"Anna\tB-PER\n\tO\n", "t.conll:2: ['', 'O'] where 2 columns"),
    _ner("conll_tag", "t.conll", conll("Ben PER"), "t.conll:161: no tag 'PER'", "B-type or I-type"),
    _ner("conll_tag_case", "t.conll", conll("Ben b-PER"), "t.conll:161: no tag 'b-PER'"),
    _ner("conll_tag_zero", "t.conll", conll("Ben 0"), "t.conll:161: no tag '0'; expected O"),
    _ner("conll_tag_bare", "t.conll", conll("Ben B-"), "t.conll:161: no tag 'B-'"),
    _ner("conll_tag_dash", "t.conll", conll("Ben B_PER"), "t.conll:161: no tag 'B_PER'"),
    _ner("conll_tag_bioes", "t.conll", conll("Ben S-PER"), "t.conll:161: no tag 'S-PER'"),
    _ner("conll_header", "t.conll", b"word tag\nAnna B-PER\n", "t.conll:1: no tag 'tag'"),
    _ner("conll_latin_1", "t.conll", conll() + b"Ren\xe9 O\n", "t.conll: not UTF-8", "line 161"),
    _ner("conll_utf_16", "t.conll", conll().decode().encode("utf-16"), "t.conll: not UTF-8"),
    _ner("conll_nul", "t.conll", conll("Be\0n O"), "t.conll: a NUL byte", "in line 161"),
    _ner("conll_all_o", "t.conll", b"Anna O\nmet O\n", "t.conll: only one tag ('O'); at least 2"),
    _ner("conll_csv", "t.csv", GOOD, "t.csv: format .csv is not read; allowed: .conll, .iob"),
    _ner("conll_gz", "t.conll.gz", gzip.compress(conll()), "format .gz is not read"),
    _ner("conll_client", "t.conll", conll(), "no column 'site' (data.client)", keys="client: site"),
    TableCase(
        "conll_folder_bad",
        {"d/a.conll": conll(), "d/b.conll": b"Anna\n"},
        f"{NER}d}}",
        ("d/b.conll:1: ['Anna'] where 2 columns",),
    ),
    TableCase(
        "conll_folder_other",
        {"d/a.md": conll()},
        f"{NER}d}}",
        ("d: the folder holds no .conll, .iob",),
    ),
    TableCase(
        "conll_new_type",
        {"t.conll": conll(), "x.conll": b"Rome B-LOC\n"},
        f"{NER}t.conll, test: x.conll}}",
        ("x.conll: type 'LOC' of the test split does not occur in training",),
    ),
    TableCase(
        "conll_bad_test",
        {"t.conll": conll(), "x.conll": b"Rome LOC\n"},
        f"{NER}t.conll, validation: x.conll}}",
        ("x.conll:1: no tag 'LOC'",),
    ),
    # lists
    _ner("words_no_column", "t.jsonl", lines(ASKED), "no column 'words' (data.words)", "question"),
    _ner(
        "words_near", "t.jsonl", lines(SENTENCES).replace(b'"words"', b'"word"'), "did you mean 'wo"
    ),
    _ner(
        "words_no_tags",
        "t.jsonl",
        lines([_without(row, "tags") for row in SENTENCES]),
        "no column 'tags'",
    ),
    _ner_row("words_text", {"words": "Anna", "tags": [_B]}, "row 41, column 'words': expected a l"),
    _ner_row("words_null", {"words": None, "tags": [_B]}, "row 41, column 'words'", "not None"),
    _ner_row("words_empty", {"words": [], "tags": []}, "row 41, column 'words'", "not []"),
    _ner_row("words_number", {"words": [1], "tags": [_B]}, "row 41, column 'words'", "not 1"),
    _ner_row("words_blank", {"words": [" "], "tags": [_B]}, "row 41, column 'words'", "not ' '"),
    _ner_row("words_nested", {"words": [["a"]], "tags": [_B]}, "row 41, column 'words'", "['a']"),
    _ner_row("words_more", {"words": ["a", "b"], "tags": [_B]}, "row 41 has 2 words and 1 tags"),
    _ner_row("words_fewer", {"words": ["a"], "tags": [_B, _O]}, "row 41 has 1 words and 2 tags"),
    _ner_row("words_tag_text", {"words": ["a"], "tags": "O"}, "row 41, column 'tags'", "not 'O'"),
    _ner_row("words_tag_number", {"words": ["a"], "tags": [0]}, "row 41, column 'tags'", "not 0"),
    _ner_row("words_tag_null", {"words": ["a"], "tags": [None]}, "row 41, column 'tags'", "None"),
    _ner_row("words_tag_name", {"words": ["a"], "tags": ["PER"]}, "row 41: no tag 'PER'"),
    _ner_row("words_tag_line", {"words": ["a"], "tags": ["B-\nX"]}, "row 41: no tag 'B-\\nX'"),
    _ner_row("words_tag_blank", {"words": ["a"], "tags": ["B- "]}, "row 41: no tag 'B- '"),
    _ner_row("words_cut", b'{"words": ["a"], "tags": [', "cannot be read as jsonl (line 41, col"),
    _ner_row("words_surrogate", b'{"words": ["\\ud800"], "tags": ["O"]}', "line 41: "),
    _ner("words_all_o", "t.jsonl", lines(ALL_O), "t.jsonl: only one tag ('O')"),
    _ner("words_array", "t.json", json.dumps(SENTENCES).encode(), "one JSON object a line"),
    _ner(
        "words_ids_twice",
        "t.jsonl",
        lines([row | {"id": "x"} for row in SENTENCES]),
        "row 2: the id 'x' came before",
    ),
    _ner("words_id_missing", "t.jsonl", lines(SENTENCES, SENTENCES[0] | {"id": 1}), "column 'id'"),
    _ner(
        "words_parquet_text",
        "t.parquet",
        columns(words=["Anna"], tags=["B-PER"]),
        "t.parquet: row 1, column 'words': expected a list of strings, not 'Anna'",
    ),
    _ner(
        "words_parquet_numbers",
        "t.parquet",
        columns(words=[["Anna", "met"]], tags=[[1, 0]]),
        "t.parquet: row 1, column 'tags': expected strings that are not empty, not 1",
    ),
    _ner(
        "words_client_list",
        "t.jsonl",
        lines([row | {"site": ["s"]} for row in SENTENCES]),
        "row 1 holds list in column 'site'",
        keys="client: site",
    ),
    TableCase(
        "words_new_type",
        {"t.jsonl": lines(SENTENCES), "x.jsonl": lines([{"words": ["a"], "tags": ["I-LOC"]}])},
        f"{NER}t.jsonl, validation: x.jsonl}}",
        ("x.jsonl: type 'LOC' of the validation split does not occur in training",),
    ),
]


QUESTIONS: list[TableCase] = [
    # tables
    _qa("qa_csv_columns", "t.csv", GOOD, "t.csv: no column 'question' (data.question)", "text"),
    _qa("qa_conll", "t.conll", conll(), "format .conll is not read"),
    _qa("qa_empty", "t.jsonl", b"", "t.jsonl: the file is empty"),
    _qa(
        "qa_no_answers",
        "t.jsonl",
        lines([_without(row, "answers") for row in ASKED]),
        "no column 'answers' (data.answers)",
    ),
    _qa(
        "qa_near",
        "t.jsonl",
        lines(ASKED).replace(b'"answers"', b'"answer"'),
        "no column 'answers' (data.answers); did you mean 'answer'?",
    ),
    _qa_row("qa_question_null", {"question": None}, "row 41 has no value in column 'question'"),
    _qa_row("qa_question_blank", {"question": " \n"}, "row 41 has no value in column 'question'"),
    _qa_row("qa_question_list", {"question": ["a"]}, "row 41 holds list in column 'question'"),
    _qa_row("qa_context_null", {"context": None}, "row 41 has no value in column 'context'"),
    _qa_row("qa_context_list", {"context": ["a", "b"]}, "row 41 holds list in column 'context'"),
    _qa_row("qa_answer_number", {"answers": 5}, "row 41: the answers are 5; expected"),
    _qa_row("qa_answer_true", {"answers": True}, "row 41: the answers are True; expected"),
    _qa_row("qa_answer_numbers", {"answers": [5]}, "row 41: the answer is 5; expected"),
    _qa_row("qa_answer_null", {"answers": [None]}, "row 41: the answer is None; expected"),
    _qa_row("qa_answer_nested", {"answers": [["hall"]]}, "row 41: the answer is ['hall']"),
    _qa_row("qa_answer_absent", {"answers": "attic"}, "the answer 'attic' does not occur in the"),
    _qa_row("qa_answer_case", {"answers": ["The Hall"]}, "the answer 'The Hall' does not occur"),
    _qa_row("qa_answer_empty", {"answers": [""]}, "row 41: the answer '' "),
    _qa_row("qa_answer_blank", {"answers": " "}, "row 41: the answer ' ' "),
    _qa_row("qa_answer_blanks", {"answers": [{"text": " ", "start": 2}]}, "row 41: the answer ' '"),
    _qa_row("qa_answer_dict", {"answers": {"text": "hall"}}, "row 41: the answers are {'text'"),
    _qa_row(
        "qa_answer_flat",
        {"answers": {"text": "the hall", "answer_start": 25}},
        "row 41: the answers are {",
    ),
    _qa_row(
        "qa_answer_uneven",
        {"answers": {"text": ["the hall"], "answer_start": []}},
        "row 41: the answers are {",
    ),
    _qa_row(
        "qa_answer_no_start",
        {"answers": [{"text": "the hall"}]},
        "row 41: the answer is {'text': 'the hall'}",
    ),
    _qa_row(
        "qa_answer_start_text",
        {"answers": [{"text": "the hall", "start": "25"}]},
        "row 41: the answer is {",
    ),
    _qa_row(
        "qa_answer_start_half",
        {"answers": [{"text": "the hall", "start": 25.0}]},
        "row 41: the answer is {",
    ),
    _qa_row(
        "qa_answer_start_true",
        {"answers": [{"text": ".", "start": True}]},
        "row 41: the answer is {",
    ),
    _qa_row(
        "qa_answer_shifted",
        {"answers": [{"text": "the hall", "start": 24}]},
        "row 41: the answer 'the hall' does not start at character 24, where",
    ),
    _qa_row(
        "qa_answer_minus",
        {"answers": [{"text": "x.", "start": -2}]},
        "does not start at character -2, where nothing stands",
    ),
    _qa_row(
        "qa_answer_beyond",
        {"answers": [{"text": "x", "start": 10**30}]},
        "row 41: the answer 'x' does not start at character",
    ),
    _qa_row(
        "qa_answer_text_number",
        {"answers": {"text": [5], "answer_start": [0]}},
        "row 41: the answer is {",
    ),
    _qa(
        "qa_ids_twice",
        "t.jsonl",
        lines([row | {"id": 7} for row in ASKED]),
        "row 2: the id '7' came before; each must be given once",
    ),
    _qa("qa_csv_answer", "t.csv", b"question,context,answers\nq,c,x\n", "row 1: the answer 'x' do"),
    _qa("qa_csv_blank", "t.csv", b'question,context,answers\nq,a c," "\n', "row 1: the answer ' '"),
    _qa(
        "qa_parquet_text",
        "t.parquet",
        columns(question=["q"], context=["c"], answers=[["x"]]),
        "t.parquet: row 1: the answer 'x' does not occur",
    ),
    _qa(
        "qa_one_passage",
        "t.jsonl",
        lines([row | {"context": PASSAGE} for row in ASKED]),
        "data: 40 training examples are too few to hold out 10% for validation",
    ),
    TableCase(
        "qa_bad_test",
        {"t.jsonl": lines(ASKED), "x.jsonl": lines([ASKED[0] | {"answers": "attic"}])},
        f"{QA}t.jsonl, test: x.jsonl}}",
        ("x.jsonl: row 1: the answer 'attic' does not occur in the context",),
    ),
    # SQuAD's layout
    _squad("squad_cut", json.dumps(squad()).encode()[:-20], "t.json: no JSON (", "column"),
    _squad("squad_list", [squad()], "t.json: expected a JSON object, not ["),
    _squad("squad_no_data", {"paragraphs": []}, "t.json: no 'data'; "),
    _squad("squad_data_null", {"data": None, "x": {"paragraphs": 1}}, "'data' holds None"),
    _squad("squad_data_text", {"data": ["paragraphs"], "paragraphs": 1}, "data[0]: expected an ob"),
    _squad("squad_paragraphs", {"data": [{"paragraphs": 5}]}, "data[0]: 'paragraphs' holds 5"),
    _squad("squad_paragraph", {"data": [{"paragraphs": [5]}]}, "paragraphs[0]: expected an object"),
    _squad("squad_nothing", {"data": [{"paragraphs": []}]}, "t.json: holds no questions"),
    _squad("squad_no_context", {"data": [{"paragraphs": [{"qas": []}]}]}, "no 'context'; allowed"),
    _squad(
        "squad_empty_context",
        {"data": [{"paragraphs": [{"context": " ", "qas": []}]}]},
        "paragraphs[0]: the context is empty",
    ),
    _squad("squad_no_qas", {"data": [{"paragraphs": [{"context": "x"}]}]}, "no 'qas'; allowed"),
    _squad(
        "squad_title", {"data": [{"title": 5, "paragraphs": []}]}, "'title' holds 5, where text"
    ),
    _squad("squad_id_null", squad(id=None), "qas[0]: 'id' holds None"),
    _squad("squad_id_true", squad(id=True), "qas[0]: 'id' holds True"),
    _squad("squad_id_empty", squad(id=" "), "qas[0]: the id is empty"),
    _squad("squad_id_twice", squad(id="q5"), "the id 'q5' came before; each must be given once"),
    _squad("squad_question", squad(question=["x"]), "question 'q0': 'question' holds ['x']"),
    _squad("squad_question_empty", squad(question=""), "question 'q0': the question is empty"),
    _squad("squad_impossible", squad(is_impossible="no"), "'is_impossible' holds 'no', not true"),
    _squad("squad_answers_none", squad(answers=[]), "question 'q0': has no answers and is not mar"),
    _squad("squad_answers_text", squad(answers="the hall"), "'answers' holds 'the hall', where a "),
    _squad("squad_answer_text", squad(answers=["the hall"]), "answers[0]: expected an object, not"),
    _squad("squad_answer_start", squad(answers=[{"text": "x"}]), "answers[0]: no 'answer_start'"),
    _squad(
        "squad_answer_half",
        squad(answers=[{"text": "x", "answer_start": 0.5}]),
        "'answer_start' holds 0.5, where a whole number is expected",
    ),
    _squad(
        "squad_answer_shifted",
        squad(answers=[{"text": "the hall", "answer_start": 3}]),
        "the answer 'the hall' does not start at character 3, where 'The prin' stands",
    ),
    _squad(
        "squad_answer_empty",
        squad(answers=[{"text": "", "answer_start": 3}]),
        "the answer '' does not start at character 3",
    ),
    _squad("squad_deep", b'{"paragraphs": ' + b"[" * 100_000, "t.json: no JSON (nested too deep)"),
    _squad("squad_digits", b'{"paragraphs": ' + b"9" * 5000 + b"}", "t.json: no JSON ("),
    _squad("squad_latin_1", b'{"paragraphs": "\xe9"}', "t.json: not UTF-8"),
]


# Public releases, in their own forms

_SQUAD_DEV = json.dumps(squad()).encode()
_GOOD_LINE = json.dumps({"id": "1", "label": "sci.space", "text": "a\n\nb"}).encode() + b"\n"
_WNUT = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
_MRQA_HEADER = b'{"header": {"dataset": "S", "split": "train"}}\n'
_MRQA_RECORD: dict[str, Any] = {
    "context": PASSAGE,
    "qas": [
        {
            "qid": "a",
            "question": "Where?",
            "answers": ["the hall"],
            "detected_answers": [{"text": "the hall", "char_spans": [[22, 29]]}],
        }
    ],
}


def _release(id: str, keys: str, files: dict[str, bytes], *parts: str) -> TableCase:
    placed = {f"r/{name}": content for name, content in files.items()}
    return TableCase(id, {"r/x": b"", **placed}, f"data: {{name: {keys}, folder: r}}", parts)


def _news(id: str, line: bytes, *parts: str) -> TableCase:
    files = {"train.jsonl": _GOOD_LINE + line + b"\n", "test.jsonl": _GOOD_LINE}
    return _release(id, "20newsgroups", files, *parts)


def _wnut(id: str, content: bytes, *parts: str) -> TableCase:
    files = dict.fromkeys(_WNUT, b"Anna\tB-person\n") | {_WNUT[0]: content}
    return _release(id, "wnut2017", files, *parts)


def _mrqa(id: str, content: bytes, *parts: str) -> TableCase:
    good = _MRQA_HEADER + json.dumps(_MRQA_RECORD).encode() + b"\n"
    return _release(id, "mrqa", {"train/S.jsonl": content, "dev/S.jsonl": good}, *parts)


def _mrqa_question(id: str, changes: dict[str, Any], *parts: str) -> TableCase:
    record = _MRQA_RECORD | {"qas": [_MRQA_RECORD["qas"][0] | changes]}
    return _mrqa(id, _MRQA_HEADER + json.dumps(record).encode(), *parts)


def _span(*span: Any) -> dict[str, Any]:
    return {"detected_answers": [{"char_spans": [list(span)]}]}


RELEASES: list[TableCase] = [
    _release("news_nothing", "20newsgroups", {}, "r: holds none of train.jsonl.gz"),
    _release("news_no_test", "20newsgroups", {"train.jsonl": _GOOD_LINE}, "r: no test.jsonl.gz"),
    _news("news_group", b'{"id": "2", "label": "sci.spce", "text": "x"}', ":2: no group 'sci.spc"),
    _news("news_label", b'{"id": "2", "label": 14, "text": "x"}', ":2: 'label' holds 14, where te"),
    _news("news_no_text", b'{"id": "2", "label": "sci.med"}', "train.jsonl:2: no 'text'; allowed"),
    _news("news_null", b'{"id": "2", "label": "sci.med", "text": null}', "'text' holds None"),
    _news("news_id_twice", _GOOD_LINE, "train.jsonl:2: the id '1' came before"),
    _news("news_id_empty", b'{"id": "", "label": "sci.med", "text": "x"}', "the id is empty"),
    _news("news_list", b"[1]", "train.jsonl:2: expected a JSON object, not [1]"),
    _news("news_cut", b'{"id": "2", "lab', "train.jsonl:2: no JSON (column"),
    _release(
        "news_gzip",
        "20newsgroups",
        {"train.jsonl.gz": gzip.compress(_GOOD_LINE)[:-9], "test.jsonl": _GOOD_LINE},
        "train.jsonl.gz: damaged or cut off after line",
    ),
    _release(
        "news_no_gzip",
        "20newsgroups",
        {"train.jsonl.gz": _GOOD_LINE, "test.jsonl": _GOOD_LINE},
        "train.jsonl.gz: damaged or cut off after line 0",
    ),
    _release(
        "news_archive",
        "20newsgroups",
        {"20news-bydate.tar.gz": gzip.compress(b"x" * 700)},
        "20news-bydate.tar.gz: damaged or cut off",
    ),
    _release(
        "news_tree_of_one",
        "20newsgroups",
        {"20news-bydate-train/sci.med/1": b"a\n\nb"},
        "20news-bydate-test: cannot read (No such file",
    ),
    _release(
        "news_tree_group",
        "20newsgroups",
        {"20news-bydate-train/sci.medicine/1": b"x", "20news-bydate-test/sci.med/1": b"x"},
        "no group 'sci.medicine'; did you mean 'sci.med'",
    ),
    _release(
        "news_pickle",
        "20newsgroups",
        {"20news-bydate_py3.pkz": b"not a pickle"},
        "r: scikit-learn cannot read its cache (",
    ),
    _wnut("wnut_empty", b"", "wnut17train.conll: the file is empty"),
    _wnut(
        "wnut_type", b"Anna\tB-persn\n", "wnut17train.conll:1: no type 'persn'; did you mean 'pe"
    ),
    _wnut("wnut_columns", b"Anna\tNNP\tB-person\n", "wnut17train.conll:1: ", "2 columns"),
    _wnut("wnut_tag", b"Anna\tperson\n", "wnut17train.conll:1: no tag 'person'"),
    _release("wnut_nothing", "wnut2017", {}, "r/wnut17train.conll: cannot read (No such file"),
    _release(
        "wnut_no_test",
        "wnut2017",
        dict.fromkeys(_WNUT[:2], b"Anna\tB-person\n"),
        "emerging.test.annotated: cannot read",
    ),
    _release("ploner_nothing", "ploner", {}, "r: no <domain>_train.txt (data.domains)", "none"),
    _release(
        "ploner_domain",
        "ploner, domains: [onbn]",
        {"onbc_train.txt": b"Anna B-PER\n"},
        "r: no onbn_train.txt (data.domains); there are: onbc",
    ),
    _release(
        "ploner_no_dev", "ploner", {"onbc_train.txt": b"Anna B-PER\n"}, "onbc_dev.txt: cannot read"
    ),
    _release(
        "ploner_type", "ploner", {"onbc_train.txt": b"Anna B-person\n"}, ":1: no type 'person'"
    ),
    _release("squad_no_train", "squad", {}, "train-v1.1.json: cannot read (No such file"),
    _release(
        "squad_other_version",
        "squad",
        {"train-v2.0.json": _SQUAD_DEV, "dev-v2.0.json": _SQUAD_DEV},
        'r: holds train-v2.0.json, not train-v1.1.json; set data.version to "2.0"',
    ),
    _release(
        "squad_not_version_2",
        "squad, version: 2.0",
        {"train-v1.1.json": _SQUAD_DEV},
        'set data.version to "1.1"',
    ),
    _release(
        "squad_no_answer",
        "squad",
        {"train-v1.1.json": json.dumps(squad(is_impossible=True, answers=[])).encode()},
        "question 'q0' has no answer (is_impossible); set data.version to \"2.0\"",
    ),
    _release(
        "squad_no_dev",
        "squad",
        {"train-v1.1.json": _SQUAD_DEV},
        "dev-v1.1.json: cannot read (No such file",
    ),
    _release("mrqa_nothing", "mrqa", {}, "r/train: no <source>.jsonl.gz"),
    _release(
        "mrqa_source",
        "mrqa, sources: [Squad]",
        {"train/SQuAD.jsonl": _MRQA_HEADER},
        "data.sources: no source 'Squad'",
    ),
    _mrqa("mrqa_empty", b"", "S.jsonl: the file is empty"),
    _mrqa("mrqa_header_alone", _MRQA_HEADER, "S.jsonl: holds no questions"),
    _mrqa("mrqa_no_header", json.dumps(_MRQA_RECORD).encode(), "S.jsonl:1: no 'header'; allowed"),
    _mrqa("mrqa_cut", _MRQA_HEADER + b'{"context": "x', "S.jsonl:2: no JSON (column"),
    _mrqa("mrqa_no_context", _MRQA_HEADER + b'{"qas": []}', "S.jsonl:2: no 'context'"),
    _mrqa("mrqa_blank", _MRQA_HEADER + b'{"context": " ", "qas": []}', "the context is empty"),
    _mrqa("mrqa_qas", _MRQA_HEADER + b'{"context": "x", "qas": [1]}', "qas[0]: expected an object"),
    _mrqa_question("mrqa_id", {"qid": 5}, "S.jsonl:2, qas[0]: 'qid' holds 5"),
    _mrqa_question("mrqa_question", {"question": " "}, "qas[0]: the question is empty"),
    _mrqa_question("mrqa_no_answers", {"answers": []}, "question 'a' has no answers"),
    _mrqa_question("mrqa_answer", {"answers": [1]}, "'answers' holds 1, where text is expected"),
    _mrqa_question("mrqa_detected", {"detected_answers": 1}, "'detected_answers' holds 1"),
    _mrqa_question("mrqa_spans", {"detected_answers": [{}]}, "no 'char_spans'"),
    _mrqa_question("mrqa_span", _span(1), "the span [1] is no pair of whole numbers"),
    _mrqa_question("mrqa_span_text", _span("1", "2"), "is no pair of whole numbers"),
    _mrqa_question("mrqa_span_back", _span(9, 8), "the span [9, 8] lies outside"),
    _mrqa_question("mrqa_span_far", _span(0, 10**30), "lies outside the 61 characters"),
    _mrqa_question("mrqa_span_minus", _span(-3, -1), "the span [-3, -1] lies outside"),
    TableCase(
        "hub_other_columns",
        {"h/train.csv": GOOD, "h/test.csv": GOOD},
        "data: {name: 20newsgroups, hub: h}",
        ("data.hub: h has no column 'label_text' (train)", "'label'"),
    ),
    TableCase(
        "hub_no_split",
        {"h/train.csv": b"text,label_text\nx,sci.med\n"},
        "data: {name: 20newsgroups, hub: h}",
        ("data.hub: h has no split 'test'; it has train",),
    ),
    TableCase(
        "hub_damaged",
        {"h/train.parquet": b"PAR1", "h/test.parquet": b"PAR1"},
        "data: {name: semeval, hub: h}",
        ("data.hub: h cannot be read (",),
    ),
]


# Splits saved in a file, of a good table

_PLAIN: dict[str, Any] = {
    "format": 1,
    "num_train_examples": 40,
    "clients": [list(range(4, 20)), list(range(20, 40))],
    "validation": [0, 1, 2, 3],
}


def _saved(id: str, changes: dict[str, Any] | bytes, *parts: str, keys: str = "") -> TableCase:
    content = changes if isinstance(changes, bytes) else json.dumps(_PLAIN | changes).encode()
    files = {"t.csv": csv(), "s.json": content}
    table = "data: {name: files, train: t.csv}\npartition: {name: saved, file: s.json}\n"
    return TableCase(id, files, table + keys, parts)


SAVED: list[TableCase] = [
    _saved("saved_empty", b"", "s.json:1: not JSON"),
    _saved("saved_cut", json.dumps(_PLAIN).encode()[:-9], "s.json:1: not JSON"),
    _saved("saved_list", b"[]", "s.json: not a split; expected an object with format"),
    _saved("saved_object", b"{}", "s.json: not a split; expected an object with format"),
    _saved("saved_latin_1", b'{"format": "\xe9"}', "s.json: not JSON in UTF-8"),
    _saved("saved_deep", b"[" * 100_000, "s.json: not JSON in UTF-8"),
    _saved("saved_digits", b'{"format": ' + b"9" * 5000 + b"}", "s.json: not JSON in UTF-8"),
    _saved("saved_key_twice", b'{"format": 1, "format": 1}', "s.json: ", "a key is given twice"),
    _saved("saved_format", {"format": 2}, "s.json: format 2; this version reads 1"),
    _saved("saved_format_true", {"format": True}, "s.json: format True; this version reads 1"),
    _saved("saved_format_float", {"format": 1.0}, "s.json: format 1.0; this version reads 1"),
    _saved("saved_key", {"client": []}, "s.json: unknown key 'client'; allowed: format, data"),
    _saved("saved_number", {"num_train_examples": "40"}, "num_train_examples: expected a number"),
    _saved("saved_number_none", {"num_train_examples": None}, "num_train_examples: expected a"),
    _saved("saved_number_zero", {"num_train_examples": 0}, "num_train_examples: expected a number"),
    _saved("saved_other_number", {"num_train_examples": 41}, "1 of 41 rows are nowhere"),
    _saved("saved_data", {"data": 5}, "s.json: data: expected text or null, not 5"),
    _saved("saved_digest", {"train_sha256": 5}, "train_sha256: expected text or null, not 5"),
    _saved(
        "saved_other_data",
        {"train_sha256": hashlib.sha256(b"").hexdigest()},
        "s.json: train_sha256 differs: the split was made for other training examples",
    ),
    _saved(
        "saved_of_more",
        {"num_train_examples": 42, "validation": [0, 1, 2, 3, 40, 41]},
        "s.json: a split of 42 training examples; the data has 40",
    ),
    _saved("saved_clients_none", {"clients": []}, "clients: expected lists of row numbers, not []"),
    _saved("saved_clients_null", {"clients": None}, "clients: expected lists of row numbers, not"),
    _saved("saved_clients_flat", {"clients": [1, 2]}, "clients[0]: expected row numbers, not 1"),
    _saved("saved_client_empty", {"clients": [[], [5]]}, "clients[0]: expected row numbers, not "),
    _saved("saved_row_text", {"clients": [["5"]]}, "clients[0]: '5' is no row; allowed: 0 to 39"),
    _saved("saved_row_true", {"clients": [[True]]}, "clients[0]: True is no row"),
    _saved("saved_row_half", {"clients": [[4.0]]}, "clients[0]: 4.0 is no row"),
    _saved("saved_row_minus", {"clients": [[-1]]}, "clients[0]: -1 is no row"),
    _saved("saved_row_beyond", {"clients": [[40]]}, "clients[0]: 40 is no row; allowed: 0 to 39"),
    _saved("saved_row_huge", {"clients": [[10**30]]}, "clients[0]: 1000", "is no row"),
    _saved("saved_row_twice", {"clients": [[5, 5]]}, "clients[0]: row 5 is twice"),
    _saved("saved_row_shared", {"clients": [[5], [5]]}, "clients[1]: row 5 is also in clients[0]"),
    _saved("saved_row_held", {"clients": [[3]]}, "validation: row 3 is also in clients[0]"),
    _saved("saved_rows_lost", {"clients": [[5]]}, "s.json: 35 of 40 rows are nowhere, the first"),
    _saved("saved_validation", {"validation": 5}, "validation: expected row numbers, not 5"),
    _saved("saved_validation_empty", {"validation": []}, "validation: expected row numbers, not"),
    _saved(
        "saved_not_held",
        {"clients": [list(range(40))], "validation": None},
        "s.json: does not fit data that lacks a validation split of its own",
    ),
    _saved(
        "saved_clients_given",
        {},
        "federation.num_clients: 5 given, the saved split has 2 clients; leave it out",
        keys="federation: {num_clients: 5}",
    ),
    _saved(
        "saved_round",
        {},
        "federation.clients_per_round: 3 exceeds the 2 clients there are",
        keys="federation: {clients_per_round: 3}",
    ),
    TableCase(
        "saved_held_in_vain",
        {"t.csv": csv(), "v.csv": csv(), "s.json": json.dumps(_PLAIN).encode()},
        "data: {name: files, train: t.csv, validation: v.csv}\n"
        "partition: {name: saved, file: s.json}",
        ("s.json: does not fit data that has a validation split of its own",),
    ),
]

TASK_FILES = [*WORDS, *QUESTIONS, *RELEASES, *SAVED]
