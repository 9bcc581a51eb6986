"""The work as a bare loop of PyTorch and peft: one resident model, float32, client after client.

python benchmarks/peers/bare.py WORKFOLDER [--pad longest] [--threads 2]
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForSequenceClassification
from transformers.utils import logging
from work import Meter, Work, read_work

if TYPE_CHECKING:
    from torch import Tensor, nn
    from work import Texts

EVALUATION_BATCH_SIZE = 32


def build_model(work: Work) -> nn.Module:
    """The pre-trained model with adapters and a head to train; none of its dropout."""
    warnings.simplefilter("ignore", FutureWarning)  # of peft's use of transformers
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    model = AutoModelForSequenceClassification.from_pretrained(
        work.source,
        num_labels=work.num_labels,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        dtype=torch.float32,
    )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=work.rank,
        lora_alpha=work.alpha,
        target_modules=work.targets,
        modules_to_save=["classifier", "pooler"],  # BERT's classifier reads the pooler
    )
    return get_peft_model(model, config)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """All that is trained, under the names that federa gives it."""
    found = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            own = name.removeprefix("base_model.model.").replace(".modules_to_save.default", "")
            found[own.removesuffix(".default.weight")] = parameter
    return found


def load_params(model: nn.Module, params: dict[str, Tensor]) -> None:
    """Copy ``params`` into the model; they must be exactly what it trains."""
    trained = trained_parameters(model)
    if trained.keys() != params.keys():
        raise ValueError(f"names differ: {sorted(trained.keys() ^ params.keys())}")
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(params[name])


def read_params(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all that is trained."""
    return {name: value.detach().clone() for name, value in trained_parameters(model).items()}


def train_steps(
    work: Work, model: nn.Module, steps: Sequence[Sequence[int]], length: int | None = None
) -> None:
    """Train ``model`` on the given rows with a fresh optimiser; length: to pad to, or longest."""
    parameters = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=work.learning_rate, weight_decay=0.0)
    model.train()
    for rows in steps:
        model(**work.train.batch(rows, length)).loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, work.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()


def train_round(
    work: Work,
    model: nn.Module,
    params: dict[str, Tensor],
    round: int,
    length: int | None = None,
) -> dict[str, Tensor]:
    """The mean, weighted by examples, of what the cohort of ``round`` (from 0) makes of params."""
    cohort = work.cohorts[round]
    total = sum(work.num_examples[client] for client in cohort)
    mean = {name: torch.zeros_like(value) for name, value in params.items()}
    for client in cohort:
        load_params(model, params)
        train_steps(work, model, work.steps[round, client], length)
        for name, value in trained_parameters(model).items():
            mean[name].add_(value.detach(), alpha=work.num_examples[client] / total)
    return mean


def measure_accuracy(model: nn.Module, texts: Texts, length: int | None = None) -> float:
    """The share of texts whose likeliest label is right; batches in the order of the texts."""
    model.eval()
    right = 0
    with torch.inference_mode():
        for begin in range(0, len(texts), EVALUATION_BATCH_SIZE):
            rows = range(begin, min(begin + EVALUATION_BATCH_SIZE, len(texts)))
            batch = texts.batch(rows, length)
            labels = batch.pop("labels")
            right += int((model(**batch).logits.argmax(dim=1) == labels).sum())
    return right / len(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--pad", choices=["longest", "max"], default="longest")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    meter = Meter()
    torch.set_num_threads(options.threads)
    work = read_work(options.folder)
    length = work.max_length if options.pad == "max" else None
    model, params = build_model(work), work.start()
    meter.begin()
    for number in range(len(work.cohorts)):
        params = train_round(work, model, params, number, length)
        load_params(model, params)
        began = time.perf_counter()
        accuracy = measure_accuracy(model, work.evaluation, length)
        meter.finish_round(accuracy, time.perf_counter() - began)
    print(meter.report(work, params))


if __name__ == "__main__":
    main()
