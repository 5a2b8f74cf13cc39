"""Downwards only: a lower room never imports a higher one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Each room, lowest first, and which rooms (or single modules) it may import besides itself.
# What everything downstream speaks (events) stands at the bottom, next to columns and lang.
ROOMS: dict[str, set[str]] = {
    "sensor.bounded": set(),
    "sensor.columns": set(),
    "sensor.lang": set(),
    "sensor.mistakes": set(),
    "sensor.slots": {"sensor.columns"},
    "sensor.keyed": {"sensor.columns", "sensor.slots"},
    "sensor.events": {"sensor.bounded", "sensor.columns", "sensor.lang", "sensor.mistakes"},
    "sensor.spool": {"sensor.events.record"},
    "sensor.capture": {"sensor.columns", "sensor.events"},
    "sensor.live": {"sensor.columns", "sensor.capture"},
    "sensor.demo": {"sensor.capture.write"},  # a process of its own, which nothing imports
    "sensor.decode": {"sensor.columns", "sensor.events"},
    "sensor.streams": {"sensor.columns", "sensor.slots", "sensor.events", "sensor.decode"},
    "sensor.protocols": {"sensor.bounded", "sensor.columns", "sensor.events"},
    "sensor.applications": {"sensor.bounded", "sensor.columns", "sensor.mistakes", "sensor.events", "sensor.decode.packets"},
    "sensor.ports": {"sensor.decode.packets"},
    "sensor.datasets": {"sensor.events", "sensor.decode.packets", "sensor.ports", "sensor.protocols", "sensor.applications"},
    "sensor.ledger": {"sensor.columns", "sensor.events", "sensor.decode", "sensor.streams"},
    "sensor.account": {"sensor.ledger", "sensor.streams.flows"},
    "sensor.harmless": {"sensor.columns", "sensor.events"},
    "sensor.named": {"sensor.columns", "sensor.events"},
    "sensor.tracked": {"sensor.columns", "sensor.events", "sensor.streams.flows"},
    "sensor.channel": {"sensor.columns"},
    "sensor.beside": {"sensor.columns", "sensor.channel", "sensor.tracked", "sensor.streams.flows"},
    "sensor.pipeline": {
        "sensor.columns",
        "sensor.events",
        "sensor.decode",
        "sensor.streams",
        "sensor.protocols",
        "sensor.applications",
        "sensor.ledger",
        "sensor.account",
        "sensor.harmless",
        "sensor.mistakes",
        "sensor.named",
        "sensor.tracked",
        "sensor.beside",
    },
    "sensor.assets": {"sensor.columns", "sensor.keyed", "sensor.events", "sensor.lang", "sensor.decode", "sensor.ports", "sensor.streams.flows"},
    "detectors": {  # of the last ones, their words: rules speak of headers, checksums and codes, and Suricata's of each layer of a tunnel
        "sensor.bounded",
        "sensor.columns",
        "sensor.mistakes",
        "sensor.events",
        "sensor.lang",
        "sensor.streams.flows",
        "sensor.decode",
        "sensor.protocols",
        "sensor.applications",
    },
    "sensor.summary": {"sensor.columns", "sensor.keyed", "sensor.events", "sensor.lang", "sensor.decode.packets", "sensor.streams.flows"},
    "sensor.config": {"sensor.columns", "sensor.lang", "detectors"},
    "sensor.analysis": {
        "sensor.columns",
        "sensor.mistakes",
        "sensor.datasets",
        "sensor.events",
        "sensor.pipeline",
        "sensor.assets",
        "sensor.summary",
        "sensor.config",
        "detectors",
    },
    "sensor.sinks": {
        "sensor.columns",
        "sensor.mistakes",
        "sensor.slots",
        "sensor.events",
        "sensor.lang",
        "sensor.decode",
        "sensor.streams.flows",
        "sensor.datasets",
        "sensor.assets",
        "detectors.signature.detector",  # sinks.eve writes what it found
        "detectors.signature.engine",
    },
    "sensor.store": {
        "sensor.columns",
        "sensor.mistakes",
        "sensor.events",
        "sensor.lang",
        "sensor.decode",
        "sensor.streams.flows",
        "sensor.datasets",
        "sensor.assets",
        "sensor.sinks",
    },
    "sensor.delivery": {"sensor.events", "sensor.datasets", "sensor.config", "sensor.sinks", "sensor.spool"},
    "sensor.service": {
        "sensor.columns",
        "sensor.mistakes",
        "sensor.events",
        "sensor.config",
        "sensor.analysis",
        "sensor.channel",  # from the workers: results of their pipelines, with rows of the flow table
        "sensor.beside",
        "sensor.pipeline",
        "sensor.datasets",
        "sensor.streams.flows",
        "sensor.live",
        "sensor.spool",
        "sensor.delivery",
        "sensor.sinks",
        "sensor.assets",
        "detectors",
    },
}
TOP = ("sensor.cli",)  # imports whatever it shows
HEAVY = ("polars", "scapy", "pyshark", "elasticsearch", "confluent_kafka")  # imported where they are used, never with the module


def modules() -> list[tuple[str, Path]]:
    """Every module of the product with its dotted name."""
    paths = [path for package in ("sensor", "detectors") for path in sorted((ROOT / package).rglob("*.py"))]
    return [(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path) for path in paths]


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Dotted names of what a module imports; `from a.b import c` gives a.b.c where that is a module, else a.b."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level else _executed(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide which room is meant"
            yield from (_module(node.module or "", alias.name) for alias in node.names)


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those under `if TYPE_CHECKING`: what only an annotation names is not imported."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            yield from _executed(node)


def _module(package: str, name: str) -> str:
    inner = ROOT / Path(*package.split(".")) / name
    return f"{package}.{name}" if inner.is_dir() or inner.with_suffix(".py").is_file() else package


def room(module: str) -> str | None:
    """The room that a module belongs to; None for what is no part of the product, and for the package itself."""
    return next((name for name in (*ROOMS, *TOP) if module == name or module.startswith(name + ".")), None)


def is_product(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in ("sensor", "detectors") and module != "sensor"


@pytest.mark.parametrize(("module", "path"), modules())
def test_imports_go_downwards(module: str, path: Path) -> None:
    mine = room(module)
    assert mine or not is_product(module), f"{module}: which room is this? Give it a line in ROOMS"
    if mine in TOP:
        return
    for name in filter(is_product, imports(path)):
        other, allowed = room(name), ROOMS.get(mine or "", set())
        assert other == mine or other in allowed or name in allowed, f"{module} imports {name}: {mine} may not look into {other}"


@pytest.mark.parametrize(("module", "path"), modules())
def test_only_the_list_knows_the_protocols(module: str, path: Path) -> None:
    inside = [name for name in imports(path) if name.startswith("sensor.protocols.")]
    assert not inside or module.startswith(("sensor.protocols", "detectors.signature")), f"{module} looks inside a protocol: {inside}"


@pytest.mark.parametrize(("module", "path"), modules())
def test_heavy_libraries_wait_until_they_are_used(module: str, path: Path) -> None:
    eager = {name.split(".")[0] for name in imports(path, top_level=True)} & set(HEAVY)
    assert not eager, f"{module} imports {eager} with itself: every start of the command line pays for that"


def test_the_list_of_rooms_goes_downwards() -> None:
    order = list(ROOMS)
    assert all(order.index(room(lower) or "") < order.index(name) for name, below in ROOMS.items() for lower in below)


def test_a_wrong_import_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("def f():\n    from sensor.streams import flows\n    import scapy.all\n", encoding="utf-8")
    assert list(imports(wrong)) == ["sensor.streams.flows", "scapy.all"]
    assert list(imports(wrong, top_level=True)) == []
    assert room("sensor.streams.flows") == "sensor.streams"
