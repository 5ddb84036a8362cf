"""The API as one document for people: the daily loop as a program, then every operation of the OpenAPI document.

python -m countersign.api.document PROGRAM PAGE

writes PAGE; `make docs` does it, and a test fails when the page is stale.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from countersign.api.app import bare_app

HEAD = """\
# The HTTP API

This page is generated from the OpenAPI document (`make docs`); `/openapi.json` and `/docs` of a running platform say the same. Errors are `{{"detail": "…"}}`; a faulty request (422) lists its fields: `{{"detail": [{{"type", "loc", "msg"}}]}}`. A key goes into `Authorization: Bearer csk_…` or `x-api-key`. Times carry their offset; `trade_date` and `session` are trading sessions in Asia/Shanghai. A query parameter that an operation does not list, or that is given twice, is refused (422).

A page at a time, with `limit` (1 to 200) and `offset` (external signals: `cursor`), come {paged}. Every other list comes whole.

## The daily loop

A complete program ([daily_loop.py](daily_loop.py)): it registers with an invite code and makes a key, opens a strategy, asks the calendar, submits, and in the evening reads what was settled and checks it.

```python
{program}```

A strategy's settled sessions appear as notifications when they are asked for, each once. A disabled account may still file a ticket with its key or access token: that is how it asks why.
"""  # noqa: E501 - Markdown keeps a paragraph on one line


def render(document: dict[str, Any], program: str) -> str:
    """Write the page."""
    schemas = document["components"]["schemas"]
    groups: dict[str, list[str]] = {tag["name"]: [] for tag in document["tags"]}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups[operation["tags"][0]].extend(_operation(method, path, operation, schemas))
    parts = [HEAD.format(program=program, paged=_paged(document["paths"]))]
    for tag, lines in groups.items():
        parts.append("\n".join([f"## {tag.capitalize()}", "", *lines]))
    return "\n".join(parts).rstrip() + "\n"


def _paged(paths: dict[str, Any]) -> str:
    found = [path for path, each in paths.items() if "limit" in _parameters(each.get("get", {}))]
    return ", ".join(f"`{path}`" for path in found)


def _parameters(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", ())}


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    key = " · key or token" if operation.get("security") else ""
    yield from (f"### {method.upper()} `{path}`", "", f"{' '.join(operation['description'].split())}{key}", "")
    for parameter in operation.get("parameters", ()):
        words = _words(parameter["schema"], parameter.get("description", ""))
        yield f"- `{parameter['name']}` ({parameter['in']}{', required' if parameter.get('required') else ''}): {words}"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body:
        yield from _fields("body", body["schema"], schemas)
    for code, answer in operation["responses"].items():
        shape = answer.get("content", {}).get("application/json", {}).get("schema")
        if code.startswith("2") and shape:
            yield from _fields(f"answer {code}", shape, schemas)
        stream = answer.get("content", {}).get("text/event-stream", {})
        for each in stream.get("schema", {}).get("oneOf", ()):
            yield from _fields("data of an event", {"$ref": each["title"]}, schemas | {each["title"]: each})
    refusals = [code for code in operation["responses"] if not code.startswith("2")]
    yield from (f"- other answers: {', '.join(refusals)}", "")


def _fields(title: str, schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """List the fields of a shape, and of those inside it."""
    margin = "  " * depth
    for name in _names(schema):
        shape = schemas[name]
        yield f"{margin}- {title}: {name}"
        for field, inner in shape.get("properties", {}).items():
            must = ", required" if title == "body" and field in shape.get("required", ()) else ""
            words = _words(inner, inner.get("description", ""))
            yield f"{margin}  - `{field}`{must}: {words}".rstrip(": ")
            if depth < 2:
                for deeper in _names(inner):
                    if "properties" in schemas[deeper]:
                        yield from _fields("each" if "items" in inner else "of", {"$ref": deeper}, schemas, depth + 2)


def _names(schema: dict[str, Any]) -> list[str]:
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    inner = [*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])]
    return [name for each in inner for name in _names(each)]


def _words(schema: dict[str, Any], description: str) -> str:
    arms = (schema, *schema.get("anyOf", ()))
    words = [" or ".join(_kind(each) for each in schema.get("anyOf", [schema]))]
    if "default" in schema:
        words.append(f"default {schema['default']}")
    example = next((each for arm in arms for each in arm.get("examples", ())), None)
    if example and example != schema.get("default"):
        words.append(f"such as `{example}`")
    return ", ".join(words) + (f"; {description}" if description else "")


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    bounds = [f"{sign} {schema[name]}" for name, sign in BOUNDS.items() if name in schema]
    return " ".join([schema.get("format") or schema.get("type", "any"), *bounds])


BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "minLength": "at least", "maxLength": "at most"}


def main(program: str, page: str) -> None:
    """Write the page."""
    Path(page).write_text(render(bare_app().openapi(), Path(program).read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
