"""Exports, loaded by the tools that other people use."""

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline

from builders import tiny_config
from federa import RunConfig, export_run, load, run
from federa.checkpoint import BEST, RunFolder
from federa.errors import ConfigError, DataError, ModelError, RunError
from federa.inputs import read_inputs
from federa.preparation import prepare_again
from tiny import ARCHITECTURES

TEXTS = ["please the printer number 5 again", "password", "the screen is lost"]
FEDERA = {"name": "federa", "rank": 4, "alpha": 6}


def finish(model: str, table: Path, folder: Path, method: object) -> Path:
    federation = {"num_clients": 3, "num_rounds": 2}
    train = {"max_steps": 4, "batch_size": 4, "max_length": 24, "learning_rate": 0.01}
    config = tiny_config(model, table, method=method, federation=federation, train=train)
    return run(config, folder=folder).folder


def own_logits(folder: Path) -> torch.Tensor:
    """What the run's own adapted model (residual and factors) computes at its best state."""
    home = RunFolder.open(folder)
    config, facts, state = home.config(), home.facts(), home.load_state(BEST)
    model, _ = prepare_again(config, facts, state).build()
    for name, value in state.params.items():
        model.get_parameter(name).data.copy_(value)
    return logits(model, facts.source)


def logits(model: torch.nn.Module, tokenizer: str) -> torch.Tensor:
    batch = AutoTokenizer.from_pretrained(tokenizer)(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return model.eval()(**inputs).logits


def load_with_peft(folder: Path, base: str) -> torch.nn.Module:
    config = AutoConfig.from_pretrained(folder)
    plain = AutoModelForSequenceClassification.from_pretrained(
        base, config=config, dtype=torch.float32
    )
    return PeftModel.from_pretrained(plain, folder)


@pytest.fixture(scope="module")
def done(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return finish(tiny_model("bert"), tiny_table, tmp_path_factory.mktemp("runs"), FEDERA)


@pytest.mark.parametrize("method", [FEDERA, {"name": "lora", "rank": 4}], ids=["federa", "lora"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_peft_and_merged_compute_what_the_run_computes(
    tiny_model: Callable[[str], str],
    tiny_table: Path,
    tmp_path: Path,
    architecture: str,
    method: object,
) -> None:
    base = tiny_model(architecture)
    folder = finish(base, tiny_table, tmp_path, method)
    wanted = own_logits(folder)
    adapter = folder / "export" / "peft"
    adapted = load_with_peft(adapter, base)
    torch.testing.assert_close(logits(adapted, str(adapter)), wanted, atol=1e-5, rtol=1e-4)
    settings = adapted.peft_config["default"]
    factor = (2 if method is FEDERA else 1) * (2 if architecture == "modernbert" else 1)
    assert settings.r == 4 * factor
    assert settings.lora_alpha / settings.r == pytest.approx(1.5 if method is FEDERA else 1.0)
    merged = export_run(folder, "merged")
    plain = AutoModelForSequenceClassification.from_pretrained(merged)
    torch.testing.assert_close(logits(plain, str(merged)), wanted, atol=1e-5, rtol=1e-4)
    assert plain.config.id2label == {0: "password", 1: "printer", 2: "screen"}


@pytest.mark.parametrize("method", ["full", "bitfit"])
def test_whole_parameters_export_merged_only(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, method: str
) -> None:
    folder = finish(tiny_model("bert"), tiny_table, tmp_path, method)
    merged = AutoModelForSequenceClassification.from_pretrained(folder / "export" / "merged")
    wanted = own_logits(folder)
    torch.testing.assert_close(logits(merged, str(folder / "export" / "merged")), wanted)
    for format, reason in (("peft", "no LoRA form"), ("native", "other tools read")):
        message = rf"{method} cannot be exported as {format} \(.*{reason}\); use merged"
        with pytest.raises(ConfigError, match=message):
            export_run(folder, format)


@pytest.mark.parametrize("method", [{"name": "houlsby", "layer_norms": True}, "pfeiffer"], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_bottlenecks_export_in_their_own_form(
    tiny_model: Callable[[str], str],
    tiny_table: Path,
    tmp_path: Path,
    architecture: str,
    method: object,
) -> None:
    folder = finish(tiny_model(architecture), tiny_table, tmp_path, method)
    native = folder / "export" / "native"
    names = {path.name for path in native.iterdir()}
    assert {"adapter.safetensors", "federa.json", "README.md"} <= names
    assert "model.safetensors" not in names
    assert export_run(folder, out=tmp_path / "again").is_dir(), "its own format is the default"
    loaded = load(native)
    wanted = own_logits(folder)
    torch.testing.assert_close(logits(loaded.model, str(native)), wanted, atol=1e-6, rtol=1e-5)
    shares = [prediction.score for prediction in loaded.predict(TEXTS)]
    assert shares == pytest.approx(wanted.softmax(dim=1).max(dim=1).values.tolist(), rel=1e-4)
    for format, reason in (("peft", "no LoRA form"), ("merged", "not linear")):
        with pytest.raises(ConfigError, match=rf"exported as {format} \(.*{reason}.*use native"):
            export_run(folder, format)
    with pytest.raises(ConfigError, match="--rank: applies to"):
        export_run(folder, rank=2)


@pytest.mark.parametrize(
    "method",
    [FEDERA, {"name": "lora", "rank": 4}, "bitfit", "houlsby", "pfeiffer", "full"],
    ids=str,
)
def test_load_opens_every_export_and_the_run(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, method: object
) -> None:
    folder = finish(tiny_model("roberta"), tiny_table, tmp_path, method)
    config = RunFolder.open(folder).config()
    wanted = own_logits(folder)
    opened = [load(folder)]
    for format in config.method.exports:
        opened.append(load(export_run(folder, format, tmp_path / format)))
    for predictor, place in zip(opened, ["run", *config.method.exports], strict=True):
        assert predictor.record.format == place
        found = logits(predictor.model, tiny_model("roberta"))
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)
        assert [p.label for p in predictor.predict(TEXTS)] == [
            ("password", "printer", "screen")[int(row.argmax())] for row in wanted
        ]
        assert not predictor.model.training


@pytest.fixture
def native(tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path) -> Path:
    folder = finish(tiny_model("bert"), tiny_table, tmp_path / "runs", "pfeiffer")
    return export_run(folder, "native", tmp_path / "native")


def test_an_export_whose_base_has_moved(
    native: Path, tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    record = native / "federa.json"
    content = json.loads(record.read_text())
    base = tmp_path / "base"
    shutil.copytree(content["source"], base)
    content |= {"source": "/absent/base", "model": "/absent/base"}
    record.write_text(json.dumps(content))
    with pytest.raises(ModelError, match="'/absent/base' is not an alias, a model folder"):
        load(native)
    assert load(native, base=str(base)).predict(TEXTS)
    with pytest.raises(ModelError, match="differ from the server's"):
        load(native, base=tiny_model("electra"))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("federa.json", b"{"),
        ("federa.json", b"{}"),
        ("federa.json", None),
        ("adapter.safetensors", b"\0" * 100),
        ("adapter.safetensors", None),
        ("adapter.safetensors", "another method's"),
    ],
)
def test_a_damaged_export_is_one_line(native: Path, file: str, content: object) -> None:
    if content is None:
        (native / file).unlink()
    elif isinstance(content, bytes):
        (native / file).write_bytes(content)
    else:
        save_file({"classifier.weight": torch.zeros(3, 32)}, native / file)
    with pytest.raises(RunError) as caught:
        load(native)
    assert len(str(caught.value).splitlines()) == 1
    if content is not None:
        assert f"{file}: damaged or unreadable" in str(caught.value)


def test_a_damaged_adapter_is_one_line(done: Path, tmp_path: Path) -> None:
    folder = export_run(done, "peft", tmp_path / "peft")
    (folder / "adapter_model.safetensors").write_bytes(b"\0" * 50)
    with pytest.raises(RunError, match="the adapter is damaged or unreadable"):
        load(folder)


def test_pipeline_gives_label_names(done: Path) -> None:
    merged = export_run(done, "merged")
    classify = pipeline("text-classification", model=str(merged))
    labels = [answer["label"] for answer in classify(TEXTS)]
    assert labels == [prediction.label for prediction in load(done).predict(TEXTS)]
    assert set(labels) <= {"password", "printer", "screen"}


def test_the_lines_on_a_native_card_run(
    native: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = (native / "README.md").read_text()
    assert "library_name: federa" in card
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    monkeypatch.chdir(native)
    exec(compile(code, "card", "exec"), {})
    assert re.search(r"label='(password|printer|screen)', score=0\.\d+", capsys.readouterr().out)


@pytest.mark.parametrize("format", ["peft", "merged"])
def test_the_lines_on_the_model_card_run(
    done: Path, format: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export_run(done, format)
    card = (folder / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL)
    monkeypatch.chdir(folder)
    exec(compile(code, "card", "exec"), {})
    printed = capsys.readouterr().out
    assert re.search(r"'label': '(password|printer|screen)', 'score': 0\.\d+", printed)
    facts = RunFolder.open(done).facts()
    assert facts.base_sha256 in card
    assert f"{facts.num_trained_parameters:,} of {facts.num_parameters:,}" in card
    assert "3 of 3" in card
    assert "validation (12 examples) | accuracy" in card


def test_compressed_adapters_state_their_error(
    done: Path, tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    errors = []
    for rank in (1, 4, 8):
        folder = export_run(done, "peft", tmp_path / f"rank{rank}", rank=rank)
        (stated,) = re.findall(
            r"differs from the trained one by ([\d.]+)%", (folder / "README.md").read_text()
        )
        errors.append(float(stated))
        assert load_with_peft(folder, tiny_model("bert")).peft_config["default"].r == rank
    assert errors[0] > errors[1] >= errors[2] == 0.0
    small = logits(load_with_peft(tmp_path / "rank8", tiny_model("bert")), tiny_model("bert"))
    torch.testing.assert_close(small, own_logits(done), atol=1e-5, rtol=1e-4)


def test_what_cannot_be_exported(done: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--format: 'onnx'; allowed: peft, merged, native"):
        export_run(done, "onnx")
    with pytest.raises(ConfigError, match="--rank: applies to"):
        export_run(done, "merged", rank=2)
    with pytest.raises(ConfigError, match=r"--rank: 9 exceeds 8"):
        export_run(done, "peft", rank=9)
    with pytest.raises(ConfigError, match="at least 1"):
        export_run(done, "peft", rank=0)
    (tmp_path / "taken").mkdir()
    with pytest.raises(RunError, match="already exists"):
        export_run(done, "peft", tmp_path / "taken")
    with pytest.raises(RunError, match="not a run folder"):
        export_run(tmp_path, "peft")


def test_a_disk_that_fills_during_the_export(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors import SafetensorError

    def full(*_: object, **__: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    before = export_run(done, "merged")
    monkeypatch.setattr("transformers.PreTrainedModel.save_pretrained", full)
    with pytest.raises(RunError, match="No space left on device"):
        export_run(done, "merged")
    assert (before / "model.safetensors").is_file(), "the earlier export is kept"
    assert not list((done / "export").glob(".*"))


def test_predict_labels_in_order(done: Path, tmp_path: Path) -> None:
    predictor = load(done)
    found = predictor.predict(TEXTS)
    assert [prediction.text for prediction in found] == TEXTS
    assert predictor.predict([]) == []
    shares = own_logits(done).softmax(dim=1)
    for prediction, row in zip(found, shares, strict=True):
        assert prediction.label == predictor.record.labels[int(row.argmax())]
        assert prediction.score == pytest.approx(float(row.max()), rel=1e-4)
    table = tmp_path / "new.csv"
    table.write_text('text,other\n"a, b",1\nc,2\n')
    asked = predictor.record.task, predictor.record.columns
    assert read_inputs(str(table), io.BytesIO(), *asked) == {"text": ["a, b", "c"]}
    assert read_inputs("-", io.BytesIO(b"one\n\ntwo\n"), *asked) == {"text": ["one", "two"]}
    odd = "\ufeffone\u2028two\r\nthree\x0cfour\n".encode()
    assert read_inputs("-", io.BytesIO(odd), *asked) == {"text": ["one\u2028two", "three\x0cfour"]}
    with pytest.raises(DataError, match="standard input: no text"):
        read_inputs("-", io.BytesIO(), *asked)


def test_the_public_names() -> None:
    import federa

    for name in federa.__all__:
        assert getattr(federa, name) is not None
    assert federa.RunConfig is RunConfig


@pytest.mark.parametrize("architecture", ["bert", "roberta", "deberta-v2", "modernbert"])
def test_an_adapter_brings_the_special_tokens(
    tiny_model: Callable[[str], str], tiny_table: Path, tmp_path: Path, architecture: str
) -> None:
    base = tiny_model(architecture)
    task = {"name": "text_classification", "special_tokens": ["please", "<e1>"]}
    federation = {"num_clients": 3, "num_rounds": 1}
    config = tiny_config(base, tiny_table, method=FEDERA, federation=federation, task=task)
    folder = run(config, folder=tmp_path).folder
    adapter, merged = folder / "export" / "peft", export_run(folder, "merged")
    texts = ["please the <e1>printer number 5", "screen <e1>"]
    wanted = load(folder).predict(texts)
    ids = load(folder).tokenizer(texts[0])["input_ids"]
    assert load(folder).tokenizer.convert_tokens_to_ids("<e1>") in ids
    for place in (adapter, merged):
        found = load(place).predict(texts)
        assert [answer.label for answer in found] == [answer.label for answer in wanted]
        scores = [answer.score for answer in wanted]
        assert [answer.score for answer in found] == pytest.approx(scores, rel=1e-4)
    piped = pipeline("text-classification", model=str(merged))(texts)
    assert [answer["score"] for answer in piped] == pytest.approx(scores, rel=1e-4)
    (code,) = re.findall(r"```python\n(.*?)```", (adapter / "README.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code.replace('"."', repr(str(adapter))), "card", "exec"), names)
    carded = names["answer"](texts)  # type: ignore[operator]
    assert [answer["score"] for answer in carded] == pytest.approx(scores, rel=1e-4)
