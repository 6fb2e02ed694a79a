"""The validator itself: it must be content with what the API shows, and find each fault that is put
into that."""

import copy
import json
import unittest

import validator

BASE = "https://r.example.test"


def field(type_, **more):
    return dict({"type": type_, "description": None, "create": False, "update": False,
                 "readOnCreateOnly": False}, **more)


SCHEMA = {
    "id": "registryCredential", "type": "schema",
    "links": {"self": BASE + "/v1/schemas/registrycredential", "collection": BASE + "/v1/registrycredentials"}, "actions": {},
    "pluralName": "registryCredentials",
    "resourceFields": {
        "created": field("date", nullable=True), "id": field("int", nullable=True), "kind": field("string", nullable=True),
        "name": field("string", nullable=True, maxLength=5), "registryId": field("reference[registry]", required=True),
        "removed": field("date", nullable=True), "secretValue": field("password", nullable=True), "state": field("enum", options=["active", "inactive"]),
        "transitioningProgress": field("int", nullable=True)},
    "collectionFilters": {"name": {"modifiers": ["eq"]}}, "includeableLinks": ["registry"],
    "resourceActions": {"deactivate": {"input": None, "output": "credential"}}, "collectionActions": {}, "collectionFields": {},
    "collectionMethods": ["GET", "POST"], "resourceMethods": ["GET", "PUT"], "baseType": "schema"}
SCHEMAS = {"registryCredential": SCHEMA}
SELF = BASE + "/v1/registrycredentials/1c7"
RESOURCE = {
    "id": "1c7", "type": "registryCredential", "links": {"self": SELF}, "actions": {"deactivate": SELF + "/?action=deactivate"}, "baseType": "credential",
    "name": "n", "state": "active", "created": "2024-05-06T07:08:09Z", "createdTS": 1714979289000, "kind": "registryCredential", "registryId": "1sp3",
    "removed": None, "secretValue": None, "transitioningProgress": None}
COLLECTION = {
    "type": "collection", "resourceType": "registryCredential", "links": {"self": BASE + "/v1/registryCredentials"}, "createTypes": {}, "actions": {},
    "data": [RESOURCE], "sortLinks": {"name": BASE + "/v1/registryCredentials?sort=name"},
    "pagination": {"first": None, "previous": None, "next": None, "limit": 100, "total": None, "partial": False}, "sort": None,
    "filters": {"name": None}, "createDefaults": {}}
ERROR = {"id": "c0a1d6b2-3c33-4a0f-8d3b-6b1f6a1c9a55", "type": "error", "links": {}, "actions": {},
         "status": 405, "code": "Method not allowed",
         "message": "Method not allowed", "detail": "It is active: deactivate it first.",
         "baseType": "error"}


def without(body, name):
    return {k: v for k, v in body.items() if k != name}


class Validator(unittest.TestCase):
    def test_content(self):
        self.assertEqual(validator.resource(RESOURCE, SCHEMAS, BASE), [])
        self.assertEqual(validator.collection(COLLECTION, SCHEMAS, BASE), [])
        self.assertEqual(validator.schema(SCHEMA, BASE), [])
        self.assertEqual(validator.error(ERROR, 405), [])

    def test_faults_of_a_resource(self):
        for change in (
                {"id": 7}, {"id": "1sp7"}, {"id": "7"}, {"baseType": "registryCredential"}, {"links": None}, {"actions": None}, {"links": {}},
                {"links": {"self": "/v1/registrycredentials/1c7"}}, {"links": {"self": SELF.replace("r.ex", "evil")}}, {"links": {"self": SELF.replace("cred", "Cred")}},
                {"actions": {"explode": SELF + "/?action=explode"}}, {"actions": {"deactivate": SELF + "?action=deactivate"}},
                {"name": 5}, {"name": "longer"}, {"name": []}, {"state": "purged"}, {"state": None}, {"registryId": 3}, {"registryId": None}, {"registryId": "sp3"},
                {"created": "2024-05-06"}, {"createdTS": "1714979289000"}, {"createdTS": 1}, {"removedTS": 5}, {"transitioningProgress": True},
                {"transitioningProgress": "0"}, {"secretValue": False}, {"kind": "apiKey"},
                {"surprise": 1}, {"type": "nosuch"}):
            self.assertTrue(validator.resource(dict(RESOURCE, **change), SCHEMAS, BASE), change)
        for name in ("name", "state", "secretValue", "removed", "createdTS",
                     "transitioningProgress"):
            self.assertTrue(validator.resource(without(RESOURCE, name), SCHEMAS, BASE), name)
        self.assertTrue(validator.resource(dict(without(RESOURCE, "name"), name="n"), SCHEMAS,
                                           BASE), "order")

    def test_includes(self):
        registry = dict(RESOURCE, id="1c8")
        body = dict(RESOURCE, registry=registry)
        self.assertEqual(validator.resource(body, SCHEMAS, BASE, {"include": ["registry"]}), [])
        self.assertTrue(validator.resource(body, SCHEMAS, BASE))
        self.assertTrue(validator.resource(dict(body, registry=dict(registry, id=8)), SCHEMAS, BASE,
                                           {"include": ["registry"]}))

    def test_faults_of_a_collection(self):
        page = COLLECTION["pagination"]
        for change in (
                {"pagination": dict(page, limit="100")}, {"pagination": dict(page, limit=0)}, {"pagination": dict(page, partial=True)},
                {"pagination": without(page, "total")}, {"pagination": dict(page, next="/v1?marker=m1", partial=True)}, {"pagination": dict(page, total=1)},
                {"filters": {}}, {"filters": {"name": []}}, {"filters": {"name": [{"value": "x"}]}}, {"sortLinks": {}}, {"sort": "name"},
                {"sortLinks": {"name": BASE + "/v1/registryCredentials?sort=id"}}, {"createTypes": None}, {"createTypes": {"apiKey": BASE + "/v1/apikeys"}},
                {"actions": None}, {"createDefaults": None}, {"links": {"self": BASE + "/v1/x?limit=1"}}, {"data": None}, {"data": [dict(RESOURCE, id=1)]},
                {"resourceType": "nosuch"}, {"surprise": 1}):
            self.assertTrue(validator.collection(dict(COLLECTION, **change), SCHEMAS, BASE), change)
        for name in COLLECTION:
            self.assertTrue(validator.collection(without(COLLECTION, name), SCHEMAS, BASE), name)

    def test_faults_of_an_error(self):
        for change in ({"id": "x"}, {"id": None}, {"type": "Error"}, {"links": None},
                       {"actions": []}, {"status": "405"}, {"status": 404}, {"code": "MethodNotAllowed"},
                       {"code": "Not Found"}, {"message": None}, {"detail": None},
                       {"detail": "no sentence"}, {"detail": {}}, {"baseType": None},
                       {"fieldName": "x"}, {"extra": 1}):
            self.assertTrue(validator.error(dict(ERROR, **change), 405), change)
        for name in ERROR:
            self.assertTrue(validator.error(without(ERROR, name), 405), name)
        for detail in (None, "no sentence", {}):
            self.assertTrue(validator.error(dict(ERROR, detail=detail), 405, own=True), detail)
        self.assertTrue(validator.error(without(ERROR, "detail"), 405, own=True))
        missing = {"status": 422, "code": "MissingRequired", "message": None,
                   "fieldName": "registryId"}
        self.assertEqual(validator.error(dict(ERROR, **missing), 422), [])
        self.assertTrue(validator.error(dict(ERROR, **dict(missing, message="x")), 422))
        self.assertTrue(validator.error(without(dict(ERROR, **missing), "fieldName"), 422))

    def test_faults_of_a_schema(self):
        for change in ({"collectionMethods": None}, {"collectionMethods": ["GET", "PATCH"]},
                       {"collectionMethods": ["POST"]}, {"resourceActions": {"x": {}}},
                       {"collectionFilters": {"name": ["eq"]}}, {"collectionFilters": {"name": {"modifiers": ["near"]}}}, {"collectionActions": None},
                       {"resourceFields": {"name": {"type": "string"}}}, {"resourceFields": {"name": field("text")}}, {"resourceFields": {"s": field("enum")}},
                       {"resourceFields": {"name": field("string", create=None)}},
                       {"resourceFields": {"name": field("string", surprise=1)}}):
            self.assertTrue(validator.schema(dict(copy.deepcopy(SCHEMA), **change), BASE), change)

    def test_headers(self):
        class Answer:
            method, path, status = "GET", "/v1/projects/1a5/registryCredentials?x=1", 200
            body = json.dumps(COLLECTION).encode()
            headers = {"X-API-Schemas": BASE + "/v1/projects/1a5/schemas",
                       "Content-Type": "application/json; charset=utf-8"}
            json = COLLECTION

            def header(self, name):
                return self.headers.get(name)

            def all_headers(self, name):
                return [self.headers[name]]
        self.assertEqual(validator.response(Answer(), BASE, lambda url: SCHEMAS), [])
        for name, value in (("X-API-Schemas", None), ("X-API-Schemas", BASE + "/v1/schemas"),
                            ("X-API-Schemas", "/v1/projects/1a5/schemas"),
                            ("X-API-Schemas", BASE + "/v2-beta/projects/1a5/schemas"),
                            ("Content-Type", "application/json"), ("Content-Type", None)):
            r = Answer()
            r.headers = dict(Answer.headers, **{name: value})
            self.assertTrue(validator.response(r, BASE, lambda url: SCHEMAS), (name, value))
        self.assertTrue(validator.response(Answer(), BASE, lambda url: None))
