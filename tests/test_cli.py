"""The command line: what it prints, one line and an exit code for whatever is wrong, no torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from federa import cli
from federa.architectures import ALIASES
from federa.config import REGISTRIES, RunConfig
from federa.registry import names
from federa.version import __version__

COMMANDS = [command.name or command.callback.__name__ for command in cli.app.registered_commands]
HEAVY = ("torch", "transformers", "peft", "datasets", "safetensors", "scipy", "sklearn", "pandas")
TABLES = ("numpy", "pyarrow")
ROWS = 40
LONG = "long" * 1000


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Federa = Callable[..., Outcome]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with tables, a good configuration and bad ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FEDERA_DATA", raising=False)
    lines = [f"text {row},{row % 2},site{row % 3}" for row in range(ROWS)]
    (tmp_path / "own.csv").write_text("text,label,site\n" + "\n".join(lines), encoding="utf-8")
    (tmp_path / "two.csv").write_text("text,label\na,x\nb,y\n", encoding="utf-8")
    (tmp_path / "bad.csv").write_bytes("text,label\ncafé,x\n".encode("latin-1"))
    (tmp_path / "done").mkdir()  # looks like a run folder until its files are read
    for name in ("config.yaml", "facts.json", "start.safetensors", "latest.safetensors"):
        (tmp_path / "done" / name).write_bytes(b"")
    (tmp_path / "done" / "config.yaml").write_text("data: servicedesk\n...\n")
    (tmp_path / "good.yaml").write_text("data: {name: files, train: own.csv}\n", encoding="utf-8")
    (tmp_path / "absent_data.yaml").write_text("data: {name: files, train: no.csv}\n")
    (tmp_path / "unknown_key.yaml").write_text("data: servicedesk\nmehtod: lora\n")
    (tmp_path / "bad_value.yaml").write_text("data: servicedesk\ntrain: {epochs: many}\n")
    (tmp_path / "not_yaml.yaml").write_text("data: servicedesk\ntrain: {\n")
    return tmp_path


@pytest.fixture
def federa(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Federa:
    """Run a command in this process."""

    def call(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["federa", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        said = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return Outcome(stopped.value.code, said.out, said.err)

    return call


def spawn(*arguments: str, program: tuple[str, ...] = ("-m", "federa")) -> Outcome:
    """Run a command in a process of its own, in the current folder, with nothing to read."""
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        check=False,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def assert_one_line(outcome: Outcome, *parts: str, code: int = 2) -> None:
    assert outcome.code == code
    assert outcome.err.startswith("federa: error: ")
    assert outcome.err.endswith("\n")
    assert len(outcome.err.splitlines()) == 1
    for part in parts:
        assert part in outcome.err


# What is printed


def test_help_names_every_command(federa: Federa) -> None:
    for arguments in ([], ["--help"]):
        code, out, err = federa(*arguments)
        assert (code, err) == (0, "")
        assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(federa: Federa, command: str) -> None:
    code, out, err = federa(command, "--help")
    assert (code, err) == (0, "")
    assert f"federa {command}" in out


def test_version(federa: Federa) -> None:
    assert federa("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("methods", "method"),
        ("rules", "rule"),
        ("datasets", "data"),
        ("partitions", "partition"),
        ("engines", "engine"),
    ],
)
def test_lists_show_the_registries(federa: Federa, command: str, key: str) -> None:
    code, out, err = federa(command)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == names(REGISTRIES[key])
    assert all(record.summary in out for record in REGISTRIES[key])


def test_models_shows_the_aliases(federa: Federa) -> None:
    code, out, err = federa("models")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == list(ALIASES)
    assert all(hub in out for hub, _ in ALIASES.values())


def test_schema_is_json(federa: Federa) -> None:
    code, out, err = federa("schema")
    assert (code, err) == (0, "")
    assert json.loads(out) == RunConfig.model_json_schema()


def test_check_says_what_a_configuration_is(federa: Federa) -> None:
    code, out, err = federa("check", "good.yaml", "--set", "method=FedLR", "--set", "model=a/b")
    assert (code, err) == (0, "")
    assert out == "good.yaml: ok; lora on files, model a/b, 10 rounds\n"


def test_check_data_says_how_the_data_is_split(federa: Federa) -> None:
    code, out, err = federa("check", "good.yaml", "--data")
    assert (code, err) == (0, "")
    # a tenth of each label's 20 rows is held out; 36 rows are dealt to 10 clients
    expected = "train 36 examples, 2 labels, validation 4; 10 clients of 3 to 4 examples"
    assert out.splitlines()[1] == expected
    code, out, _ = federa("check", "good.yaml", "--data", "--set", "data.client=site")
    assert code == 0
    assert "; 3 clients of " in out


def test_check_takes_federa_yaml_by_default(federa: Federa, folder: Path) -> None:
    assert_one_line(federa("check"), "federa.yaml")
    (folder / "good.yaml").rename(folder / "federa.yaml")
    assert federa("check").out.startswith("federa.yaml: ok; ")


# init


def test_init_writes_what_check_accepts(federa: Federa, folder: Path) -> None:
    code, out, err = federa("init", "own.csv")
    assert (code, err) == (0, "")
    assert out == "wrote federa.yaml; next: federa check federa.yaml, then federa run federa.yaml\n"
    config = RunConfig.load(folder / "federa.yaml")
    assert config.data.model_dump(include={"train", "text", "label", "client"}) == {
        "train": "own.csv",
        "text": "text",
        "label": "label",
        "client": "site",
    }
    assert federa("check", "--data").code == 0


def test_init_does_not_overwrite(federa: Federa, folder: Path) -> None:
    before = (folder / "good.yaml").read_bytes()
    assert_one_line(federa("init", "own.csv", "--out", "good.yaml"), "good.yaml: already exists")
    assert (folder / "good.yaml").read_bytes() == before
    assert federa("init", "own.csv", "--out", "other.yaml").code == 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["no.csv"], "no.csv: no such file"),
        (["bad.csv"], "bad.csv: not UTF-8"),
        (["good.yaml"], "format .yaml is not read"),
        (["own.csv", "--out", "absent/federa.yaml"], "absent/federa.yaml: cannot write"),
    ],
)
def test_a_failed_init_writes_nothing(
    federa: Federa, folder: Path, arguments: list[str], part: str
) -> None:
    before = sorted(os.listdir(folder))
    assert_one_line(federa("init", *arguments), part)
    assert sorted(os.listdir(folder)) == before


# What is wrong

MISUSE = [
    (["bogus"], ["No such command 'bogus'"]),
    (["--bogus"], ["No such option", "--bogus"]),
    (["run", "--bogus"], ["No such option", "--bogus"]),
    (["methods", "extra"], ["extra argument", "extra"]),
    (["init"], ["Missing argument"]),
    (["export"], ["Missing argument"]),
    (["predict"], ["Missing argument"]),
    (["check", "good.yaml", "--set"], ["--set", "requires an argument"]),
    (["export", ".", "--rank", "few"], ["--rank", "valid integer"]),
    (["run"], ["no federa.yaml here", "federa demo", "federa init"]),
    (["run", "absent.yaml"], ["absent.yaml: cannot read (No such file or directory)"]),
    (["run", "."], ["cannot read (Is a directory)"]),
    (["check", "not_yaml.yaml"], ["not_yaml.yaml:3: not valid YAML"]),
    (["check", "bad.csv"], ["bad.csv: not UTF-8 at byte 14"]),
    (["check", "unknown_key.yaml"], ["mehtod: unknown key; did you mean 'method'?"]),
    (["check", "bad_value.yaml"], ["train.epochs: ", "integer", "not 'many'"]),
    (["check", "good.yaml", "--set", "seed"], ["--set seed: expected key=value"]),
    (["check", "good.yaml", "--set", "seed=[1"], ["--set seed:1: not valid YAML"]),
    (["check", "good.yaml", "--set", "seed=-1"], ["seed: ", "greater than or equal to 0", "-1"]),
    (["check", "good.yaml", "--set", "two\nlines=1"], ["unknown key"]),
    (["check", "two\nlines.yaml"], ["cannot read (No such file or directory)"]),
    (["check", "good.yaml", "--set", "method.name=fedra"], ["did you mean 'federa'"]),
    (["demo", "--set", "federation.num_clients=2"], ["federation.clients_per_round: 5 exceeds"]),
    (["run", "--resume", "absent"], ["absent: no such folder"]),
    (["run", "--resume", "."], ["not a run folder"]),
    (["run", "good.yaml", "--resume", "."], ["not a run folder"]),
    (["export", "absent"], ["absent: no such folder"]),
    (["export", "."], ["not a run folder"]),
    (["predict", ".", "own.csv"], ["not a run folder"]),
    (["predict", "done", "absent.txt"], ["absent.txt: cannot read"]),
    (["predict", "done", "absent.csv"], ["absent.csv: no such file"]),
    (["predict", "done", "~nobody-here/a.csv"], ["~nobody-here/a.csv"]),
    (["predict", "done", "~nobody-here/a.txt"], ["~nobody-here/a.txt"]),
    (["init", "~nobody-here/a.csv"], ["~nobody-here/a.csv"]),
    (["init", LONG], [LONG]),
    (["init", "own.csv", "--out", LONG], [LONG]),
    (["check", LONG], [LONG]),
    (["export", LONG], [LONG]),
    (["run", "--resume", LONG], [LONG]),
]


@pytest.mark.parametrize(("arguments", "parts"), MISUSE)
def test_misuse_ends_in_one_line(
    federa: Federa, folder: Path, arguments: list[str], parts: list[str]
) -> None:
    before = sorted(os.listdir(folder))
    assert_one_line(federa(*arguments), *parts)
    assert sorted(os.listdir(folder)) == before


BAD_DATA = [
    (["data.train=no.csv"], "no.csv: no such file"),
    (["data.train=bad.csv"], "bad.csv: not UTF-8"),
    (["data.text=txt"], "own.csv: no column 'txt' (data.text); did you mean 'text'?"),
    (["data.client=place"], "own.csv: no column 'place' (data.client)"),
    (["data.train=two.csv"], "data: 2 training examples are too few to hold out 10%"),
    (["data.test=two.csv"], "two.csv: label 'x' of the test split does not occur in training"),
    (["data=semeval2010task8"], "semeval2010task8 is not in $FEDERA_DATA/semeval2010task8"),
    (["partition=natural"], "partition: natural needs clients in the data"),
    (["evaluation.splits=[validation, test]"], "evaluation.splits: the data set files has no test"),
    (["federation.num_clients=37"], "federation.num_clients: 37 clients cannot share 36 training"),
    (
        ["partition=dirichlet", "federation.num_clients=5"],
        "partition.min_examples: 5 clients x 8 examples exceed the 36 training examples",
    ),
    (["data.client=site", "federation.num_clients=4"], "federation.num_clients: 4 given, the data"),
    (
        ["data.client=site", "federation.clients_per_round=4"],
        "federation.clients_per_round: 4 exceeds the 3 clients",
    ),
    (
        ["data.client=site", "federation.min_uploads=4"],
        "federation.min_uploads: 4 exceeds the 3 clients",
    ),
]


@pytest.mark.parametrize(("changes", "part"), BAD_DATA)
def test_data_that_does_not_fit_is_refused_before_anything_is_written(
    federa: Federa, folder: Path, changes: list[str], part: str
) -> None:
    before = sorted(os.listdir(folder))
    options = [option for change in changes for option in ("--set", change)]
    assert_one_line(federa("check", "good.yaml", "--data", *options), part)
    # an alias whose weights need not be here: the data is looked at before the model is loaded
    assert_one_line(federa("run", "good.yaml", "--set", "model=roberta-large", *options), part)
    assert sorted(os.listdir(folder)) == before


@pytest.mark.parametrize(
    "model", ["nothing", "minilmm", ".", "two words/x", "~nobody-here/x", LONG]
)
def test_a_model_that_is_not_there_is_refused(federa: Federa, folder: Path, model: str) -> None:
    before = sorted(os.listdir(folder))
    assert_one_line(federa("run", "good.yaml", "--set", f"model={model}"), "model: ", model)
    assert sorted(os.listdir(folder)) == before


def test_an_interrupted_command_ends_with_130(
    federa: Federa, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("federa.registry.describe", interrupt)
    code, out, err = federa("methods")
    assert code == 130
    assert "Traceback" not in out + err


# In processes of their own


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["run"], "no federa.yaml here"),
        (["check", "unknown_key.yaml"], "mehtod: unknown key; did you mean 'method'?"),
        (["run", "bad_value.yaml"], "train.epochs: "),
        (["run", "absent_data.yaml"], "no.csv: no such file"),
        (["run", "good.yaml", "--set", "federation.num_clients=37"], "37 clients cannot share"),
        (["export", "."], "not a run folder"),
        (["predict", ".", "own.csv"], "not a run folder"),
        (["predict", "done"], "standard input: no text to answer"),
        (["run", "--resume", "."], "not a run folder"),
        (["init", "own.csv", "--out", "good.yaml"], "good.yaml: already exists"),
    ],
)
def test_a_process_ends_with_one_line(folder: Path, arguments: list[str], part: str) -> None:
    before = sorted(os.listdir(folder))
    assert_one_line(spawn(*arguments), part)
    assert sorted(os.listdir(folder)) == before


def test_a_closed_pipe_is_no_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "federa", "schema"],
            check=False,
            stdout=pipe,
            stderr=subprocess.PIPE,
        )
    assert done.stderr == b""


LOADED = """
import sys
sys.argv = ["federa", *sys.argv[1:]]
from federa.cli import main
try:
    main()
finally:
    print("LOADED", *sys.modules)
"""


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        ([], HEAVY + TABLES),
        (["--help"], HEAVY + TABLES),
        (["run", "--help"], HEAVY + TABLES),
        (["check", "good.yaml"], HEAVY + TABLES),
        (["methods"], HEAVY + TABLES),
        (["rules"], HEAVY + TABLES),
        (["datasets"], HEAVY + TABLES),
        (["partitions"], HEAVY + TABLES),
        (["engines"], HEAVY + TABLES),
        (["models"], HEAVY + TABLES),
        (["schema"], HEAVY + TABLES),
        (["init", "own.csv"], HEAVY),
        (["check", "good.yaml", "--data"], HEAVY),
    ],
)
def test_quick_commands_load_no_heavy_library(
    folder: Path, arguments: list[str], unwanted: tuple[str, ...]
) -> None:
    code, out, err = spawn(*arguments, program=("-c", LOADED))
    assert (code, err) == (0, "")
    loaded = out.split("LOADED ")[1].split()
    assert "federa.cli" in loaded
    assert not set(unwanted) & set(loaded)


def test_importing_the_package_loads_no_heavy_library(folder: Path) -> None:
    code, out, err = spawn(program=("-c", "import federa, sys; print(*sys.modules)"))
    assert (code, err) == (0, "")
    assert "federa" in out.split()
    assert not set(HEAVY + TABLES) & set(out.split())


def test_init_and_check_work_from_end_to_end(folder: Path) -> None:
    assert spawn("init", "own.csv", "--out", "mine.yaml").code == 0
    assert yaml.safe_load((folder / "mine.yaml").read_text(encoding="utf-8"))["name"] == "my-run"
    code, out, err = spawn("check", "mine.yaml", "--set", "federation.num_rounds=3")
    assert (code, out, err) == (0, "mine.yaml: ok; federa on files, model minilm, 3 rounds\n", "")


SENTENCES = "partition: {name: natural, column: label}\ndata: servicedesk\ntask: ner\n"


def test_partition_shows_draws_and_saves(federa: Federa, folder: Path) -> None:
    (folder / "ner.yaml").write_text(SENTENCES, encoding="utf-8")
    code, out, err = federa("partition", "ner.yaml", "--out", "a.svg", "--save", "split.json")
    assert code == 0
    assert "14 clients" in out
    assert "Jensen-Shannon" in out
    assert "effective clients per entity type" in out
    assert "ACCESS" not in out
    assert err == "saved the split to split.json\ndrew the split to a.svg\n"
    assert (folder / "a.svg").read_text(encoding="utf-8").startswith("<?xml")
    code, again, _ = federa(
        *("partition", "ner.yaml", "--set", "partition={name: saved, file: split.json}")
    )
    assert (code, again) == (0, out)
    code, numbers, _ = federa("partition", "ner.yaml", "--json", "--by", "label")
    assert code == 0
    found = json.loads(numbers)
    assert len(found["counts"]) == 14
    assert all(sum(count > 0 for count in row) == 1 for row in found["counts"])


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["partition", "good.yaml", "--by", "colour"], ("--by", "colour")),
        (["partition", "good.yaml", "--out", "a.bmp"], ("a.bmp", "png")),
        (["demo", "--task", "chess"], ("--task: unknown name 'chess'",)),
        (["predict", "done", "--context", "own.csv"], ("text_classification reads none",)),
        (["evaluate", "absent"], ("absent: no such folder",)),
        (["evaluate", "done", "--state", "worst"], ("done/facts.json: damaged",)),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_misuse_of_newer_commands(
    federa: Federa, folder: Path, arguments: list[str], parts: tuple[str, ...]
) -> None:
    assert_one_line(federa(*arguments), *parts)
    assert not (folder / "a.bmp").exists()


def test_evaluate_predict_and_export_of_a_tagger(
    federa: Federa, folder: Path, tiny_model: Callable[[str], str]
) -> None:
    from builders import tiny_task_config

    config = tiny_task_config("token_classification", tiny_model("bert"), folder)
    (folder / "tagger.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert federa("run", "tagger.yaml").code == 0
    assert_one_line(federa("evaluate", "runs/tiny"), "no split 'test'; it has validation")
    code, out, err = federa(
        *("evaluate", "runs/tiny", "--split", "validation", "--predictions", "out")
    )
    assert code == 0, err
    assert "best state (round" in out
    assert "surface F1" in out
    assert "THING" in out
    assert "wrote out/predictions.conll" in out
    (folder / "new.txt").write_text("the new printer is out\n", encoding="utf-8")
    code, out, _ = federa("predict", "runs/tiny", "new.txt")
    (answer,) = map(json.loads, out.splitlines())
    assert code == 0
    assert answer["words"] == ["the", "new", "printer", "is", "out"]
    for entity in answer["entities"]:
        assert answer["text"][entity["start"] : entity["end"]] == entity["text"]
    (folder / "new.jsonl").write_text('{"words": ["the", "screen"]}\n', encoding="utf-8")
    code, out, _ = federa("predict", "runs/tiny/export/peft", "new.jsonl")
    assert json.loads(out)["words"] == ["the", "screen"]


def test_questions_are_answered_from_tables_lines_and_stdin(
    federa: Federa, folder: Path, tiny_model: Callable[[str], str]
) -> None:
    from builders import tiny_task_config

    config = tiny_task_config("question_answering", tiny_model("bert"), folder)
    (folder / "asker.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert federa("run", "asker.yaml").code == 0
    passage = "the printer 3 is in the room 10. my badge is lost."
    row = json.dumps({"id": "a", "question": "my badge", "context": passage})
    (folder / "new.jsonl").write_text(row + "\n", encoding="utf-8")
    (folder / "new.txt").write_text("my badge\nthe printer is in\n", encoding="utf-8")
    (folder / "passage.txt").write_text(passage, encoding="utf-8")
    code, out, _ = federa("predict", "runs/tiny", "new.jsonl")
    (answer,) = map(json.loads, out.splitlines())
    assert (code, answer["id"], answer["question"]) == (0, "a", "my badge")
    assert passage[answer["start"] : answer["end"]] == answer["answer"]
    code, out, _ = federa("predict", "runs/tiny", "new.txt", "--context", "passage.txt")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, len(answers)) == (0, 2)
    assert answers[0]["answer"] == answer["answer"]
    assert_one_line(federa("predict", "runs/tiny", "new.txt"), "with --context FILE")
    asked = ("predict", "runs/tiny", "new.jsonl", "--context", "passage.txt")
    assert_one_line(federa(*asked), "new.jsonl is a table")
