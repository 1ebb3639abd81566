"""What was typed on Snakemake's command line, as far as the plan asks, and which place a choice of the user's came from."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from sra.core.errors import InputError
from sra.spec.load import read_yaml

CONFIG = "config/config.yaml"
OPTION = "--config"


@dataclass(frozen=True)
class Typed:
    """targets: words and files that are asked for.  config: the values of `--config`.  files: configurations as they were read, later ones win."""

    targets: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = (CONFIG,)

    @classmethod
    def of(cls, workflow: Any, parser: Callable[[], ArgumentParser]) -> "Typed":
        """Of the Snakemake that runs. workflow: its own, which knows no targets yet when a Snakefile is read.

        parser: makes that of its command line, which takes a tenth of a second, so that jobs do without.

        A job that Snakemake starts in a process of its own has no targets, and none are known where Snakemake was not called by its command.
        """
        given = workflow.config_settings
        own = [file for file in workflow.configfiles if file not in given.configfiles]
        called = PurePath(sys.argv[0])
        targets = _targets(parser(), sys.argv[1:]) if workflow.is_main_process and "snakemake" in (called.stem, called.parent.name) else ()
        return cls(targets, dict(given.config), tuple(map(_shown, (*own, *given.configfiles))))

    def place_of(self, key: tuple) -> str:
        """The option or the file that has the key, such as ("paths", "downloads"), from which its value is."""
        if _has(self.config, key):
            return OPTION
        return next((file for file in reversed(self.files) if _has(_content(file), key)), f"{self.files[-1]} or {OPTION}")


def _targets(parser: ArgumentParser, words: list[str]) -> tuple[str, ...]:
    options, last = (words[: words.index("--")], words[words.index("--") + 1 :]) if "--" in words else (words, [])
    return (*parser.parse_known_args(options)[0].targets, *last)


def _shown(file: str | Path) -> str:
    near = os.path.relpath(file)
    return str(file) if near.startswith(os.pardir) else near


def _has(content: Any, key: tuple) -> bool:
    for part in key:
        if not isinstance(content, Mapping):
            return True  # inside a value, such as the second of a list
        if part not in content:
            return False
        content = content[part]
    return True


def _content(file: str) -> Any:
    try:
        return read_yaml(Path(file))
    except (InputError, OSError):  # JSON with tabs, or a file that is elsewhere; Snakemake has read it
        return {}
