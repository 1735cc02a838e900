"""Asks a gateway what its own OpenAPI document describes, and holds each answer against the document.

Usage: client.py <url> <bearer> <model>
Prints one JSON line per call: operation, status, and what openapi-core says of request and answer ("" when they are valid).
"""

import json
import sys

import requests
from openapi_core import Config, OpenAPI
from openapi_core.contrib.requests import RequestsOpenAPIRequest, RequestsOpenAPIResponse
from openapi_spec_validator import validate

URL, BEARER, MODEL = sys.argv[1:4]
HEADERS = {"authorization": f"Bearer {BEARER}", "x-portolan-purpose": "care"}

document = requests.get(f"{URL}/openapi.json", timeout=30).json()
validate(document)
config = Config(extra_media_type_deserializers={"application/problem+json": json.loads})
openapi = OpenAPI.from_dict({**document, "servers": [{"url": URL}]}, config=config)

TENSOR = {"name": "x", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [0, 0]]}
BODIES = {
    "infer": {"id": "r1", "inputs": [TENSOR], "outputs": [{"name": "score"}]},
    "inferOfVersion": {"inputs": [{**TENSOR, "data": [1, 2, 0, 0]}]},
    "v1Predict": {"instances": [[1, 2], [0, 0]]},
    "repositoryIndex": {"ready": True},
    "repositoryLoad": {},
    "repositoryUnload": {},
    "readFeatures": {"endpoint": "enriched", "entities": {"account": ["a", "b"]}},
    "textChat": {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]},
    "textCompletions": {"model": MODEL, "prompt": "Hello"},
    "textEmbeddings": {"model": MODEL, "input": "Hello"},
}
WRONG = {**TENSOR, "shape": [1, 3], "data": [1, 2, 3]}


def ask(name, method, path, body=None, headers=HEADERS, model=MODEL):
    url = URL + path.replace("{model}", model).replace("{version}", "1")
    request = requests.Request(method, url, json=body, headers=headers)
    response = requests.Session().send(request.prepare(), timeout=30)
    problem = ""
    try:
        asked = RequestsOpenAPIRequest(request)
        openapi.validate_request(asked) if headers else None
        openapi.validate_response(asked, RequestsOpenAPIResponse(response))
    except Exception as error:
        problem = f"{type(error).__name__}: {error} {error.__cause__ or ''}"
    print(json.dumps({"name": name, "status": response.status_code, "problem": problem}), flush=True)


for path, methods in document["paths"].items():
    for method, operation in methods.items():
        name = operation["operationId"]
        ask(name, method.upper(), path, BODIES.get(name))
        if operation.get("security") != []:
            ask(f"{name} by nobody", method.upper(), path, BODIES.get(name), headers={})
            if "{model}" in path:
                ask(f"{name} of nothing", method.upper(), path, BODIES.get(name), model="missing")
ask("wrong shape", "POST", "/v2/models/{model}/infer", {"inputs": [WRONG]})
