import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  asEpochMicros,
  type Digest,
  digestHex,
  digestJson,
  type KeyRing,
  type ObjectStore,
  type SigningKey,
  systemClock,
  type Transaction,
} from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import { logisticModel } from "@portolan/onnx-format/testing";
import {
  aCall,
  namedPlaces,
  noRows,
  openTestDatabase,
  type TestDatabase,
  testAuthorizer,
} from "@portolan/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { EvaluationFacts } from "../src/contract.ts";
import { statementOf } from "../src/dsse.ts";
import {
  attestJob,
  createArtifactCatalogue,
  findReleaseAttestations,
  promoteVersion,
  pushVersion,
  readAttestation,
  readAttestations,
  registryMigrations,
  requestAttestation,
  type VersionSources,
} from "../src/index.ts";
import { missingEvidence, verifyAttestation } from "../src/policy.ts";
import { folderOf } from "../src/provenance/attest-version.ts";
import { readVersionRecord } from "../src/provenance/read-record.ts";
import { sealStatement } from "../src/sign-files.ts";
import { aCharter, anEvaluation, aTraining, aTrainingSet } from "./record-fixture.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const key: SigningKey = {
  id: "sgk_test",
  purpose: "model",
  algorithm: "ecdsa-p256",
  publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(0),
};
const keys: KeyRing = {
  current: async () => key,
  find: async () => key,
  sign: async (_id, bytes) => sign("sha256", bytes, pair.privateKey),
};
/** The evaluations so far, oldest first. */
const recorded: EvaluationFacts[] = [];
const manyParams = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`parameter-${i}`, i]));
/** What the other domains would have on record. */
const sources: VersionSources = {
  training: async (_sql, _organisation, runId) => ({
    ...aTraining,
    runId,
    ...(runId === "run_large" ? { params: manyParams, metrics: manyParams } : {}),
  }),
  trainingSet: async () => aTrainingSet,
  charter: async () => aCharter,
  evaluations: async () => recorded,
  packages: async () => [{ name: "numpy", version: "2.4.6", hashes: ["0a".repeat(32)] }],
};

let db: TestDatabase;
let folder: string;
let objects: ObjectStore;
const authorizer = testAuthorizer({ ci: ["*"], data_scientist: ["registry:read"] });
const ci = aCall({ roles: ["ci"], kind: "service_account" });
let made: Digest;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-attestations-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [registryMigrations] });
  made = await objects.put(logisticModel([1, 2], 0.5));
  const at = { environment: "production", useCaseId: "uc_1" } as const;
  await db.uow.write(ci, (tx) => deps().artifacts.note(tx, at, [{ digest: made, kind: "upload" }]));
  await push("delays", "run_7");
});
afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

function deps() {
  const charter = { charterId: "cht_1", digest: aCharter.digest, notEnforced: [] };
  return {
    work: db.uow,
    authorizer,
    objects,
    artifacts: createArtifactCatalogue({ work: db.uow, authorizer, objects, rows: noRows }),
    places: namedPlaces,
    keys,
    clock: db.clock,
    sources,
    released: async (tx: Transaction) => {
      await tx.intend("released", {});
    },
    charters: {
      inForce: async () => ({ ...charter, requiredGates: { tensors: ["accuracy"], text: [] } }),
    },
    runs: {
      find: async () => {
        const { data, code, environmentLock, seed } = aTraining;
        return { model: made, trainingSetId: "ts_1", params: data, data, code, environmentLock, seed };
      },
    },
    evidence: { latest: async () => anEvaluation.gates },
  };
}

async function push(model: string, trainingRunId: string): Promise<void> {
  const lineage = { origin: "trained", trainingRunId } as const;
  const place = { environment: "production", useCaseId: "uc_1" } as const;
  await pushVersion(deps(), ci, { model, artifact: made, lineage, ...place });
}

/** Records an evaluation as made now. */
async function evaluate(change: Partial<EvaluationFacts> = {}): Promise<void> {
  recorded.push({ ...anEvaluation, ...change, evaluatedAt: db.clock.now() });
  await attest();
}

/** The job as a worker runs it: effects that its journal has are not done again, and it is killed before the step of that name. */
async function attest(
  model = "delays",
  { journal = new Map<string, unknown>(), killedBefore = "" } = {},
): Promise<void> {
  await attestJob(deps()).run({
    id: "job_1",
    call: ci,
    payload: { model, version: 1, environment: "production" },
    signal: new AbortController().signal,
    finalAttempt: true,
    effect: async (name, work) => {
      const done: Awaited<ReturnType<typeof work>> = journal.has(name)
        ? JSON.parse(String(journal.get(name)))
        : await work("key");
      journal.set(name, JSON.stringify(done));
      return done;
    },
    step: (name, work) => {
      if (name === killedBefore) throw new Error("killed");
      return db.uow.write(ci, work);
    },
    progress: async () => undefined,
    log: async () => undefined,
  });
}

async function verified(about: RegExp, model = "delays"): Promise<Record<string, unknown>[]> {
  const record = await readVersionRecord(deps(), ci, model, 1);
  const found = record.attestations.filter((one) => about.test(one.about));
  return Promise.all(
    found.map(async ({ digest, signedAt }) => {
      const bundle = await readAttestation(deps(), ci, { model, version: 1, digest });
      const trust = { keys: [key], signedAt: asEpochMicros(signedAt) };
      const verdict = verifyAttestation(bundle, folderOf(record.version), trust);
      expect(verdict.kind).toBe("valid");
      return verdict.kind === "valid" ? { ...verdict.predicate } : {};
    }),
  );
}

test("a trained version has its training attested as SLSA provenance with the digest of everything that went in", async () => {
  await attest();
  const [provenance] = await verified(/^training$/);
  expect(provenance).toMatchObject({
    buildDefinition: {
      externalParameters: { params: aTraining.params, seed: 7, trainingSet: "ts_1" },
      internalParameters: { python: "3.12.4", isolation: "namespaces", networkBlocked: true },
    },
    runDetails: {
      metadata: { startedOn: "2023-11-14T22:13:20Z", finishedOn: "2023-11-14T22:14:20.5Z" },
    },
  });
  const { buildDefinition } = provenance as {
    buildDefinition: { resolvedDependencies: { name: string; digest: { sha256: string } }[] };
  };
  const digests = buildDefinition.resolvedDependencies.map(({ name, digest }) => [name, digest.sha256[0]]);
  expect(Object.fromEntries(digests)).toEqual({
    code: "d",
    "environment-lock": "c",
    "training-set": "e",
    "dataset of flights": "1",
    "feature view routes@3": "3",
    "feature log of routes@3": "4",
  });
});

test("an evaluation and a promotion are attested, and the promotion names what it rests on and who signed the charter", async () => {
  await evaluate();
  const [result] = await verified(/^evaluation\/ev_1$/);
  expect(result).toMatchObject({
    result: "PASSED",
    passedTests: ["accuracy"],
    failedTests: [],
    portolan_evaluation: { metrics: anEvaluation.metrics },
  });
  await promoteVersion(deps(), ci, { model: "delays", version: 1, to: "staging" });
  const intents = async () =>
    (
      await db.database.session((session) =>
        session.query("select * from database.intents where kind = 'released'"),
      )
    ).length;
  const intended = await intents();
  await attest();
  expect(await intents()).toBe(intended + 1);
  const [summary] = await verified(/^promotion[/]/);
  const before = await readAttestations(deps(), ci, "delays", 1);
  const inputs = before.filter(({ about }) => !about.startsWith("promotion"));
  expect(summary).toMatchObject({
    verificationResult: "PASSED",
    verifiedLevels: ["PORTOLAN_STAGING"],
    policy: { digest: { sha256: "6".repeat(64) } },
    inputAttestations: inputs.map(({ digest }) => ({ digest: { sha256: digest.slice("sha256:".length) } })),
    portolan_promotion: { to: "staging", origin: "trained", gates: anEvaluation.gates },
    portolan_approvals: [{ role: "approver_risk", signer: "usr_ron" }],
  });
});

test("a gate that did not pass is a failed test, and without any gate nothing passed", async () => {
  const gates = anEvaluation.gates.map((gate) => ({ ...gate, passed: false }));
  await evaluate({ id: "ev_2", gates });
  await evaluate({ id: "ev_3", gates: [] });
  expect(await verified(/^evaluation\/ev_2$/)).toMatchObject([
    { result: "FAILED", passedTests: [], failedTests: ["accuracy"] },
  ]);
  expect(await verified(/^evaluation\/ev_3$/)).toMatchObject([{ result: "WARNED", passedTests: [] }]);
});

test("each thing is attested once, however often it is asked for, and each attestation is on the ledger", async () => {
  const before = await readAttestations(deps(), ci, "delays", 1);
  await attest();
  await attest();
  expect(await readAttestations(deps(), ci, "delays", 1)).toEqual(before);
  const rows = await db.database.session((session) =>
    session.query<{ event: string }>("select event from ledger.rows"),
  );
  expect(rows.filter(({ event }) => event === "registry.version.attested")).toHaveLength(before.length);
});

test("a record shows the evaluations, newest first", async () => {
  const record = await readVersionRecord(deps(), ci, "delays", 1);
  expect(record.evaluations.map(({ id }) => id)).toEqual(["ev_3", "ev_2", "ev_1"]);
  expect(record).toMatchObject({
    training: { runId: "run_7" },
    packages: [{ name: "numpy" }],
    charter: { id: "cht_1" },
    promotions: [{ to: "staging", charterId: "cht_1" }],
  });
});

test("a promotion to dev says that no gate was judged, and names no charter", async () => {
  await promoteVersion(deps(), ci, { model: "delays", version: 1, to: "dev" });
  await attest();
  const { promotions } = await readVersionRecord(deps(), ci, "delays", 1);
  expect(promotions.map(({ number, to, gates }) => [number, to, gates])).toEqual([
    [1, "staging", anEvaluation.gates],
    [2, "dev", []],
  ]);
  expect(await verified(/^promotion[/]2$/)).toMatchObject([
    {
      verifiedLevels: ["PORTOLAN_DEV"],
      policy: { uri: "urn:portolan:policy:dev" },
      portolan_promotion: { number: 2, gates: [] },
      portolan_approvals: [],
    },
  ]);
});

test("a promotion does not rest on an evaluation that came after it", async () => {
  await promoteVersion(deps(), ci, { model: "delays", version: 1, to: "dev" });
  await evaluate({ id: "ev_late" });
  const all = await readAttestations(deps(), ci, "delays", 1);
  const late = all.find(({ about }) => about === "evaluation/ev_late");
  const [summary] = await verified(/^promotion[/]3$/);
  const inputs = JSON.stringify(summary?.["inputAttestations"]);
  expect(inputs).not.toContain(late?.digest.slice("sha256:".length));
  expect(inputs).toContain("evaluation%2Fev_1");
});

test("what a gateway is told of a version is what its newest promotion to that environment rests on", async () => {
  const { organisationId } = ci.actor;
  const asked = [
    { name: "delays", version: 1 },
    { name: "unknown", version: 1 },
  ];
  const find = (environment: "staging" | "production", organisation: string = organisationId) =>
    db.uow.read(ci, (sql) => findReleaseAttestations(sql, organisation, environment, asked));
  expect(await find("production")).toEqual(new Map());
  expect(await find("staging", "org_other")).toEqual(new Map());
  const found = await find("staging");
  expect([...found.keys()]).toEqual(["delays/1"]);
  const about = (found.get("delays/1") ?? []).map((one) => one.about);
  expect(about).toContain("training");
  expect(about.at(-1)).toBe("promotion/1");
  expect(about).not.toContain("evaluation/ev_late");
  const { version } = await readVersionRecord(deps(), ci, "delays", 1);
  const statements = await Promise.all(
    (found.get("delays/1") ?? []).map(async ({ digest, signedAt }) => {
      const trust = { keys: [key], signedAt: asEpochMicros(signedAt) };
      const verdict = verifyAttestation(await objects.get(digest as Digest), folderOf(version), trust);
      if (verdict.kind === "invalid") throw new Error(verdict.reason);
      return { ...verdict, digest };
    }),
  );
  const release = { organisationId, model: "delays", version: 1 };
  expect(missingEvidence(statements, { ...release, environment: "staging" })).toEqual([]);
  expect(missingEvidence(statements, { ...release, environment: "production" })).not.toEqual([]);
});

test("a promotion names what was published, though jobs that signed something else are killed and resume", async () => {
  await push("resumed", "run_7");
  const [first, second] = [new Map<string, unknown>(), new Map<string, unknown>()];
  const killed = { killedBefore: "publish inputs" };
  await expect(attest("resumed", { journal: first, ...killed })).rejects.toThrow("killed");
  await promoteVersion(deps(), ci, { model: "resumed", version: 1, to: "staging" });
  await expect(attest("resumed", { journal: second, ...killed })).rejects.toThrow("killed");
  await Promise.all([attest("resumed", { journal: first }), attest("resumed", { journal: second })]);
  const published = await readAttestations(deps(), ci, "resumed", 1);
  expect(published.map(({ about }) => about).filter((about) => !about.startsWith("evaluation"))).toEqual([
    "training",
    "promotion/1",
  ]);
  const [summary] = await verified(/^promotion/, "resumed");
  const inputs = summary?.["inputAttestations"] as { digest: { sha256: string } }[];
  expect(inputs.map(({ digest }) => `sha256:${digest.sha256}`)).toEqual(
    published.filter(({ about }) => !about.startsWith("promotion")).map(({ digest }) => digest),
  );
});

test("parameters and metrics of megabytes are stated by their digest, so that the statement opens", async () => {
  await push("large", "run_large");
  await attest("large");
  const digest = { sha256: digestHex(digestJson(manyParams)) };
  expect(await verified(/^training$/, "large")).toMatchObject([
    {
      buildDefinition: { externalParameters: { params: { digest }, seed: 7 } },
      runDetails: { portolan_metrics: { digest } },
    },
  ]);
});

test("a statement that nobody would open is not signed", async () => {
  const statement = statementOf(new Uint8Array(800_000));
  await expect(sealStatement(deps(), statement)).rejects.toMatchObject({ code: "kernel.internal" });
});

test("whoever may not see the version sees none of it, in the words for one that does not exist", async () => {
  const stranger = aCall({ roles: [] });
  const refusals = [
    readAttestations(deps(), stranger, "delays", 1),
    readVersionRecord(deps(), stranger, "delays", 1),
    readAttestation(deps(), stranger, { model: "delays", version: 1, digest: made }),
    requestAttestation(deps(), stranger, { model: "delays", version: 1, environment: "dev" }),
  ];
  for (const refusal of refusals)
    await expect(refusal).rejects.toMatchObject({ code: "registry.version_not_found" });
  const reader = aCall({ roles: ["data_scientist"] });
  const asked = { model: "delays", version: 1, environment: "production" } as const;
  await expect(requestAttestation(deps(), reader, asked)).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  const other = { model: "delays", version: 1, digest: made };
  await expect(readAttestation(deps(), ci, other)).rejects.toMatchObject({
    code: "registry.artifact_not_found",
  });
});
