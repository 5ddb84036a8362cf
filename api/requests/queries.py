"""Query parameters: an operation refuses one that it does not know, rather than answer something else.

The framework leaves out undeclared parameters, and takes the last of a name that is given twice: a misspelt filter
would give everything, as if no filter had been asked for.
"""

from collections.abc import Iterator

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel


async def _refuse_unknown(request: Request) -> None:
    if not request.scope["query_string"]:
        return
    known = set(_declared(request.scope["route"].dependant))
    faults = []
    for name in request.query_params:
        times = len(request.query_params.getlist(name))
        if name not in known:
            faults.append({"type": "extra_forbidden", "loc": ("query", name), "msg": "Extra inputs are not permitted"})
        elif times > 1:
            faults.append({"type": "value_error", "loc": ("query", name), "msg": f"expected once, got {times} times"})
    if faults:
        raise RequestValidationError(faults)


# No operation takes a list: each of its parameters is given once at most.
KNOWN_QUERIES = Depends(_refuse_unknown)


def _declared(dependant: Dependant) -> Iterator[str]:
    """Name the query parameters of an operation and of its dependencies; a model counts as its fields."""
    for each in dependant.query_params:
        kind = each.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from kind.model_fields
        else:
            yield each.alias
    for below in dependant.dependencies:
        yield from _declared(below)
