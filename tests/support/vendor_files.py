"""The vendor's own OpenAPI files, as JSON Schemas of answers and as files that a mock server can be
made from.

Source: tests/data/samples/SOURCES.txt. node-saucelabs' are Swagger 2 and verbatim; sauce-docs'
builds and Insights are compact transcriptions of OpenAPI 3, written out here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Json: TypeAlias = dict[str, Any]

_SAMPLES = Path(__file__).parents[1] / "data" / "samples"
SWAGGER = {
    "jobs": _SAMPLES / "node-saucelabs" / "sauce.json",
    "older jobs": _SAMPLES / "node-saucelabs" / "sauce.2021-11-da447ef3-with-v1-builds.json",
    "builds": _SAMPLES / "node-saucelabs" / "builds.json",
    "people": _SAMPLES / "node-saucelabs" / "teamManagement.json",
}
_BUILDS = _SAMPLES / "sauce-docs" / "buildsv2.extract.json"
_INSIGHTS = _SAMPLES / "sauce-docs" / "insights-v1.extract.yml"
_JOBS = _SAMPLES / "sauce-docs" / "vdc-jobs.extract.yml"
_PAGE = _SAMPLES / "sauce-docs" / "insights_samples.json"
_SHORT = {
    "date-time": ("string", "date-time"),
    "uri": ("string", "uri"),
    "double": ("number", "double"),
}

EXAMPLE_ID, EXAMPLE_BUILD, EXAMPLE_OWNER, EXAMPLE_TIME = (
    "0123456789abcdef" * 2,
    "b1",
    "demo",
    1_618_860_861,
)


@cache
def document(name: str) -> Json:
    """One of the files, whole: those of SWAGGER, `newer builds` or `insights`."""
    if name == "newer builds":
        return _newer_builds()
    if name == "insights":
        return _insights()
    found: Json = json.loads(SWAGGER[name].read_text(encoding="utf-8"))
    return found


def operations(name: str) -> Iterator[tuple[str, str]]:
    """Every method and path of a file."""
    for path, methods in document(name)["paths"].items():
        yield from (
            (method.upper(), path)
            for method in methods
            if method in {"get", "put", "post", "delete"}
        )


def schema_of(name: str, method: str, path: str) -> Json | None:
    """The JSON Schema of a 200, with all that it refers to; None where the file gives none."""
    whole = document(name)
    answer = whole["paths"][path][method.lower()]["responses"]["200"]
    schema = answer.get("schema") or answer.get("content", {}).get("application/json", {}).get(
        "schema"
    )
    return None if schema is None else {**_parts(whole), **schema}


def reference(name: str, of: str) -> Json:
    """The JSON Schema of one of a file's own definitions."""
    whole = document(name)
    place = "components/schemas" if "components" in whole else "definitions"
    return {**_parts(whole), "$ref": f"#/{place}/{of}"}


def served_swagger() -> Json:
    """node-saucelabs' files as one to make a mock server from: each path with its base path, which
    Prism leaves out.

    Answers get the few examples without which no id is one, and are as they are recorded where the
    files contradict that (`CONTRADICTIONS` in test_schemas.py has the sources): people come in
    pages, jobs of a build in an object.
    """
    media, about = ["application/json"], {"title": "node-saucelabs", "version": "1"}
    merged: Json = {"swagger": "2.0", "info": about, "produces": media, "consumes": media}
    for name in ("jobs", "builds", "people"):
        whole = json.loads(SWAGGER[name].read_text(encoding="utf-8"))
        for key in ("definitions", "parameters"):
            merged[key] = {**whole[key], **merged.get(key, {})}
        moved = {whole["basePath"] + path: methods for path, methods in whole["paths"].items()}
        merged["paths"] = {**merged.get("paths", {}), **moved}
    _exemplify(merged["definitions"])
    paths, job = merged["paths"], {"$ref": "#/definitions/BuildV2Job"}
    people, count = _rows({"$ref": "#/definitions/UserV1"}), {"type": "integer", "example": 1}
    _answers(paths["/team-management/v1/users"], {"results": people, "count": count})
    _answers(paths["/v2/builds/{build_source}/{build_id}/jobs/"], {"jobs": _rows(job)})
    update = merged["definitions"]["Job"]
    body = paths["/rest/v1/{username}/jobs/{id}"]["put"]["parameters"][-1]
    body["schema"] = {
        "type": "object",
        "properties": update["properties"],
    }  # no documented update repeats the id
    return merged


def _exemplify(definitions: Json) -> None:
    job = definitions["Job"]["properties"]
    examples = {"id": EXAMPLE_ID, "owner": EXAMPLE_OWNER, "status": "complete"}
    examples |= dict.fromkeys(
        ("creation_time", "start_time", "end_time", "modification_time"), str(EXAMPLE_TIME)
    )
    for key, example in examples.items():
        job[key]["example"] = example
    del job["deletion_time"]  # a job that is there has none
    definitions["BuildV2Job"]["properties"]["id"]["example"] = EXAMPLE_ID
    definitions["BuildV2"]["properties"]["id"]["example"] = EXAMPLE_BUILD
    definitions["UserV1"]["properties"]["username"]["example"] = EXAMPLE_OWNER


def _answers(methods: Json, properties: Json) -> None:
    methods["get"]["responses"]["200"]["schema"] = {"type": "object", "properties": properties}


def _rows(row: Json) -> Json:
    return {"type": "array", "items": row}


def served_openapi() -> Json:
    """The transcribed OpenAPI files as one to make a mock server from, with the job list of
    sauce-docs' jobs.yml.
    """
    merged = _insights()
    items = merged["components"]["schemas"]["TestRunItem"]["properties"]
    items["id"]["example"], items["owner"]["example"] = EXAMPLE_ID, EXAMPLE_OWNER
    jobs = yaml.safe_load(_JOBS.read_text(encoding="utf-8").replace("description:", "about:"))
    (path,) = (path for path in jobs["paths"] if path.endswith("/jobs"))
    query = [_listed(each) for each in jobs["paths"][path]["get"]["parameters"]]
    row = {"id": EXAMPLE_ID, "status": "complete", "creation_time": EXAMPLE_TIME}
    inside = {
        "name": "SAUCE_USERNAME",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
    }
    answer = {"description": "jobs", "content": {"application/json": {"example": [row]}}}
    merged["paths"][f"/rest{path}"] = {
        "get": {"parameters": [inside, *query], "responses": {"200": answer}}
    }
    return merged


def _listed(parameter: Json) -> Json:
    schema = dict(parameter["schema"])
    schema["type"] = {"time": "string"}.get(schema["type"], schema["type"])  # `time` is no type
    return {"name": parameter["name"], "in": "query", "schema": schema}


def _parts(whole: Json) -> Json:
    return {key: whole[key] for key in ("definitions", "components") if key in whole}


def _newer_builds() -> Json:
    extract = json.loads(_BUILDS.read_text(encoding="utf-8"))
    paths: Json = {}
    for path, methods in extract["paths"].items():
        get = methods["get"]
        inside = [
            {**_parameter(name, "string"), "in": "path", "required": True}
            for name in re.findall(r"{(\w+)}", path)
        ]
        query = [_parameter(key, value) for key, value in get.get("query", {}).items()]
        paths[path] = {
            "get": {"parameters": [*inside, *query], "responses": {"200": _answer(get["200"])}}
        }
    return _openapi(paths, extract["schemas"])


def _insights() -> Json:
    extract = yaml.safe_load(_INSIGHTS.read_text(encoding="utf-8"))
    paths: Json = {}
    for line, get in extract.items():
        if not line.startswith("GET "):
            continue
        query = [_parameter(key, value) for key, value in get["query"].items()]
        schema = get["responses"]["200"]
        path = line.removeprefix("GET ")
        answer = _answer(schema) if schema in extract["schemas"] else _sample(path)
        paths[path] = {"get": {"parameters": query, "responses": {"200": answer}}}
    errors = "/v1/analytics/trends/errors"  # not in what was transcribed: asked as the builds are
    paths[errors] = {
        "get": {
            **paths["/v1/analytics/trends/builds_tests"]["get"],
            "responses": {"200": _sample(errors)},
        }
    }
    return _openapi(paths, extract["schemas"])


def _sample(path: str) -> Json:
    """What the documentation page shows, where the transcription has no schema."""
    samples = json.loads(_PAGE.read_text(encoding="utf-8"))
    sample = samples[path.removeprefix("/v1/analytics/").replace("/", "-")]
    return {"description": "sample", "content": {"application/json": {"example": sample}}}


def _openapi(paths: Json, schemas: Json) -> Json:
    expanded = {name: _object(schema) for name, schema in schemas.items()}
    about = {"title": "transcribed", "version": "1"}
    return {"openapi": "3.0.2", "info": about, "paths": paths, "components": {"schemas": expanded}}


def _answer(schema: str) -> Json:
    return {"description": schema, "content": {"application/json": {"schema": _value(schema)}}}


def _parameter(name: str, value: object) -> Json:
    required = isinstance(value, Mapping) and value.get("required") is True
    return {"name": name, "in": "query", "required": required, "schema": _value(value)}


def _object(schema: Mapping[str, Any]) -> Json:
    """An object of the transcription: with `properties`, or a mapping of names to types, or `all`
    of one type.
    """
    if "all" in schema:
        names = schema["required"]
        return {
            "type": "object",
            "required": names,
            "properties": {name: _value(schema["all"]) for name in names},
        }
    fields = schema.get("properties", schema)
    made: Json = {
        "type": "object",
        "properties": {name: _value(value) for name, value in fields.items()},
    }
    if "properties" in schema:
        made |= {key: schema[key] for key in ("required", "additionalProperties") if key in schema}
    return made


def _value(value: object) -> Json:
    """A type in one of the transcription's spellings: `integer`, `integer=0`, `array<X>`, `X`, a
    mapping.
    """
    if isinstance(value, Mapping):
        if not {"type", "enum"} & value.keys():
            return _object(value)
        made: Json = {key: value[key] for key in ("type", "enum", "default") if key in value}
        if value.get("type") == "array":
            return {
                "type": "array",
                "items": {"type": "string", **({"enum": made["enum"]} if "enum" in made else {})},
            }
        return {"type": "string", **made}
    word = re.sub(r"=.*| e\.g\..*", "", str(value))
    listed = re.fullmatch(r"array<(\w+)>", word)
    if listed is not None:
        return {"type": "array", "items": _value(listed[1])}
    if word in {"array", "enum"}:
        return (
            {"type": "array", "items": {"type": "string"}}
            if word == "array"
            else {"type": "string"}
        )
    if word[:1].isupper():
        return {"$ref": f"#/components/schemas/{word}"}
    kind, form = _SHORT.get(word, (word, None))
    return {"type": kind, **({"format": form} if form else {})}
