"""Reads our attestations with the libraries of their specifications.

Each bundle of a folder: its signature by securesystemslib's DSSE, its statement by in-toto's own classes, its predicate by the message that
SLSA and in-toto define for that type. Extension fields (`portolan_…`) are set apart first; of what is left every member has to be known.
"""
import base64
import json
import sys
from pathlib import Path

from google.protobuf.json_format import ParseDict, ParseError
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult
from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

SUMMARY = "https://slsa.dev/verification_summary/v1"
PREDICATES = {
    "https://slsa.dev/provenance/v1": Provenance,
    "https://in-toto.io/attestation/test-result/v0.1": TestResult,
    SUMMARY: VerificationSummary,
}


def standard(value):
    if isinstance(value, dict):
        return {name: standard(one) for name, one in value.items() if not name.startswith("portolan_")}
    return [standard(one) for one in value] if isinstance(value, list) else value


def read(path, key):
    envelope = Envelope.from_dict(json.loads(path.read_text())["dsseEnvelope"])
    envelope.verify([key], 1)
    document = json.loads(envelope.payload)
    statement = Statement.copy_from_pb(ParseDict(document, statement_pb2.Statement()))
    statement.validate()
    predicate = standard(document["predicate"])
    if document["predicateType"] == SUMMARY:
        # The message of this library (0.9.3) has one text here; the specification of SLSA says a list of them.
        levels = predicate.pop("verifiedLevels")
        if not (isinstance(levels, list) and all(isinstance(level, str) for level in levels)):
            raise ValueError("verifiedLevels is no list of texts")
    message = ParseDict(predicate, PREDICATES[document["predicateType"]]())
    if not message.ByteSize():
        raise ValueError("the predicate is empty")
    return {
        "predicateType": document["predicateType"],
        "subjects": [{"name": one.name, "sha256": one.digest["sha256"]} for one in statement.pb.subject],
    }


def main():
    folder = Path(sys.argv[1])
    public = (folder / "key.pub").read_text()
    key = SSlibKey(keyid="", keytype="ecdsa", scheme="ecdsa-sha2-nistp256", keyval={"public": public})
    for path in sorted(folder.glob("*.sigstore.json")):
        try:
            said = read(path, key)
        except (ParseError, ValueError, VerificationError) as error:
            said = {"refused": type(error).__name__}
        print(json.dumps({"name": path.name.removesuffix(".sigstore.json"), "value": said}))


main()
