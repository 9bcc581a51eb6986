"""Finding, loading and refusing models."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from builders import load_classifier
from federa.errors import ConfigError, ModelError
from federa.models import load_tokenizer, locate, max_positions
from federa.targets import find_targets, select_layers
from federa.tasks import TextClassification
from tiny import ARCHITECTURES

LABELS = ("a", "b", "c")


def copy(folder: str, target: Path) -> Path:
    shutil.copytree(folder, target)
    return target


def test_the_demo_model_is_the_installed_package() -> None:
    assert (Path(locate("minilm")) / "model.safetensors").is_file()


def test_names_that_are_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"'minilmm' is not an alias.*did you mean 'minilm'\?"):
        locate("minilmm")
    with pytest.raises(ModelError, match=r"has no config.json"):
        locate(str(tmp_path))
    assert locate("owner/name") == "owner/name"
    assert locate("minilm").startswith("/")
    assert locate("roberta-base") == "FacebookAI/roberta-base"


def test_a_relative_folder_is_stored_absolute(
    tiny_model: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(tiny_model("bert"), tmp_path / "models" / "tiny")
    monkeypatch.chdir(tmp_path)
    assert locate("models/tiny") == str((tmp_path / "models" / "tiny").resolve())


def test_a_hub_model_that_cannot_be_reached_is_one_line() -> None:
    with pytest.raises(ModelError, match="cannot load owner/absent") as caught:
        load_classifier("owner/absent", LABELS, 1)
    assert "\n" not in str(caught.value)


def test_half_precision_checkpoints_are_loaded_in_float32(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    folder = copy(tiny_model("bert"), tmp_path / "half")
    weights = {
        name: value.bfloat16() for name, value in load_file(folder / "model.safetensors").items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}))
    model = load_classifier(str(folder), LABELS, 1)
    assert {value.dtype for value in model.parameters()} == {torch.float32}


def test_the_head_comes_from_the_seed_and_the_global_generator_is_left_alone(
    tiny_model: Callable[[str], str],
) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = load_classifier(tiny_model("bert"), LABELS, 1)
    assert torch.equal(torch.get_rng_state(), before)
    other = load_classifier(tiny_model("bert"), LABELS, 2)
    assert not torch.equal(first.classifier.weight, other.classifier.weight)
    assert first.config.id2label == {0: "a", 1: "b", 2: "c"}


def test_damaged_checkpoints_are_refused(tiny_model: Callable[[str], str], tmp_path: Path) -> None:
    folder = copy(tiny_model("bert"), tmp_path / "damaged")
    weights = load_file(folder / "model.safetensors")
    name = "encoder.layer.0.attention.self.query.weight"
    lacking = {key: value for key, value in weights.items() if key != name}
    save_file(lacking, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"lacks 1 encoder weights.*{name}"):
        load_classifier(str(folder), LABELS, 1)
    broken = {**weights, name: torch.full_like(weights[name], float("nan"))}
    save_file(broken, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=rf"{name}.*NaN"):
        load_classifier(str(folder), LABELS, 1)
    (folder / "config.json").write_text(
        (folder / "config.json").read_text().replace('"hidden_size": 32', '"hidden_size": "x"')
    )
    with pytest.raises(ModelError, match="cannot load"):
        load_classifier(str(folder), LABELS, 1)
    shutil.copy(Path(tiny_model("bert")) / "config.json", folder)
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot load") as caught:
        load_classifier(str(folder), LABELS, 1)
    assert "\n" not in str(caught.value)


def test_a_model_without_such_a_head(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ModelError, match="has no head for text classification"):
        load_classifier(str(tmp_path), LABELS, 1)
    with pytest.raises(ModelError, match="no tokenizer"):
        load_tokenizer(str(tmp_path))


def test_a_fine_tuned_checkpoint_keeps_its_encoder_and_gets_a_new_head(
    tiny_model: Callable[[str], str], tmp_path: Path
) -> None:
    model = load_classifier(tiny_model("roberta"), ("x", "y"), 1)
    model.save_pretrained(tmp_path)
    again = load_classifier(str(tmp_path), LABELS, 1)
    assert again.classifier.out_proj.weight.shape == (3, 32)
    same = "roberta.encoder.layer.0.output.dense.weight"
    assert torch.equal(again.get_parameter(same), model.get_parameter(same))


@pytest.mark.parametrize(
    ("targets", "count"),
    [("auto", 4), (["query"], 2), (["attention.output.dense", "key"], 4), ("all_linear", 12)],
)
def test_targets(tiny_model: Callable[[str], str], targets: str | list[str], count: int) -> None:
    model = load_classifier(tiny_model("bert"), LABELS, 1)
    assert len(find_targets(model, targets, "all")) == count


def test_parts_of_a_fused_projection(tiny_model: Callable[[str], str]) -> None:
    model = load_classifier(tiny_model("modernbert"), LABELS, 1)
    found = find_targets(model, "auto", [0])
    assert [(target.part, target.rows) for target in found] == [
        ("query", (0, 32)),
        ("value", (64, 96)),
    ]
    assert [t.part for t in find_targets(model, ["Wqkv.key"], [1])] == ["key"]


def test_an_unknown_target_lists_what_exists(tiny_model: Callable[[str], str]) -> None:
    model = load_classifier(tiny_model("bert"), LABELS, 1)
    with pytest.raises(
        ConfigError, match=r"no module 'q_proj' in bert; there are: attention"
    ) as caught:
        find_targets(model, ["q_proj"], "all")
    assert "attention.self.query" in str(caught.value)


def test_an_unlisted_architecture_works_with_named_targets(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, MPNetConfig

    config = MPNetConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        num_labels=3,
    )
    model = AutoModelForSequenceClassification.from_config(config)
    with pytest.raises(ConfigError, match=r"auto knows no mpnet; name modules, of: .*attn\.q"):
        find_targets(model, "auto", "all")
    assert len(find_targets(model, ["attn.q", "attn.v"], "last 1")) == 2


@pytest.mark.parametrize(
    ("layers", "chosen"),
    [("all", {0, 1, 2}), ("first 2", {0, 1}), ("last 1", {2}), ([0, -1], {0, 2})],
)
def test_layers(layers: str | list[int], chosen: set[int]) -> None:
    assert select_layers(layers, 3) == chosen


@pytest.mark.parametrize("layers", ["last 4", "middle 2", "last 0", [3], [-4]])
def test_layers_outside_the_model(layers: str | list[int]) -> None:
    with pytest.raises(ConfigError, match=r"method\.layers"):
        select_layers(layers, 3)


def test_positions_kept_for_padding_do_not_count(tiny_model: Callable[[str], str]) -> None:
    assert max_positions(load_classifier(tiny_model("roberta"), LABELS, 1)) == 64
    assert max_positions(load_classifier(tiny_model("bert"), LABELS, 1)) == 66


MARKERS = ("<e1>", "</e1>")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_special_token_is_one_token_with_the_mean_of_its_plain_pieces(
    tiny_model: Callable[[str], str], architecture: str, tmp_path: Path
) -> None:
    folder = tiny_model(architecture)
    plain, tokenizer = load_tokenizer(folder), load_tokenizer(folder, MARKERS)
    before = load_classifier(folder, LABELS, 1).get_input_embeddings().weight
    task = TextClassification(special_tokens=MARKERS)
    model, again = (task.build_model(folder, LABELS, 1) for _ in range(2))
    weight = model.get_input_embeddings().weight
    for marker in MARKERS:
        number = tokenizer.convert_tokens_to_ids(marker)
        assert number not in plain.get_vocab().values()
        pieces = plain(marker, add_special_tokens=False)["input_ids"]
        torch.testing.assert_close(weight[number], before[pieces].mean(dim=0))
    torch.testing.assert_close(weight[: len(plain)], before[: len(plain)])
    assert torch.equal(weight, again.get_input_embeddings().weight)
    ids = tokenizer("the <e1>printer</e1> is slow")["input_ids"]
    assert sum(number in tokenizer.convert_tokens_to_ids(list(MARKERS)) for number in ids) == 2
    # a checkpoint that has them already keeps the rows that it has
    weight.data[tokenizer.convert_tokens_to_ids("<e1>")] = 7.0
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    kept = task.build_model(str(tmp_path), LABELS, 1).get_input_embeddings().weight
    assert torch.equal(kept, weight)
