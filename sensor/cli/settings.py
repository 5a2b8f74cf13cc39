"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sensor.config import Config

config_option = click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="Configuration (tapsight config init makes one).")
lang_option = click.option("--lang", type=click.Choice(["en", "zh"]), help="Language; by default the configuration's, else the locale's.")

all_option = click.option("--all", "shows_all", is_flag=True, help="The whole page: every row of each table.")


def load_config(path: Path | None, lang: str | None) -> Config:
    """The configuration, with the language settled. Raises UsageError with every problem."""
    from sensor.config import Config, ConfigError, load
    from sensor.lang import default_language

    try:
        config = Config() if path is None else load(path)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
    return config.model_copy(update={"lang": lang or config.lang or default_language()})
