"""Kibana's query language, as much of it as our conditions use: to Elasticsearch's queries, and to a predicate on documents, which is the oracle."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import cache
from typing import Any

Values = Callable[[str], list[Any]]  # the values of a document's field
TOKEN = re.compile(r'\s*(?:(?P<op>>=|<=|>|<|:|\(|\))|"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<word>[^\s():<>"]+))')


class Parser:
    """query := or; or := and ("or" and)*; and := not ("and" not)*; not := "not"? ( "(" query ")" | field operator values )."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            assert match is not None, text[at:]
            kind = str(match.lastgroup)
            self.tokens.append((kind, match[kind]))
            at = match.end()
        self.at = 0

    def parse(self) -> Any:
        tree = self.either()
        assert self.at == len(self.tokens), f"unexpected {self.tokens[self.at]}"
        return tree

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "")

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def is_word(self, text: str) -> bool:
        return self.peek() == ("word", text)

    def either(self) -> Any:
        parts = [self.both()]
        while self.is_word("or"):
            self.take()
            parts.append(self.both())
        return ("or", parts) if len(parts) > 1 else parts[0]

    def both(self) -> Any:
        parts = [self.negated()]
        while self.is_word("and"):
            self.take()
            parts.append(self.negated())
        return ("and", parts) if len(parts) > 1 else parts[0]

    def negated(self) -> Any:
        if self.is_word("not"):
            self.take()
            return ("not", self.negated())
        if self.peek() == ("op", "("):
            self.take()
            tree = self.either()
            assert self.take() == ("op", ")")
            return tree
        kind, field = self.take()
        assert kind == "word", field
        _, operator = self.take()
        if operator == ":" and self.peek() == ("op", "("):
            self.take()
            values = [self.take()]
            while self.is_word("or"):
                self.take()
                values.append(self.take())
            assert self.take() == ("op", ")")
            return ("or", [("is", field, ":", value) for value in values])
        return ("is", field, operator, self.take())


RANGES = {">=": "gte", "<=": "lte", ">": "gt", "<": "lt"}


@cache
def parsed(text: str) -> Any:
    return Parser(text).parse()


def search(text: str) -> dict[str, Any]:
    """As a query of Elasticsearch."""
    return to_query(parsed(text)) if text.strip() else {"match_all": {}}


def to_query(tree: Any) -> dict[str, Any]:
    match tree:
        case ("or", parts):
            return {"bool": {"should": [to_query(part) for part in parts], "minimum_should_match": 1}}
        case ("and", parts):
            return {"bool": {"filter": [to_query(part) for part in parts]}}
        case ("not", part):
            return {"bool": {"must_not": [to_query(part)]}}
        case ("is", field, ":", ("word", "*")):
            return {"exists": {"field": field}}
        case ("is", field, ":", ("quoted", value)):
            return {"match_phrase": {field: value}}
        case ("is", field, ":", (_, value)):
            return {"match": {field: value}}
        case ("is", field, operator, (_, value)):
            return {"range": {field: {RANGES[operator]: value}}}
    raise AssertionError(tree)


def holds(text: str, values: Values) -> bool:
    """Whether a document meets it."""
    return not text.strip() or truth(parsed(text), values)


def truth(tree: Any, values: Values) -> bool:
    match tree:
        case ("or", parts):
            return any(truth(part, values) for part in parts)
        case ("and", parts):
            return all(truth(part, values) for part in parts)
        case ("not", part):
            return not truth(part, values)
        case ("is", field, ":", ("word", "*")):
            return bool(values(field))
        case ("is", field, ":", (_, value)):
            return any(same(each, value) for each in values(field))
        case ("is", field, operator, (_, value)):
            compare: dict[str, Callable[[float, float], bool]] = {
                ">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, "<": lambda a, b: a < b,
            }  # fmt: skip
            return any(compare[operator](float(each), float(value)) for each in values(field))
    raise AssertionError(tree)


def same(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return str(value).lower() == wanted
    if "/" in wanted and isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F.:]+", value):
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted)
    return str(value) == wanted
