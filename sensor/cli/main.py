"""The command line: every command in one list, loaded only when it is called."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import Any

import click

from sensor import __version__
from sensor.mistakes import MISTAKES

# command -> where its click command lives, and its line in the help
COMMANDS = {
    "analyze": ("sensor.cli.analyze:analyze", "Read captures and say who is there, what they did and what is wrong."),
    "run": ("sensor.cli.run:run", "Listen to taps, for months, and deliver what is found."),
    "status": ("sensor.cli.status:status", "Say how the running service is."),
    "demo": ("sensor.cli.demo:demo", "Make a capture of a small plant with an intrusion in it, and analyze it."),
    "export": ("sensor.cli.export:export", "Write one dataset of a capture or store as table, NDJSON, CSV or Parquet."),
    "sql": ("sensor.cli.sql:sql", "Ask a capture or store in SQL."),
    "slice": ("sensor.cli.slice:slice_", "Cut out the packets behind an alert, a flow or frame numbers."),
    "dissect": ("sensor.cli.dissect:dissect", "Show one frame as we and as Wireshark understand it."),
    "fields": ("sensor.cli.reference:fields", "List every field of every protocol."),
    "protocols": ("sensor.cli.reference:protocols", "List the protocols: what each needs and cannot do."),
    "detectors": ("sensor.cli.reference:detectors", "List the detectors: what each needs and cannot do."),
    "rules": ("sensor.cli.rules:rules", "Check, list, explain, profile or draft rules in Suricata's and Snort's language."),
    "spool": ("sensor.cli.spool:spool", "See, check, drain or export what waits for delivery."),
    "doctor": ("sensor.cli.doctor:doctor", "Check whether this machine is fit to listen, and say what to do."),
    "es": ("sensor.cli.es:es", "Install, check or remove our templates in Elasticsearch."),
    "config": ("sensor.cli.config:config", "Check, show or make a configuration."),
    "completion": ("sensor.cli.completion:completion", "Print the shell's completion script."),
}


class Lazy(click.Group):
    """A group whose commands are imported when they are called: `--help` and a small analysis stay instant."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        gc.disable()  # what a program consists of is no garbage: looking for some in it costs a tenth of the start, and then again and again
        command: click.Command = getattr(import_module(module), name)
        gc.freeze()
        gc.enable()
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command. Whoever reads our output may go before its end: click would call that a failure."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(0) from None
        return result

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 an input could not be read (or not to its end), 2 usage.",
)
@click.version_option(__version__, prog_name="tapsight")
@click.option("--debug", is_flag=True, help="Show the whole traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Tapsight: a passive sensor for plant networks.

    \b
    Examples:
      tapsight demo
      tapsight analyze plant.pcapng
      tapsight analyze --ndjson events.ndjson --only alert,modbus captures/
    """  # noqa: D301  # \b is click's mark for text that is not to be wrapped
    ctx.obj = {"debug": debug}
    MISTAKES.is_strict = debug


def main(args: list[str] | None = None) -> None:
    """The program. Errors are one line and an exit code; --debug shows where they come from."""
    words = sys.argv[1:] if args is None else args
    try:
        code = cli.main(words, prog_name="tapsight", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.Abort:
        fail("stopped", 130)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        fail(error.format_message(), error.exit_code)
    except OSError as error:
        if "--debug" in words:
            raise
        fail(f"{error.filename}: {error.strerror}" if error.filename else error.strerror or error, 1)
    except Exception as error:
        if "--debug" in words:
            raise
        fail(f"{error or type(error).__name__} (tapsight --debug shows more)", 1)
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: Any, code: int) -> None:
    """One line on standard error, and out."""
    click.echo(f"tapsight: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
