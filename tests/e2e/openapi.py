"""Holds answers against the description that the daemon gives of them: OpenAPI 3.1, whose schemas are JSON Schema."""
import re

from jsonschema import Draft202012Validator
from jsonschema.validators import RefResolver

SCHEMA_MAPS = ("properties", "patternProperties", "$defs")
KNOWN_KEYWORDS = {"$ref", "type", "required", "properties", "additionalProperties", "items", "oneOf", "enum", "minItems", "maxItems",
                  "uniqueItems", "minLength", "maxLength", "minimum", "maximum", "description", "format", "const", "pattern"}


class Description:
    def __init__(self, document):
        self.document = document
        self._resolver = RefResolver("", document)

    def resolved(self, part):
        while isinstance(part, dict) and "$ref" in part:
            part = self._resolver.resolve(part["$ref"])[1]
        return part

    def check(self):
        """References lead somewhere, schemas are ones, and each operation says what it answers."""
        assert re.fullmatch(r"3\.1\.\d+", self.document["openapi"]), self.document["openapi"]
        assert {"title", "version"} <= self.document["info"].keys()
        names = [operation["operationId"] for _, _, operation in self.operations()]
        assert len(set(names)) == len(names), names
        for _, _, operation in self.operations():
            assert all("description" in self.resolved(answer) for answer in operation["responses"].values()), operation
        schemas = list(self._schemas(self.document))
        assert schemas
        for schema in schemas:
            Draft202012Validator.check_schema(schema)
            self._check_keywords(schema)

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield path, method, operation

    def _schemas(self, part):
        if isinstance(part, dict):
            if "$ref" in part:
                self.resolved(part)
            for name, value in part.items():
                if name == "schema":
                    yield value
                elif name == "schemas":
                    yield from value.values()
                yield from self._schemas(value)
        elif isinstance(part, list):
            for value in part:
                yield from self._schemas(value)

    def _check_keywords(self, schema):
        """A keyword that is written wrong would say nothing."""
        assert schema.keys() <= KNOWN_KEYWORDS, schema.keys() - KNOWN_KEYWORDS
        for name, value in schema.items():
            if name in SCHEMA_MAPS:
                inner = value.values()
            else:
                inner = value if name == "oneOf" else [value] if name == "items" else []
            for one in inner:
                self._check_keywords(one)
        if "properties" in schema:
            assert set(schema.get("required", ())) <= schema["properties"].keys(), schema

    def operation(self, path, method):
        return self.document["paths"].get(path, {}).get(method.lower())

    def request_fits(self, path, method, body):
        """Whether the body of a request is one that the description allows."""
        schema = self.operation(path, method)["requestBody"]["content"]["application/json"]["schema"]
        return Draft202012Validator(schema, resolver=self._resolver).is_valid(body)

    def check_answer(self, path, method, status, content_type, body):
        operation = self.operation(path, method)
        if operation is None:  # an operation that there is not has no answer but a problem
            answer = self.document["components"]["responses"]["Problem"]
            assert status >= 400, (path, method, status)
        else:
            answers = operation["responses"]
            assert str(status) in answers or status >= 400, f"{method} {path} does not say that it answers {status}"
            answer = self.resolved(answers.get(str(status)) or answers["default"])
        media = content_type.split(";")[0]
        assert media in answer["content"], f"{method} {path} does not say that it answers {status} with {media}"
        Draft202012Validator(answer["content"][media]["schema"], resolver=self._resolver).validate(body)
        if media == "application/problem+json":
            assert body["status"] == status and body["type"].startswith("urn:wayleave:"), body
