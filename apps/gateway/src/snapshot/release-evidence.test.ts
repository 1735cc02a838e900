import { generateKeyPairSync, sign } from "node:crypto";
import { asEpochMicros, digestBytes, digestHex, type JsonObject, type SigningKey } from "@portolan/kernel";
import {
  attestationStatement,
  provenancePredicateType,
  signedBundle,
  summaryPredicateType,
  testResultPredicateType,
} from "@portolan/registry/policy";
import type { ModelReference } from "@portolan/serving/contract";
import { describe, expect, test } from "vitest";
import { ReleaseEvidence } from "./release-evidence.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const key: SigningKey = {
  id: "sgk_test",
  purpose: "model",
  algorithm: "ecdsa-p256",
  publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(0),
};
const production = { organisationId: "org_1", environment: "production" } as const;
const model = digestBytes(Buffer.from("model"));

/** What control would have stored. */
class Objects {
  readonly bytes = new Map<string, Uint8Array>();
  reads = 0;

  /** Signed as control signs; of a model that control holds, or of another. */
  put(predicateType: string, predicate: JsonObject, of = model): { digest: string; signedAt: number } {
    const folder = { name: "delays", files: [{ name: "model.onnx", sha256: digestHex(of) }] };
    const statement = attestationStatement(folder, predicateType, predicate);
    const bundle = signedBundle(statement, sign("sha256", statement.toSign, pair.privateKey), key);
    const digest = digestBytes(bundle);
    this.bytes.set(digest, bundle);
    return { digest, signedAt: 5 };
  }

  readonly read = async (digest: string): Promise<Uint8Array> => {
    this.reads++;
    const bytes = this.bytes.get(digest);
    if (!bytes) throw new Error(`no ${digest}`);
    return bytes;
  };
}

function attested(objects: Objects, { to = "PRODUCTION", of = model, gate = true } = {}) {
  const inputs = [
    objects.put(provenancePredicateType, { run: 1 }, of),
    objects.put(testResultPredicateType, { result: "PASSED" }, of),
  ];
  const promotion = objects.put(
    summaryPredicateType,
    {
      verificationResult: "PASSED",
      resourceUri: "urn:portolan:org_1:model:delays:3",
      verifiedLevels: [`PORTOLAN_${to}`],
      inputAttestations: inputs.map(({ digest }) => ({
        uri: "urn:input",
        digest: { sha256: digest.slice("sha256:".length) },
      })),
      portolan_approvals: [{ role: "approver_risk", signer: "usr_ron" }],
      portolan_promotion: { origin: "trained", gates: [{ gate: "accuracy", passed: gate }] },
    },
    of,
  );
  return [...inputs, promotion];
}

function reference(attestations?: ModelReference["attestations"]): ModelReference {
  return {
    name: "delays",
    version: 3,
    digest: model,
    sizeBytes: 5,
    bundle: { digest: model, signedAt: 5 },
    signature: { inputs: [], outputs: [] },
    origin: "trained",
    ...(attestations ? { attestations } : {}),
  };
}

describe("what a gateway demands of a version outside dev", () => {
  test("signed statements of its promotion there, its training and its gates; read once, and judged again under each snapshot's keys", async () => {
    const objects = new Objects();
    const evidence = new ReleaseEvidence(objects.read);
    const version = reference(attested(objects));
    const keys = [key];
    expect(evidence.isShown(production, version, keys)).toBe(false);
    await evidence.require(production, version, keys);
    await evidence.require(production, version, keys);
    expect(objects.reads).toBe(3);
    expect(evidence.isShown(production, version, keys)).toBe(true);
    expect(evidence.isShown(production, version, [{ ...key }])).toBe(true);
    expect(evidence.isShown(production, version, [{ ...key, revokedAt: asEpochMicros(1) }])).toBe(false);
    expect(evidence.isShown({ ...production, environment: "staging" }, version, keys)).toBe(false);
    expect(evidence.isShown({ ...production, organisationId: "org_2" }, version, keys)).toBe(false);
    expect(evidence.isShown(production, { ...version, version: 4 }, keys)).toBe(false);
    evidence.keepOnly([reference()]);
    expect(evidence.isShown(production, version, [{ ...key }])).toBe(false);
  });

  test("what is missing or wrong is said, and the version refused", async () => {
    const refusal = async (objects: Objects, attestations: ModelReference["attestations"]) =>
      new ReleaseEvidence(objects.read).require(production, reference(attestations), [key]).then(
        () => undefined,
        (error: unknown) => error,
      );
    const other = digestBytes(Buffer.from("other"));
    const cases: [string, (objects: Objects) => ModelReference["attestations"]][] = [
      ["promotes version 3 to production", (objects) => attested(objects, { to: "STAGING" })],
      ["it is about other bytes", (objects) => attested(objects, { of: other })],
      ["the gate accuracy did not pass", (objects) => attested(objects, { gate: false })],
      ["no provenance says how it was trained", (objects) => attested(objects).slice(1)],
    ];
    for (const [reason, attestations] of cases) {
      const objects = new Objects();
      expect(await refusal(objects, attestations(objects))).toMatchObject({
        code: "serving.model_refused",
        detail: expect.stringContaining(reason) as string,
      });
    }
    expect(await refusal(new Objects(), undefined)).toMatchObject({ code: "serving.model_unavailable" });
  });

  test("in dev nothing is demanded, and nothing read", async () => {
    const objects = new Objects();
    const evidence = new ReleaseEvidence(objects.read);
    const dev = { ...production, environment: "dev" } as const;
    expect(evidence.isShown(dev, reference(), [key])).toBe(true);
    await evidence.require(dev, reference(attested(objects)), [key]);
    expect(objects.reads).toBe(0);
  });
});
