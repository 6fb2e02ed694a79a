"""openapi: what is wrong with an answer, measured by the OpenAPI document that the server published to the same caller."""

import urllib.parse

ITEMS = 20              # rows of a collection that are looked at
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def schema_problems(doc, schema, value, where="answer"):
    """The part of JSON Schema that the document uses; a keyword that is not known here is a problem too."""
    problems = []
    for word, rule in schema.items():
        if word == "$ref":
            target = doc
            for step in rule.removeprefix("#/").split("/"):
                target = target[step]
            problems += schema_problems(doc, target, value, where)
        elif word == "allOf":
            for part in rule:
                problems += schema_problems(doc, part, value, where)
        elif word == "type":
            names = rule if isinstance(rule, list) else [rule]
            if not any(is_type(value, name) for name in names):
                problems.append("%s is %r, not %s" % (where, value, " or ".join(names)))
        elif word == "enum":
            if value not in rule:
                problems.append("%s is %r, which is not among the options" % (where, value))
        elif word == "const":
            if value != rule:
                problems.append("%s is %r, not %r" % (where, value, rule))
        elif word == "required":
            problems += ["%s lacks %s" % (where, name) for name in rule if isinstance(value, dict) and name not in value]
        elif word == "properties":
            for name, part in rule.items():
                if isinstance(value, dict) and name in value:
                    problems += schema_problems(doc, part, value[name], "%s.%s" % (where, name))
        elif word == "additionalProperties":
            for name, one in (value.items() if isinstance(value, dict) else ()):
                problems += schema_problems(doc, rule, one, "%s.%s" % (where, name))
        elif word == "items":
            for one in (value[:ITEMS] if isinstance(value, list) else ()):
                problems += schema_problems(doc, rule, one, where + "[]")
        elif word not in ("format", "description", "minLength", "maxLength", "default"):
            problems.append("%s: the keyword %s is not known" % (where, word))
    return problems


def operation_problems(doc, method, path):
    """Whether what was done has an operation.  Only paths whose type the document names in the plural."""
    parts = urllib.parse.urlsplit(path)
    steps = [step for step in parts.path.lower().split("/") if step][1:]
    if len(steps) > 2 and steps[0] == "projects":
        steps = steps[2:] if "/" + steps[2] in doc["paths"] else []
    if not steps or len(steps) > 3 or "/" + steps[0] not in doc["paths"] or method not in ("GET", "POST", "PUT", "DELETE") or "_method" in parts.query:
        return []
    known = {"/".join("{}" if "{" in step else step.lower() for step in name.split("/")): operations for name, operations in doc["paths"].items()}
    name = "/" + "/".join([steps[0]] + (["{}"] if len(steps) > 1 else []) + steps[2:])
    if name not in known:                                # a link may be followed that is not shown
        return [] if len(steps) == 3 else ["no path %s in openapi.json" % name]
    wanted = "post" if "action=" in parts.query and method == "POST" else method.lower()
    return [] if wanted in known[name] or (wanted == "post" and len(steps) == 1) else ["no %s of %s in openapi.json" % (wanted, name)]


def problems(doc, method, path, status, body):
    schemas = doc["components"]["schemas"]
    kind = body.get("type")
    if kind == "error":
        return schema_problems(doc, schemas["error"], body)
    found = operation_problems(doc, method, path)
    if kind == "collection":
        found += schema_problems(doc, schemas["collection"], body)
        rows = body["data"][:ITEMS]
    else:
        rows = [body]
    for row in rows:
        if row.get("type") in schemas:
            found += schema_problems(doc, schemas[row["type"]], row, row["type"])
    return found
