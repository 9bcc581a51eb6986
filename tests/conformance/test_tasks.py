"""Every task on every architecture: run, export, load with other people's tools, evaluate."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from peft import PeftModel
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

from builders import tiny_task_config
from federa import export_run, load, run
from federa.checkpoint import BEST, RunFolder
from federa.evaluation_run import evaluate_run
from federa.preparation import prepare_again
from tiny import ARCHITECTURES

TASKS = ("token_classification", "question_answering")
WORDS = ["please", "the", "new", "printer", "is", "out", "of", "the", "room"]
ASKED = {"question": "my badge", "context": "the room 9 is slow. my badge is lost."}
CLASSES = {
    "token_classification": AutoModelForTokenClassification,
    "question_answering": AutoModelForQuestionAnswering,
}
ITEMS: dict[str, list[Any]] = {"token_classification": [WORDS], "question_answering": [ASKED]}


def outputs(task: str, model: torch.nn.Module, tokenizer: Any) -> torch.Tensor:
    """What a model computes for the item, [L, D]."""
    if task == "token_classification":
        batch = tokenizer(" ".join(WORDS), return_tensors="pt")
    else:
        batch = tokenizer(ASKED["question"], ASKED["context"], return_tensors="pt")
    names = set(tokenizer.model_input_names) | {"attention_mask"}
    with torch.inference_mode():
        found = model.eval()(**{name: value for name, value in batch.items() if name in names})
    if task == "token_classification":
        return found.logits[0]
    return torch.stack([found.start_logits[0], found.end_logits[0]], dim=1)


def own_outputs(folder: Path, task: str) -> torch.Tensor:
    """What the run's own adapted model (residual and factors) computes at its best state."""
    home = RunFolder.open(folder)
    config, facts, state = home.config(), home.facts(), home.load_state(BEST)
    model, _ = prepare_again(config, facts, state).build()
    for name, value in state.params.items():
        model.get_parameter(name).data.copy_(value)
    return outputs(task, model, AutoTokenizer.from_pretrained(facts.source))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_exports_compute_what_the_run_computes(
    tiny_model: Callable[[str], str], tmp_path: Path, architecture: str, task: str
) -> None:
    base = tiny_model(architecture)
    folder = run(tiny_task_config(task, base, tmp_path), folder=tmp_path).folder
    wanted = own_outputs(folder, task)
    adapter, merged = folder / "export" / "peft", export_run(folder, "merged")
    config = AutoConfig.from_pretrained(adapter)
    plain = CLASSES[task].from_pretrained(base, config=config, dtype=torch.float32)
    # merged, as the model card says: peft's own class for questions drops token_type_ids
    adapted = PeftModel.from_pretrained(plain, adapter).merge_and_unload()
    whole = CLASSES[task].from_pretrained(merged)
    for model, home in ((adapted, adapter), (whole, merged)):
        tokenizer = AutoTokenizer.from_pretrained(home)
        torch.testing.assert_close(outputs(task, model, tokenizer), wanted, atol=1e-5, rtol=1e-4)
    answers = [load(place).predict(ITEMS[task]) for place in (folder, adapter, merged)]
    assert same(answers[0], answers[1])
    assert same(answers[0], answers[2])


def same(first: list[Any], second: list[Any]) -> bool:
    """The same answers; probabilities to six digits."""
    text = [json.dumps(rounded([vars(answer) for answer in side])) for side in (first, second)]
    return text[0] == text[1]


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return rounded(vars(value)) if hasattr(value, "__dict__") else value


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_exported_tagger_sees_in_the_pipeline_what_it_saw_in_training(
    tiny_model: Callable[[str], str], tmp_path: Path, architecture: str
) -> None:
    config = tiny_task_config("token_classification", tiny_model(architecture), tmp_path)
    folder = run(config, folder=tmp_path).folder
    merged = export_run(folder, "merged")
    tagger = pipeline("ner", model=str(merged), ignore_labels=[])
    text = " ".join(WORDS)
    (answer,) = load(folder).predict([WORDS])
    begins = [text.index(" ".join(WORDS[number:])) for number in range(len(WORDS))]
    piped: dict[int, str] = {}
    for piece in tagger(text):
        start = piece["start"] + (text[piece["start"]] == " ")
        piped.setdefault(start, piece["entity"])
    assert [piped[begin] for begin in begins] == list(answer.tags)


METHODS = [{"name": "lora", "rank": 4}, "bitfit", "houlsby", "pfeiffer", "full"]


@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("task", TASKS)
def test_every_method_learns_every_task(
    tiny_model: Callable[[str], str], tmp_path: Path, task: str, method: object
) -> None:
    train = {"max_steps": 8, "batch_size": 8, "max_length": 40, "learning_rate": 0.02}
    federation = {"num_clients": 3, "num_rounds": 4}
    config = tiny_task_config(
        task, tiny_model("bert"), tmp_path, method=method, train=train, federation=federation
    )
    result = run(config, folder=tmp_path)
    losses = [record.train_loss for record in result.records]
    assert losses[-1] is not None
    assert losses[0] is not None
    assert losses[-1] < losses[0]
    (export,) = result.exports
    assert same(load(result.folder).predict(ITEMS[task]), load(export).predict(ITEMS[task]))


def test_federa_reaches_the_tagger_that_the_data_determine(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    train = {"max_steps": 12, "batch_size": 8, "max_length": 40, "learning_rate": 0.02}
    federation = {"num_clients": 3, "num_rounds": 5}
    config = tiny_task_config(
        "token_classification", tiny_model("bert"), tmp_path, train=train, federation=federation
    )
    result = run(config, folder=tmp_path)
    assert result.summary["best"]["scores"]["validation"]["f1"] == 1.0
    assert result.summary["baseline"] == {"validation": 0.0}


@pytest.mark.parametrize("task", TASKS)
def test_evaluating_a_run_gives_its_own_scores_and_the_files(
    tiny_model: Callable[[str], str], tmp_path: Path, task: str
) -> None:
    config = tiny_task_config(task, tiny_model("roberta"), tmp_path)
    result = run(config, folder=tmp_path)
    seen: list[tuple[int, int]] = []
    found = evaluate_run(
        result.folder,
        "validation",
        predictions=tmp_path / "out",
        watch=lambda done, total: seen.append((done, total)),
    )
    own = result.summary["best"]["scores"]["validation"]
    for name in config.task.shown_scores:
        assert found.scores[name] == pytest.approx(own[name], abs=1e-6)
    assert found.num_examples == own["num_examples"]
    assert seen[-1][0] == seen[-1][1] >= found.num_examples
    names = {path.name for path in found.files}
    if task == "token_classification":
        assert names == {"predictions.conll", "predictions.tsv"}
        lines = (tmp_path / "out" / "predictions.conll").read_text().split("\n")
        assert sum(not line for line in lines[:-1]) in (9, 8)  # nine sentences
        assert len([line for line in lines if line]) == 90
    else:
        assert names == {"predictions.json", "nbest.json"}
        answers = json.loads((tmp_path / "out" / "predictions.json").read_text())
        assert len(answers) == found.num_examples


@pytest.mark.parametrize("task", TASKS)
def test_a_resumed_run_is_the_same_run(
    tiny_model: Callable[[str], str], tmp_path: Path, task: str
) -> None:
    whole = run(tiny_task_config(task, tiny_model("bert"), tmp_path), folder=tmp_path / "a")
    short = {"num_clients": 3, "num_rounds": 1}
    config = tiny_task_config(task, tiny_model("bert"), tmp_path, federation=short)
    first = run(config, folder=tmp_path / "b")
    again = run(tiny_task_config(task, tiny_model("bert"), tmp_path), resume=first.folder)
    for name in ("latest.safetensors", "best.safetensors", "split.json"):
        assert (whole.folder / name).read_bytes() == (again.folder / name).read_bytes()


def test_batches_are_windows_and_weights_are_questions(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    from federa.local import batches
    from federa.preparation import prepare

    config = tiny_task_config(
        "question_answering",
        tiny_model("bert"),
        tmp_path,
        train={"max_length": 40, "batch_size": 5},
    )
    setup, *_ = prepare(config)
    total = 0
    for client, rows in enumerate(setup.clients):
        windows = setup.windows(client)
        drawn = [window for batch in batches(setup, 0, client) for window in batch]
        assert sorted(drawn) == sorted(windows.tolist())
        owners = (
            numpy.searchsorted(setup.examples.windows.window_offsets, windows, side="right") - 1
        )
        assert sorted(set(owners.tolist())) == sorted(rows.tolist())
        total += len(windows)
    assert total > len(setup.examples)  # the longer passages take several
    result = run(config, folder=tmp_path)
    sizes = {record.client: record.num_examples for record in result.records[0].clients}
    assert sizes == {client: len(rows) for client, rows in enumerate(setup.clients)}


@pytest.mark.parametrize("format", ["peft", "merged", "native"])
@pytest.mark.parametrize("task", TASKS)
def test_the_lines_on_the_model_card_run(
    tiny_model: Callable[[str], str],
    tmp_path: Path,
    task: str,
    format: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    method = {"name": "houlsby"} if format == "native" else {"name": "federa", "rank": 4}
    config = tiny_task_config(task, tiny_model("bert"), tmp_path, method=method)
    folder = export_run(run(config, folder=tmp_path).folder, format)
    card = (folder / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    monkeypatch.chdir(folder)
    exec(compile(code, "card", "exec"), {})
    printed = capsys.readouterr().out
    assert f"pipeline_tag: {config.task.pipeline}" in card
    if task == "question_answering":
        assert printed.strip()
    else:
        assert "entities" in printed if format == "native" else printed.startswith("[")


def test_a_run_on_a_saved_split_goes_on_without_the_file(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    task, model = "token_classification", tiny_model("bert")
    short = {"num_clients": 3, "num_rounds": 1}
    first = run(tiny_task_config(task, model, tmp_path, federation=short), folder=tmp_path / "a")
    kept = tmp_path / "kept.json"
    kept.write_bytes((first.folder / "split.json").read_bytes())
    changes = {"partition": {"name": "saved", "file": str(kept)}}
    config = tiny_task_config(task, model, tmp_path, federation={"num_rounds": 1}, **changes)
    begun = run(config, folder=tmp_path / "b")
    assert begun.records[0].scores == first.records[0].scores
    kept.unlink()
    more = tiny_task_config(task, model, tmp_path, federation={"num_rounds": 2}, **changes)
    assert len(run(more, resume=begun.folder).records) == 2
    assert evaluate_run(begun.folder, "validation").num_examples == 9
