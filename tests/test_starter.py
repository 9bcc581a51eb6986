"""The starter configuration parses, and names the columns that a person would."""

from __future__ import annotations

from pathlib import Path

import pytest

from federa.config import RunConfig
from federa.datasets import Files
from federa.errors import DataError
from federa.starter import starter_yaml
from federa.yaml_text import parse_yaml

SITES = "id,message,intent,site\n1,the printer is broken,print,north\n2,a new badge,badge,south\n"


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def start(place: Path | str, **keys: str) -> RunConfig:
    return RunConfig.parse(parse_yaml("starter", starter_yaml(str(place), **keys)))


@pytest.mark.parametrize(
    ("name", "content", "text", "label"),
    [
        ("a.csv", "text,label\nhello,a\nbye,b\n", "text", "label"),
        ("a.csv", "Label,TEXT\na,hello\nb,bye\n", "TEXT", "Label"),
        ("a.tsv", "topic\tbody\na\thello\n", "body", "topic"),
        ("a.jsonl", '{"review": "good", "target": 1}\n', "review", "target"),
        # by name even where another column is longer
        ("a.csv", "url,text,label\nhttps://a.long.address,hi,a\n", "text", "label"),
        # by content: the longest is the text, the least varied the label
        (
            "a.csv",
            "id,words,kind\n1,the first words,x\n2,some more words,x\n3,and a last line,y\n",
            "words",
            "kind",
        ),
        # a column without values is no column
        ("a.csv", "text,label,kind\nhello,,x\nbye,,y\n", "text", "kind"),
        # names that YAML would read as something else
        ("a.csv", "text: #1,null\nhello,a\nbye,b\n", "text: #1", "null"),
        ("a.csv", "yes,1\nhello there,a\nbye,b\n", "yes", "1"),
        ("a.csv", "täxt,läbel\nhello,a\nbye,b\n", "täxt", "läbel"),
        ("ä b: #1.csv", "text,label\nhello,a\nbye,b\n", "text", "label"),
    ],
)
def test_columns_are_guessed(
    tmp_path: Path, name: str, content: str, text: str, label: str
) -> None:
    path = write(tmp_path / name, content)
    config = start(path)
    assert config.data == Files(train=str(path), text=text, label=label)
    assert (config.partition.name, config.federation.num_clients) == ("dirichlet", 10)


@pytest.mark.parametrize("column", ["site", "Site"])
def test_a_client_column_makes_the_partition_natural(tmp_path: Path, column: str) -> None:
    path = write(tmp_path / "a.csv", SITES.replace("site", column))
    config = start(path)
    assert config.data == Files(train=str(path), text="message", label="intent", client=column)
    assert config.partition.name == "natural"
    assert config.federation.num_clients is None


def test_a_constant_column_is_no_label(tmp_path: Path) -> None:
    content = "language,words,kind\nen,first words,x\nen,more words,x\nen,last words,y\n"
    config = start(write(tmp_path / "a.csv", content))
    assert config.data.label == "kind"


@pytest.mark.parametrize("place", ["clients", "clients/*.csv"])
def test_several_files_are_a_client_each(tmp_path: Path, place: str) -> None:
    for client in "ab":
        write(tmp_path / "clients" / f"{client}.csv", "text,label\nhello,a\nbye,b\n")
    config = start(tmp_path / place)
    assert config.data == Files(train=str(tmp_path / place), file_per_client=True)
    assert config.partition.name == "natural"
    assert config.data.load("text_classification").train["client"] == ["a", "a", "b", "b"]


def test_a_folder_of_one_file_is_a_file(tmp_path: Path) -> None:
    write(tmp_path / "data" / "a.csv", "text,label\nhello,a\nbye,b\n")
    config = start(tmp_path / "data")
    assert config.data == Files(train=str(tmp_path / "data"))
    assert config.partition.name == "dirichlet"


def test_the_rest_is_a_first_run(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\nhello,a\nbye,b\n")
    config = start(path, name="first")
    assert config.name == "first"
    assert start(path).name == "my-run"
    assert (config.model, config.method.name, config.rule.name) == ("minilm", "federa", "fedavg")
    assert config.federation.clients_per_round == 5
    assert config.train.max_steps == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text\nhello\n", "columns text; a text and a label are needed"),
        ("text,label\nhello,\n", "columns text, label; a text and a label are needed"),
        ("text,label\n", "columns text, label; a text and a label are needed"),
        ("text,client\nhello,a\n", "no column besides 'text' can be the label"),
        ("text,label\nhello,a,b\n", "cannot be read as csv ("),
        ("", "the file is empty"),
    ],
)
def test_a_table_without_text_and_label_is_refused(
    tmp_path: Path, content: str, message: str
) -> None:
    path = write(tmp_path / "a.csv", content)
    with pytest.raises(DataError) as caught:
        starter_yaml(str(path))
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value).splitlines()) == 1


def test_places_that_are_not_tables_are_refused(tmp_path: Path) -> None:
    import datasets

    made = datasets.Dataset.from_dict({"text": ["a"], "label": ["b"]})
    made.save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"saved: init reads tables; .* set data\.train by hand$"):
        starter_yaml(str(tmp_path / "saved"))
    with pytest.raises(DataError, match=r"absent\.csv: no such file; "):
        starter_yaml(str(tmp_path / "absent.csv"))


def test_a_folder_with_train_and_test_names_each(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.csv").write_text("text,label\na,x\nb,y\n")
    data = parse_yaml("starter", starter_yaml(str(tmp_path)))["data"]
    assert data["train"] == str(tmp_path / "train.csv")
    assert data["validation"] == str(tmp_path / "dev.csv")
    assert data["test"] == str(tmp_path / "test.csv")
    assert "file_per_client" not in data
    with pytest.raises(DataError, match=r"holds a file 'dev', which is no training data"):
        Files(train=str(tmp_path)).load("text_classification")


TOKENS = '{"id": "1", "tokens": ["Bo", "met", "Al"], "ner_tags": ["B-PER", "O", "B-PER"]}\n'
QUESTION = (
    '{"question": "Who?", "context": "Bo did it.", "answers": [{"text": "Bo", "start": 0}]}\n'
)
SQUAD = (
    '{"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "Bo did it.", "qas": '
    '[{"id": "1", "question": "Who?", "answers": [{"text": "Bo", "answer_start": 0}]}]}]}]}'
)


@pytest.mark.parametrize(
    ("name", "content", "task"),
    [
        ("a.jsonl", TOKENS, "token_classification"),
        ("a.conll", "Bo\tB-PER\nmet\tO\n\nAl\tB-PER\n", "token_classification"),
        ("a.jsonl", QUESTION, "question_answering"),
        ("a.json", SQUAD, "question_answering"),
    ],
)
def test_the_task_is_guessed(tmp_path: Path, name: str, content: str, task: str) -> None:
    config = start(write(tmp_path / name, content))
    assert (config.task.name, config.partition.name) == (task, "embedding")
    train = config.data.load(task).train
    if task == "token_classification":
        assert train["words"][0][0] == "Bo"
        assert train["tags"][0][0] == "B-PER"
    else:
        assert train["answers"] == [[{"text": "Bo", "start": 0}]]
