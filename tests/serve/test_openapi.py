from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
"""All but those which expect every body that fits the schema to be an image with a face."""


@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
def test_answers_are_those_of_the_document(client):
    document = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) == 6
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(max_examples=25, suppress_health_check=list(HealthCheck))
        def check(case):
            case.call_and_validate(checks=CHECKS)

        check()


def test_the_document_names_every_route_and_refusal(client):
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/score",
        "/v1/compare",
        "/v1/explain",
        "/v1/models",
        "/healthz",
        "/metrics",
    }
    for path in ("/v1/score", "/v1/compare", "/v1/explain"):
        answers = document["paths"][path]["post"]["responses"]
        assert set(answers) == {"200", "400", "408", "413", "415", "422", "429"}
        problem = {"$ref": "#/components/schemas/Problem"}
        assert all(
            answer["content"]["application/json"]["schema"] == problem
            for status, answer in answers.items()
            if status != "200"
        )
    face = document["components"]["schemas"]["Face"]
    assert set(face["required"]) == {
        *("box", "landmarks", "confidence", "reasons"),
        *("score", "score100", "percentile", "expected_fnmr"),
    }
