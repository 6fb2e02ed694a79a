"""validator: says what is wrong with an answer, measured by the schemas that the server itself
published to the same caller.

Every function returns a list of sentences, empty if all is well.  Nothing here talks to a server.
"""

import re
import urllib.parse

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

# type: (parent, pattern of its ids)
TYPES = {
    "schema": (None, r"[A-Za-z]+"), "apiVersion": (None, r"v1|v2-beta"), "account": (None, r"1a[1-9]\d*"),
    "project": ("account", r"1a[1-9]\d*"), "projectMember": (None, r"1pm[1-9]\d*"), "credential": (None, r"1c[1-9]\d*"),
    "registryCredential": ("credential", r"1c[1-9]\d*"), "apiKey": ("credential", r"1c[1-9]\d*"),
    "password": ("credential", r"1c[1-9]\d*"), "projectTemplate": (None, r"1pt[1-9]\d*"), "storagePool": (None, r"1sp[1-9]\d*"), "registry": ("storagePool", r"1sp[1-9]\d*"),
}
# Types that are asked by a POST to their collection; nothing is stored.
QUESTIONS = ("imageLogin", "handOut")
REFERENCE = re.compile(r"1(a|c|sp|pm|pt)[1-9]\d*|1i!rancher_id:[1-9]\d*")

# code: its statuses
CODES = {
    "InvalidBodyContent": (400,), "ServerAddressUsed": (400,), "InvalidFormat": (400, 422), "Bad Request": (400,),
    "Unauthorized": (401,), "Forbidden": (403,), "InvalidCSRFToken": (403,), "Not Found": (404,), "NoLogin": (404,), "Method not allowed": (405,),
    "Conflict": (409,), "Precondition Failed": (412,), "Request Entity Too Long": (413,), "MissingRequired": (422,), "NotNullable": (422,),
    "InvalidReference": (422,), "MinLengthExceeded": (422,), "MaxLengthExceeded": (422,), "NotUnique": (422,),
    "InvalidAction": (422,), "ActionNotAvailable": (422,), "InvalidOption": (422,), "InvalidCharacters": (422,),
    "Too Many Requests": (429,), "Internal Server Error": (500,), "Service Unavailable": (503,), "Insufficient Storage": (507,),
}
PROXY_STATUSES = (400, 408, 413, 414, 429, 494, 502, 503, 504)

ERROR_KEYS = ["id", "type", "links", "actions", "status", "code", "message", "detail", "baseType"]
COLLECTION_KEYS = {"type", "resourceType", "links", "createTypes", "actions", "data", "sortLinks",
                   "pagination", "sort", "filters",
                   "createDefaults"}
PAGINATION_KEYS = {"first", "previous", "next", "limit", "total", "partial"}
SCHEMA_KEYS = {"id", "type", "links", "actions", "pluralName", "resourceFields",
               "collectionFilters", "includeableLinks",
               "resourceActions", "collectionActions", "collectionFields", "collectionMethods",
               "resourceMethods", "baseType"}
FIELD_KEYS = {"type", "description", "create", "update", "readOnCreateOnly"}
FIELD_OPTIONAL = {"sources", "nullable", "required", "unique", "default", "minLength", "maxLength",
                  "min", "max", "options", "validChars",
                  "invalidChars"}
FIELD_TYPE = re.compile(
    r"string|password|int|boolean|date|enum|(array|map|reference)\[[A-Za-z]+\]|array\[reference\[[A-Za-z]+\]\]|servicesPortRange")
METHODS = {"GET", "POST", "PUT", "DELETE"}
MODIFIERS = {"eq", "ne", "lt", "lte", "gt", "gte", "prefix", "like", "notlike", "null", "notnull"}


def response(r, base, schemas_at, proxy=False):
    """r: an answer; schemas_at(url): {id: schema} for the caller, or None; proxy: it may be nginx's
    own answer."""
    path = str(r.path).split("?")[0]
    if path.rstrip("/") in ("/ping", "/healthcheck"):
        return []
    problems = []
    own = proxy and r.status in PROXY_STATUSES
    schemas_url = r.header("X-API-Schemas")
    if schemas_url is None:
        if own:
            return error(r.json, r.status, True) if r.is_json else []
        return ["no X-API-Schemas"]
    if len(r.all_headers("X-API-Schemas")) != 1:
        problems.append("X-API-Schemas more than once")
    problems += schemas_header(schemas_url, path, base, r.status, own)
    kind = r.header("Content-Type")
    if r.status == 200 and path.lower().rstrip("/").endswith("/handouts"):
        return problems + hand_out(r, kind)
    if r.status == 304:
        return problems + (["a body with 304"] if r.body
                           else []) + (["no ETag"] if r.header("ETag") is None else [])
    if r.method == "HEAD":
        return problems + (["a body after HEAD"] if r.body else [])
    if kind == "text/html; charset=utf-8":
        return problems + html_headers(r)
    if kind != "application/json; charset=utf-8":
        return problems + ["Content-Type is %r" % kind]
    try:
        body = r.json
    except ValueError as e:
        return problems + ["not JSON: %s" % e]
    if not isinstance(body, dict):
        return problems + ["not an object"]
    if r.status >= 400:
        return problems + error(body, r.status, own)
    if path.endswith("/openapi.json"):
        return problems + ([] if body.get("openapi") == "3.1.0" else ["not an OpenAPI document"])
    schemas = schemas_at(schemas_url) if schemas_url.startswith(base) else None
    if schemas is None:
        return problems + ["the schemas at %s are not readable for the caller" % schemas_url]
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(str(r.path)).query)
    if body.get("type") == "collection":
        return problems + collection(body, schemas, base, query)
    if body.get("type") == "schema":
        return problems + schema(body, base)
    return problems + resource(body, schemas, base, query)


def schemas_header(url, path, base, status, own):
    """The value follows version and scope of the request."""
    parts = [p for p in path.split("/") if p]
    version = parts[0] if parts and parts[0] in ("v1", "v2-beta") else "v1"
    unscoped = "%s/%s/schemas" % (base, version)
    allowed = [unscoped]
    if len(parts) >= 4 and parts[1].lower() == "projects" and parts[3].lower() not in (
        "projectmembers", "projectmember"):
        scoped = "%s/%s/projects/%s/schemas" % (base, version, parts[2].lower())
        allowed = [scoped, unscoped] if status in (400, 401, 403, 404) or own or "//" in path else [
            scoped]
    if own and url.endswith("/v1/schemas"):
        return []
    return [] if url in allowed else ["X-API-Schemas is %s, not %s" % (url, allowed[0])]


def hand_out(r, kind):
    """A file with passwords, not a resource."""
    problems = [] if kind in ("application/json", "application/yaml",
                              "text/plain") else ["Content-Type of a hand-out is %r" % kind]
    if r.header("Cache-Control") != "no-store":
        problems.append("Cache-Control of a hand-out is %r" % r.header("Cache-Control"))
    return problems


def html_headers(r):
    policy = r.header("Content-Security-Policy") or ""
    problems = []
    if not policy:
        problems.append("a page without Content-Security-Policy")
    if "unsafe" in policy or "*" in policy.replace("*.", ""):
        problems.append("a loose Content-Security-Policy: %s" % policy)
    return problems


def error(body, status, own=False):
    problems = []
    keys = list(body)
    if [k for k in keys if k != "fieldName"] != ERROR_KEYS and not (
        own and set(keys) <= set(ERROR_KEYS)):
        problems.append("members of an error: %s" % keys)
    if body.get("type") != "error" or body.get("baseType") != "error":
        problems.append("type %r, baseType %r of an error"
                        % (body.get("type"), body.get("baseType")))
    if body.get("status") != status or isinstance(body.get("status"),
                                                  bool) or not isinstance(body.get("status"), int):
        problems.append("status %r in an answer of %d" % (body.get("status"), status))
    if body.get("links") != {} or body.get("actions") != {}:
        problems.append("links or actions of an error are not {}")
    if not own:
        if not isinstance(body.get("id"), str) or not UUID.fullmatch(body["id"]):
            problems.append("id of an error is %r" % body.get("id"))
        if status not in CODES.get(body.get("code"), ()):
            problems.append("code %r with status %d" % (body.get("code"), status))
        field = "fieldName" in body
        if field and (not isinstance(body["fieldName"], str) or not body["fieldName"]):
            problems.append("fieldName is %r" % body["fieldName"])
        if field != (status == 422):
            problems.append("fieldName %s status %d" % ("with" if field else "missing with",
                                                        status))
        if field and body.get("message") is not None:
            problems.append("message of a validation error is %r" % body["message"])
        if not field and not (isinstance(body.get("message"), str) and body["message"]):
            problems.append("message is %r" % body.get("message"))
    if not (isinstance(body.get("detail"), str) and body["detail"][:1].isupper()
            and body["detail"].endswith(".")):
        problems.append("detail is %r" % body.get("detail"))
    return problems


def absolute(url, base):
    return isinstance(url, str) and (url == base or url.startswith(base + "/"))


def links(body, base, lower=True):
    problems = []
    for part in ("links", "actions"):
        if not isinstance(body.get(part), dict):
            return ["%s is %r" % (part, body.get(part))]
        for name, url in body[part].items():
            if not absolute(url, base):
                problems.append("%s.%s is %r" % (part, name, url))
            elif lower and part == "links" and url != url.lower():
                problems.append("links.%s is not lower-case: %s" % (name, url))
    return problems


def resource(body, schemas, base, query=None, where=""):
    kind = body.get("type")
    if kind not in schemas:
        return ["%stype %r has no schema" % (where, kind)]
    if kind == "schema":
        return schema(body, base)
    if kind == "error":
        return ["%san error inside an answer of success" % where]
    doc = schemas[kind]
    problems = links(body, base)
    if problems:
        return [where + p for p in problems]
    fields = dict(doc["resourceFields"])
    fields.pop("id", None)
    parent, pattern = TYPES.get(kind, (None, r".+"))
    if kind in ("setProjectMembersInput", "registryTestOutput"):
        return []
    if kind in QUESTIONS:
        if body.get("id", "") is not None:
            problems.append("id of an answer is %r" % body.get("id"))
    elif not isinstance(body.get("id"), str) or not re.fullmatch(pattern, body["id"]):
        problems.append("id is %r" % (body.get("id"),))
    if body.get("baseType") != (parent or kind):
        problems.append("baseType is %r" % body.get("baseType"))
    if "self" not in body["links"] and kind != "projectMember" and kind not in QUESTIONS:
        problems.append("no links.self")
    if "kind" in fields and kind not in ("account", "projectMember", "storagePool",
                                         "credential") and body.get("kind") != kind:
        problems.append("kind is %r" % body.get("kind"))
    problems += actions(body, doc)
    includes = included(body, query, schemas)
    stamps = {name + "TS" for name, field in fields.items() if field["type"] == "date"}
    known = set(fields) | {"id", "type", "links", "actions", "baseType"} | stamps | set(includes)
    problems += ["member %s is not in the schema" % name for name in body if name not in known]
    problems += ["member %s is missing" % name for name in fields if name not in body]
    problems += order(body, includes)
    for name, field in fields.items():
        if name in body and name not in includes:
            problems += value(kind, name, field, body)
    for name in includes:
        items = body[name] if isinstance(body[name], list) else [body[name]]
        for item in items:
            problems += resource(item, schemas, base, None, "included %s: " % name)
    return ["%s%s %s: %s" % (where, kind, body.get("id"), p) for p in problems]


def included(body, query, schemas):
    """Names of the members that `include` added."""
    asked = [v.lower() for v in (query or {}).get("include", [])]
    return [n for n in body if n.lower() in asked and isinstance(body[n], (dict, list))
            and n not in schemas[body["type"]]["resourceFields"]]


def actions(body, doc):
    problems = []
    for name, url in body["actions"].items():
        if name not in doc["resourceActions"]:
            problems.append("action %s is not in resourceActions" % name)
        if url != "%s/?action=%s" % (body["links"].get("self"), name):
            problems.append("action %s is %s" % (name, url))
    if list(body["actions"]) != sorted(body["actions"]):
        problems.append("actions are not sorted: %s" % list(body["actions"]))
    return problems


def order(body, includes):
    """id, type, links, actions, baseType, name, state, then the others by name."""
    # these stand beside their date
    names = [n for n in body if n not in includes and not (n.endswith("TS") and n[:-2] in body)]
    first = [n for n in ("id", "type", "links", "actions", "baseType", "name", "state")
             if n in body]
    rest = names[len(first):]
    if names[:len(first)] != first or rest not in (sorted(rest), sorted(rest, key=str.lower)):
        return ["order of members: %s" % names]
    return []


def value(kind, name, field, body):
    v, t = body[name], field["type"]
    if t == "date":
        return date(name, v, body)
    if v is None:
        optional = field.get("nullable") or name in ("email", "identity", "transitioningMessage",
                                                     "transitioningProgress") \
            or t.startswith(("array", "map"))
        return [] if optional else ["%s is null but not nullable" % name]
    good = True
    if t in ("string", "password"):
        good = isinstance(v, str) and len(v) <= field.get("maxLength", 1 << 30)
    elif t == "int":
        good = isinstance(v, int) and not isinstance(v, bool)
    elif t == "boolean":
        good = isinstance(v, bool)
    elif t == "enum":
        good = isinstance(v, str) and v in field.get("options", [])
    elif t.startswith("reference["):
        good = isinstance(v, str) and REFERENCE.fullmatch(v) is not None
    elif t.startswith("array["):
        good = isinstance(v, list)
    else:
        good = isinstance(v, dict)
    return [] if good else ["%s (%s) is %r" % (name, t, v)]


def date(name, v, body):
    stamp = body.get(name + "TS")
    if v is None:
        return ["%sTS beside a null %s" % (name, name)] if name + "TS" in body else []
    if not isinstance(v, str) or not DATE.fullmatch(v):
        return ["%s is %r" % (name, v)]
    if not isinstance(stamp, int) or isinstance(stamp, bool):
        return ["%sTS is %r" % (name, stamp)]
    import calendar
    import time
    seconds = calendar.timegm(time.strptime(v, "%Y-%m-%dT%H:%M:%SZ"))
    return [] if stamp // 1000 == seconds else ["%sTS %d is not %s" % (name, stamp, v)]


def collection(body, schemas, base, query=None):
    problems = []
    if set(body) != COLLECTION_KEYS:
        return ["members of a collection: %s" % sorted(set(body) ^ COLLECTION_KEYS)]
    if not isinstance(body["data"], list):
        return ["data is %r" % type(body["data"])]
    kind = body["resourceType"]
    if kind not in schemas:
        return ["resourceType %r has no schema" % kind]
    problems += links(body, base, lower=False)
    if problems:
        return problems
    if "?" in body["links"].get("self", "?"):
        problems.append("links.self of a collection is %r" % body["links"].get("self"))
    if body["actions"] != {} or body["createDefaults"] != {}:
        problems.append("actions or createDefaults of a collection are not {}")
    problems += create_types(body, schemas, base)
    problems += pagination(body, base)
    filters = sorted(schemas[kind]["collectionFilters"])
    if list(body["filters"]) != filters and not (kind in ("schema", "apiVersion")
                                                 and body["filters"] == {}):
        problems.append("filters %s, not %s" % (list(body["filters"]), filters))
    if list(body["sortLinks"]) != filters and not (kind in ("schema", "apiVersion")
                                                   and body["sortLinks"] == {}):
        problems.append("sortLinks %s, not %s" % (list(body["sortLinks"]), filters))
    for name, given in body["filters"].items():
        if given is not None and not (isinstance(given, list) and given
                                      and all(set(g) == {"value", "modifier"} for g in given)):
            problems.append("filters.%s is %r" % (name, given))
    for name, url in body["sortLinks"].items():
        if not absolute(url, base) or ("sort=" + name) not in urllib.parse.urlsplit(
            url).query.split("&"):
            problems.append("sortLinks.%s is %r" % (name, url))
    problems += sort(body["sort"], base)
    for item in body["data"]:
        if TYPES.get(item.get("type"), ("?",))[0] != kind and item.get("type") != kind:
            problems.append("a %r in a collection of %s" % (item.get("type"), kind))
        problems += resource(item, schemas, base, query)
    return problems


def create_types(body, schemas, base):
    problems = []
    if not isinstance(body["createTypes"], dict):
        return ["createTypes is %r" % body["createTypes"]]
    for name, url in body["createTypes"].items():
        if name not in schemas or "POST" not in schemas[name]["collectionMethods"] or not absolute(
            url, base):
            problems.append("createTypes.%s is %r" % (name, url))
    return problems


def pagination(body, base):
    p = body["pagination"]
    if p is None:
        return []
    if not isinstance(p, dict) or set(p) != PAGINATION_KEYS:
        return ["pagination is %r" % p]
    problems = []
    if isinstance(p["limit"], bool) or not isinstance(p["limit"],
                                                      int) or not 1 <= p["limit"] <= 3000:
        problems.append("pagination.limit is %r" % p["limit"])
    elif len(body["data"]) > p["limit"]:
        problems.append("%d rows with a limit of %d" % (len(body["data"]), p["limit"]))
    if not isinstance(p["partial"], bool) or p["partial"] != (p["next"] is not None):
        problems.append("pagination.partial %r with next %r" % (p["partial"], p["next"]))
    if p["total"] is not None:
        problems.append("pagination.total is %r" % p["total"])
    for name in ("first", "previous", "next"):
        if p[name] is not None and not absolute(p[name], base):
            problems.append("pagination.%s is %r" % (name, p[name]))
    if p["next"] is not None and not re.search(r"[?&]marker=m[^&]", p["next"]):
        problems.append("pagination.next has no marker: %s" % p["next"])
    return problems


def sort(s, base):
    if s is None:
        return []
    if not isinstance(s, dict) or set(s) != {"name", "order", "reverse"} or s["order"] not in (
        "asc", "desc"):
        return ["sort is %r" % s]
    return [] if absolute(s["reverse"], base) else ["sort.reverse is %r" % s["reverse"]]


def schema_collection(body, base):
    """A whole schemas document, looked at by itself."""
    problems = []
    if set(body) != COLLECTION_KEYS or body["type"] != "collection" or body[
        "resourceType"] != "schema":
        return ["not a collection of schemas: %s" % sorted(body)]
    for name, wanted in (("pagination", None), ("sort", None), ("filters", {}), ("sortLinks", {}),
                         ("createTypes", {}),
                         ("createDefaults", {}), ("actions", {})):
        if body[name] != wanted:
            problems.append("%s of the schemas is %r" % (name, body[name]))
    published = {item.get("id") for item in body["data"]}
    if len(published) != len(body["data"]):
        problems.append("a schema twice")
    for item in body["data"]:
        problems += schema(item, base)
        problems += targets(item, published)
    return problems


def schema(doc, base):
    problems = []
    if doc.get("type") != "schema" or doc.get("baseType") != "schema" or set(doc) != SCHEMA_KEYS:
        return ["schema %r: members %s" % (doc.get("id"), sorted(set(doc) ^ SCHEMA_KEYS))]
    problems += links(doc, base)
    for name in ("collectionMethods", "resourceMethods"):
        if not isinstance(doc[name], list) or not set(doc[name]) <= METHODS or len(
            set(doc[name])) != len(doc[name]):
            return ["schema %s: %s is %r" % (doc["id"], name, doc[name])]
    if problems:
        return problems
    if ("collection" in doc["links"]) != ("GET" in doc["collectionMethods"]):
        problems.append("links.collection with collectionMethods %s" % doc["collectionMethods"])
    for name, field in doc["resourceFields"].items():
        if not FIELD_KEYS <= set(field) or not set(field) <= FIELD_KEYS | FIELD_OPTIONAL:
            problems.append("field %s has %s" % (name, sorted(field)))
            continue
        if not FIELD_TYPE.fullmatch(field["type"]):
            problems.append("field %s is of type %r" % (name, field["type"]))
        if any(not isinstance(field[flag], bool)
               for flag in ("create", "update", "readOnCreateOnly")):
            problems.append("flags of field %s" % name)
        if field["description"] is not None and not isinstance(field["description"], str):
            problems.append("description of field %s" % name)
        if field["type"] == "enum" and not field.get("options"):
            problems.append("enum %s without options" % name)
    for name, given in doc["collectionFilters"].items():
        if not isinstance(given, dict) or set(given) != {"modifiers"} or not given[
            "modifiers"] or not set(given["modifiers"]) <= MODIFIERS:
            problems.append("filter %s is %r" % (name, given))
    for name, given in doc["resourceActions"].items():
        if set(given) != {"input", "output"}:
            problems.append("action %s is %r" % (name, given))
    if doc["collectionActions"] != {} or doc["collectionFields"] != {}:
        problems.append("collectionActions or collectionFields are not {}")
    return ["schema %s: %s" % (doc["id"], p) for p in problems]


def targets(doc, published):
    """What a schema names must be published too."""
    problems = []
    for name, field in doc["resourceFields"].items():
        named = re.fullmatch(r"(reference|array)\[(\w+)\]", field["type"])
        if named and named.group(2) not in published | {"string", "identity", "json", "network",
                                                        "agent", "zone", "storageDriver"}:
            problems.append("schema %s: field %s names the unpublished type %s"
                            % (doc["id"], name, named.group(2)))
    for name, action in doc["resourceActions"].items():
        for part in ("input", "output"):
            if action[part] is not None and action[part] not in published:
                problems.append("schema %s: action %s names the unpublished type %s"
                                % (doc["id"], name, action[part]))
    return problems
