"""Terms of tables and of requests: the same fields with the same limits and defaults."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from countersign.models.tables.factors import FactorTerms
from countersign.models.tables.portfolios import PortfolioTerms
from countersign.models.tables.strategies import StrategyTerms
from countersign.models.wire.factors import NewFactor
from countersign.models.wire.portfolios import NewPortfolio
from countersign.models.wire.strategies import NewStrategy

PAIRS: list[tuple[type[BaseModel], type[BaseModel]]] = [
    (StrategyTerms, NewStrategy),
    (FactorTerms, NewFactor),
    (PortfolioTerms, NewPortfolio),
]
LIMITS = ("type", "minimum", "maximum", "minLength", "maxLength", "pattern", "enum", "default")


def limits_of(shape: type[BaseModel]) -> dict[str, list[dict[str, Any]]]:
    """Read what a shape takes in each field, its default included: a dictionary for each alternative."""
    schema = shape.model_json_schema()
    found = {}
    for name, field in schema["properties"].items():
        parts = [field, *field.get("anyOf", [])]
        whole = [part | schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part for part in parts]
        found[name] = [{key: part[key] for key in LIMITS if key in part} for part in whole]
    return found


@pytest.mark.parametrize(("table", "request_shape"), PAIRS)
def test_a_request_takes_what_its_table_takes(table: type[BaseModel], request_shape: type[BaseModel]) -> None:
    assert limits_of(request_shape) == limits_of(table)


@pytest.mark.parametrize(
    ("shape", "others", "field", "value"),
    [
        *(
            (shape, {"slug": "alpha", "name": "Alpha"}, *fault)
            for shape in PAIRS[0]
            for fault in (
                ("slug", "A"),
                ("name", ""),
                ("name", "a" * 101),
                ("description", "a" * 5_001),
                ("holding_period", 61),
                ("initial_capital", 99_999),
                ("commission_rate", 0.11),
                ("slippage_rate", -0.1),
            )
        ),
        *(
            (shape, {"name": "alpha", "universe": "hs300"}, *fault)
            for shape in PAIRS[1]
            for fault in (
                ("name", "a" * 101),
                ("expression", "a" * 5_001),
                ("claimed_ic_mean", 1.1),
            )
        ),
        *(
            (shape, {"name": "alpha", "universe": "hs300"}, *fault)
            for shape in PAIRS[2]
            for fault in (
                ("name", ""),
                ("top_n", 4),
                ("top_n", 501),
            )
        ),
    ],
)
def test_a_value_beyond_a_limit_is_refused_by_table_and_request(
    shape: type[BaseModel], others: dict[str, Any], field: str, value: Any
) -> None:
    shape.model_validate(others)
    with pytest.raises(ValidationError) as refused:
        shape.model_validate({**others, field: value})
    assert [each["loc"][0] for each in refused.value.errors()] == [field]
