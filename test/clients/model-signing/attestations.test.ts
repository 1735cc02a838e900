import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asEpochMicros, type JsonObject, type SigningKey } from "@portolan/kernel";
import {
  attestationStatement,
  modelSubject,
  provenancePredicate,
  provenancePredicateType,
  signedBundle,
  summaryPredicate,
  summaryPredicateType,
  testResultPredicate,
  testResultPredicateType,
} from "@portolan/registry/policy";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  aCharter,
  aDigest,
  anEvaluation,
  aPromotionFact,
  aRecord,
  aTraining,
  aTrainingSet,
} from "../../../packages/registry/test/record-fixture.ts";
import { pythonClient } from "../../../tools/python-client.ts";
import { runCommand } from "../../../tools/run-command.ts";

/** In-toto's own Python library, SLSA's messages in it and securesystemslib's DSSE against what we attest. */
const python = await pythonClient("model-signing");

const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const key: SigningKey = {
  id: "sgk_test",
  purpose: "model",
  algorithm: "ecdsa-p256",
  publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(0),
};
const sha256 = createHash("sha256").update("the bytes of a model").digest("hex");
const model = { name: "flight-delays", files: [{ name: "model.onnx", sha256 }] };

let folder: string;
let said: Record<string, unknown> = {};

async function attest(name: string, type: string, predicate: JsonObject): Promise<void> {
  const statement = attestationStatement(model, type, predicate);
  const bundle = signedBundle(statement, sign("sha256", statement.toSign, pair.privateKey), key);
  await writeFile(join(folder, `${name}.sigstore.json`), bundle);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-attested-"));
  await writeFile(join(folder, "key.pub"), key.publicKeyPem);
  const provenance = provenancePredicate("org_1", aTraining, aTrainingSet);
  await attest("training", provenancePredicateType, provenance);
  await attest(
    "training-without-set",
    provenancePredicateType,
    provenancePredicate("org_1", aTraining, undefined),
  );
  await attest("evaluation", testResultPredicateType, testResultPredicate("org_1", anEvaluation));
  const inputs = [{ about: "training", digest: aDigest("7") }];
  const summary = summaryPredicate("org_1", aRecord.version, aPromotionFact, aCharter, inputs);
  await attest("promotion", summaryPredicateType, summary);
  const dev = summaryPredicate("org_1", aRecord.version, aPromotionFact, undefined, []);
  await attest("promotion-without-charter", summaryPredicateType, dev);
  // What the client has to refuse, so that its acceptance says something.
  await attest("unknown-member", provenancePredicateType, { ...provenance, builtBy: "somebody" });
  const statement = attestationStatement(model, provenancePredicateType, provenance);
  const bundle = signedBundle(
    statement,
    sign("sha256", Buffer.from("another statement"), pair.privateKey),
    key,
  );
  await writeFile(join(folder, "other-signature.sigstore.json"), bundle);
  if (python === undefined) return;
  const script = join(import.meta.dirname, "attestations.py");
  const { exitCode, output } = await runCommand(python, [script, folder], { cwd: folder });
  expect(exitCode, output).toBe(0);
  const lines = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { name: string; value: unknown });
  said = Object.fromEntries(lines.map(({ name, value }) => [name, value]));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.skipIf(python === undefined)("libraries of in-toto and SLSA", () => {
  const subjects = [
    { name: model.name, sha256: modelSubject(model.name, model.files).digest.sha256 },
    { name: "model.onnx", sha256 },
  ];

  test.each([
    ["training", provenancePredicateType],
    ["training-without-set", provenancePredicateType],
    ["evaluation", testResultPredicateType],
    ["promotion", summaryPredicateType],
    ["promotion-without-charter", summaryPredicateType],
  ])(
    "read what we attest of %s: signature, statement, and each member but our extensions",
    (name, predicateType) => {
      expect(said[name]).toEqual({ predicateType, subjects });
    },
  );

  test("refuse a member that a predicate does not have, and the signature of another statement", () => {
    expect(said["unknown-member"]).toEqual({ refused: "ParseError" });
    expect(said["other-signature"]).toEqual({ refused: "VerificationError" });
  });
});
