"""Reading the typed YAML files. A mistake becomes one line: file, key, what was expected, and the nearest known name."""

import json
import reprlib
from collections.abc import Callable, Hashable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from sra.core.errors import InputError, unknown

Model = TypeVar("Model")
DEEPEST = 100  # levels; the C library calls itself for each, and tens of thousands end the process
# Of a value in a message: anchors can make a line of YAML stand for more than fits into memory.
QUOTE = reprlib.Repr()
QUOTE.maxstring = QUOTE.maxother = 300


class _UniqueKeyLoader(yaml.CSafeLoader):
    """YAML lets a later key silently replace an earlier one; a run defined twice must not vanish."""

    depth = 0

    def descend_resolver(self, current_node, current_index):
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"more than {DEEPEST} levels deep", problem_mark=current_node.start_mark)

    def ascend_resolver(self):
        self.depth -= 1

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} appears twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        raise InputError(f"{path}:{line} not valid YAML ({getattr(error, 'problem', None) or error})") from None
    except (ValueError, LookupError, AttributeError) as error:  # a date or a number that Python cannot hold, a tag that does not fit
        raise InputError(f"{path}: not valid YAML ({error})") from None


def load(path: Path, model: type[Model] | Any) -> Model:
    """The file as `model` (a pydantic class or a union of them)."""
    return checked(read_yaml(path), model, str(path))


def checked(value: Any, model: type[Model] | Any, where: str | Callable[[tuple], str]) -> Model:
    """`value` as `model`, or an InputError that names the first wrong key and where it stands: at `where`, which may depend on the key."""
    try:
        return _adapter(model).validate_python(value)
    except ValidationError as error:
        raise InputError(_one_line(where, model, value, error)) from None


def checked_options(options: dict[str, Any], model: type[Model], where: str) -> Model:
    """Those of a command's options that are fields of a model, as that model. What is None was not given."""
    return checked({name: value for name, value in options.items() if name in model.model_fields and value is not None}, model, where)


@cache
def _adapter(model: type[Model] | Any) -> TypeAdapter[Model]:
    """Making one takes longer than most documents take to be checked, and a plan checks hundreds of a few models."""
    return TypeAdapter(model)


def checked_json(text: str, model: type[Model] | Any, option: str) -> Model:
    """What was given to an option of the command line as JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{option}: not valid JSON ({error}); quote it as one word, such as '{{\"key\": 1}}'") from None
    return checked(value, model, option)


def _one_line(where: str | Callable[[tuple], str], model: Any, value: Any, error: ValidationError) -> str:
    details = error.errors()
    # An unknown key explains the missing ones that it was meant to be, so it is named first.
    first: ErrorDetails = next((e for e in details if e["type"] == "extra_forbidden"), details[0])
    where = where if isinstance(where, str) else where(first["loc"])
    key = ".".join(_keys(value, first["loc"]))
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{unknown('key', str(first['loc'][-1]), _fields_at(model, first['loc'][:-1]), where=f'{where}: {key}')}{more}"
    if first["type"] == "missing":
        return f"{where}: {key} is missing{more}"
    if first["type"] in ("union_tag_not_found", "union_tag_invalid"):  # a model of several kinds, and one key that says which
        name = ".".join([*_keys(value, first["loc"]), first["ctx"]["discriminator"].strip("'")])
        known = first["ctx"].get("expected_tags", "").replace("'", "").split(", ")
        return f"{where}: {name} is missing{more}" if "tag" not in first["ctx"] else f"{unknown(name, first['ctx']['tag'], known, where)}{more}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error" and isinstance(first["input"], dict):  # of several keys together, which it names
        return f"{where}: {key or 'file'}: {message}{more}"
    return f"{where}: {key or 'file'}: {message}, got {QUOTE.repr(first['input'])}"[:400] + more


def _keys(value: Any, location: tuple) -> Iterator[str]:
    """The parts of a place that are written in the file: pydantic also names the kind of what has several."""
    for number, part in enumerate(location, start=1):
        inside = (isinstance(value, dict) and part in value) or (isinstance(value, (list, tuple)) and isinstance(part, int) and part < len(value))
        if inside:
            value = value[part]
        if inside or number == len(location):
            yield str(part)


def _fields_at(model: Any, location: tuple) -> list[str]:
    """The keys allowed at a place inside a model, for suggestions. Dictionary keys and list places have no field of their own."""
    candidates = _models_in(model)
    for part in location:
        inner = [field.annotation for m in candidates for name, field in m.model_fields.items() if name == part]
        candidates = [m for annotation in inner for m in _models_in(annotation)] or candidates
    return sorted({name for m in candidates for name in m.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models_in(inner)]
