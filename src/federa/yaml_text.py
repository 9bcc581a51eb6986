"""Configurations as text: YAML read strictly, and ``key=value`` changes to it."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from federa.errors import ConfigError


class _UniqueKeys(yaml.SafeLoader):
    """YAML that refuses a key given twice, which PyYAML would take silently."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """The mapping, keys checked."""
        seen: set[Any] = set()
        if not isinstance(node, yaml.MappingNode):
            return super().construct_mapping(node, deep)  # which says what is wrong
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: Any) -> int:
        """The integer, unless YAML 1.1 reads another one than is written."""
        self._refuse_old_base(node)
        if len(node.value) > 1000:  # more than Python would write out again
            raise ValueError(f"an integer of {len(node.value)} digits")
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: Any) -> float:
        """The number, unless YAML 1.1 reads another one than is written."""
        self._refuse_old_base(node)
        return super().construct_yaml_float(node)

    def _refuse_old_base(self, node: Any) -> None:
        text = str(self.construct_scalar(node))
        old_octal = re.fullmatch(r"[-+]?0[0-7_]+", text) and text.strip("-+0_")
        base = 60 if ":" in text else 8 if old_octal else None
        if base is not None:
            problem = f"{text} would be read in base {base}; quote it, or write a plain number"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

    def construct_yaml_set(self, node: Any) -> Any:
        """No set: its order differs from one process to the next."""
        raise yaml.constructor.ConstructorError(
            None, None, "a !!set has no order; write a list", node.start_mark
        )


_UniqueKeys.add_constructor("tag:yaml.org,2002:set", _UniqueKeys.construct_yaml_set)
for _kind_of_number in ("int", "float"):
    _UniqueKeys.add_constructor(
        f"tag:yaml.org,2002:{_kind_of_number}",
        getattr(_UniqueKeys, f"construct_yaml_{_kind_of_number}"),
    )


class _Quoting(yaml.SafeDumper):
    """Writes what ``_UniqueKeys`` reads back: text that looks like its numbers is quoted."""


FLOAT_OF_YAML_1_2 = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)[eE][-+]?\d+$")
"""``2e-3``, which PyYAML, following YAML 1.1, takes for text."""

for _kind in (_UniqueKeys, _Quoting):
    _kind.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT_OF_YAML_1_2, list("-+.0123456789"))


def dump_yaml(content: dict[str, Any]) -> str:
    """A mapping as YAML, its keys in their order."""
    text: str = yaml.dump(content, Dumper=_Quoting, sort_keys=False, allow_unicode=True)
    return text


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises: ConfigError if it is missing, not UTF-8, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from error
    found = parse_yaml(str(path), text)
    if not isinstance(found, dict):
        what = "empty" if found is None else f"a {type(found).__name__}"
        raise ConfigError(f"{path}: {what}; a configuration is a mapping of keys")
    return found


def parse_yaml(place: str, text: str) -> Any:
    """The value of a YAML text; ``place`` names it in the error."""
    try:
        return yaml.load(text, Loader=_UniqueKeys)
    except Exception as error:  # beside its own errors, PyYAML lets those of bad tags through
        mark = getattr(error, "problem_mark", None)
        where = f"{place}:{mark.line + 1}" if mark else place
        problem = getattr(error, "problem", None) or str(error)
        if isinstance(error, RecursionError):
            problem = "nested too deep"
        elif isinstance(error, AttributeError | KeyError):
            problem = "a value does not fit its tag"
        elif problem == "second occurrence":
            problem = str(getattr(error, "context", problem))
        raise ConfigError(f"{where}: not valid YAML ({problem})") from None


def apply_changes(given: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A copy of ``given`` with each ``dotted.key=value`` (value in YAML) set.

    Raises: ConfigError if a change is not of that form.
    """
    full = dict(given)
    for change in changes:
        key, equals, text = change.partition("=")
        path = [part.strip() for part in key.split(".")]
        if not equals or not all(path):
            raise ConfigError(f"--set {change}: expected key=value, such as seed=2")
        place = full
        for part in path[:-1]:
            inner = place.get(part)
            if isinstance(inner, str):  # a record given by its name alone
                inner = {"name": inner}
            place[part] = dict(inner) if isinstance(inner, dict) else {}
            place = place[part]
        place[path[-1]] = parse_yaml(f"--set {key}", text)
    return full
