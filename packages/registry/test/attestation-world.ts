import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  asEpochMicros,
  type Digest,
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
import { afterAll, beforeAll, expect } from "vitest";
import type { DecisionFacts, DeploymentFacts, EvaluationFacts } from "../src/contract.ts";
import {
  attestJob,
  createArtifactCatalogue,
  pushVersion,
  readAttestation,
  registryMigrations,
  type VersionSources,
} from "../src/index.ts";
import { verifyAttestation } from "../src/policy.ts";
import { folderOf } from "../src/provenance/attest-version.ts";
import { readVersionRecord } from "../src/provenance/read-record.ts";
import { aCharter, anEvaluation, aTraining, aTrainingSet } from "./record-fixture.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
export const key: SigningKey = {
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
export const recorded: EvaluationFacts[] = [];
export const manyParams = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`parameter-${i}`, i]));
/** What was decided about `delays`, and how it was served. */
export const decided: DecisionFacts[] = [];
export const deployed: DeploymentFacts[] = [];
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
  decisions: async (_sql, _organisation, { model }) => (model === "delays" ? decided : []),
  deployments: async (_sql, _organisation, { model }) => (model === "delays" ? deployed : []),
  packages: async () => [{ name: "numpy", version: "2.4.6", hashes: ["0a".repeat(32)] }],
};

export let db: TestDatabase;
let folder: string;
export let objects: ObjectStore;
const authorizer = testAuthorizer({ ci: ["*"], data_scientist: ["registry:read"] });
export const ci = aCall({ roles: ["ci"], kind: "service_account" });
export let made: Digest;

export function deps() {
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

export async function push(model: string, trainingRunId: string): Promise<void> {
  const lineage = { origin: "trained", trainingRunId } as const;
  const place = { environment: "production", useCaseId: "uc_1" } as const;
  await pushVersion(deps(), ci, { model, artifact: made, lineage, ...place });
}

/** Records an evaluation as made now. */
export async function evaluate(change: Partial<EvaluationFacts> = {}): Promise<void> {
  recorded.push({ ...anEvaluation, ...change, evaluatedAt: db.clock.now() });
  await attest();
}

/** The job as a worker runs it: effects that its journal has are not done again, and it is killed before the step of that name. */
export async function attest(
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

export async function verified(about: RegExp, model = "delays"): Promise<Record<string, unknown>[]> {
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

/** For a test file, at its top: files share this module, and hooks are of the file that registers them. */
export function openAttestationWorld(): void {
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
}
