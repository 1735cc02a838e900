import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  asEpochMicros,
  type CallContext,
  type Digest,
  digestBytes,
  digestHex,
  type EnvironmentPlace,
  type KeyRing,
  messageOf,
  type ObjectStore,
  type SigningKey,
  systemClock,
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
import { upstreamFileName } from "../src/contract.ts";
import {
  createArtifactCatalogue,
  findLoadedBytes,
  type MeasureDeps,
  measureJob,
  promoteVersion,
  pushVersion,
  readVersion,
  registerUpstream,
  registryMigrations,
} from "../src/index.ts";
import { readUpstream, verifyModelBundle } from "../src/policy.ts";
import type { GateEvidence, GoverningCharter } from "../src/ports.ts";

const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const key: SigningKey = {
  id: "sgk_test",
  purpose: "model",
  algorithm: "ecdsa-p256",
  publicKeyPem: pem(pair.publicKey),
  validFrom: asEpochMicros(0),
};
const keys: KeyRing = {
  current: async () => key,
  find: async () => key,
  sign: async (_id, bytes) => sign("sha256", bytes, pair.privateKey),
};

let db: TestDatabase;
let folder: string;
let objects: ObjectStore;
const charters = new Map<string, GoverningCharter>();
const gates = new Map<string, Awaited<ReturnType<GateEvidence["latest"]>>>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "portolan-registry-"));
  objects = await openFolderObjectStore(folder, systemClock);
  db = await openTestDatabase({ migrations: [registryMigrations] });
});

afterAll(async () => {
  await db.close();
  await rm(folder, { recursive: true });
});

const authorizer = testAuthorizer({ ci: ["*"], data_scientist: ["registry:read"] });
const asCi = () => aCall({ roles: ["ci"], kind: "service_account" });

function deps() {
  return {
    work: db.uow,
    authorizer,
    objects,
    artifacts: createArtifactCatalogue({ work: db.uow, authorizer, objects, rows: noRows }),
    places: namedPlaces,
    keys,
    clock: db.clock,
    charters: { inForce: async (_sql: unknown, useCaseId: string) => charters.get(useCaseId) },
    runs: {
      find: async () => {
        const made = { data: digest, code: digest, params: digest, environmentLock: digest };
        return { model: lastArtifact, trainingSetId: "ts_1", seed: 7, ...made };
      },
    },
    evidence: { latest: async (_sql: unknown, versionId: string) => gates.get(versionId) ?? [] },
  };
}

const someCharter: GoverningCharter = {
  charterId: "cht_1",
  digest: `sha256:${"a".repeat(64)}`,
  requiredGates: { tensors: ["accuracy"], text: ["accuracy"] },
  notEnforced: [],
};

const digest = `sha256:${"b".repeat(64)}`;
let lastArtifact = "";

/** Stored, and held by the caller's organisation in a place, as after an upload. */
async function held(call: CallContext, at: EnvironmentPlace, bytes: Uint8Array) {
  const digest = await objects.put(bytes);
  await db.uow.write(call, (tx) => deps().artifacts.note(tx, at, [{ digest, kind: "upload" }]));
  return digest;
}

async function push(
  change: { model?: string; useCaseId?: string; weights?: number[]; call?: CallContext; dev?: boolean } = {},
) {
  const call = change.call ?? asCi();
  const place = {
    environment: change.dev ? "dev" : "production",
    useCaseId: change.useCaseId ?? "uc_flights",
  } as const;
  const artifact = await held(call, place, logisticModel(change.weights ?? [1, 2], 0.5));
  lastArtifact = artifact;
  return pushVersion(deps(), call, {
    model: change.model ?? "flight-delays",
    artifact,
    lineage: { origin: "trained", trainingRunId: "run_1" },
    ...place,
  });
}

test("a pushed version carries its signature, its signed bundle and its lineage, and pushing again changes nothing", async () => {
  charters.set("uc_flights", someCharter);
  const first = await push();
  expect(first).toMatchObject({ version: 1, lineage: { charterId: "cht_1", seed: 7 }, stages: [] });
  expect(first.signature).toEqual({
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    outputs: [{ name: "score", datatype: "FP32", shape: [-1, 1] }],
  });
  expect(await push()).toEqual(first);
  expect((await push({ weights: [3, 4] })).version).toBe(2);

  const bytes = await objects.get(digestBytes(logisticModel([1, 2], 0.5)));
  const bundle = await objects.get(first.bundle as typeof key.id & Parameters<ObjectStore["get"]>[0]);
  const files = [{ name: "model.onnx", sha256: digestHex(digestBytes(bytes)) }];
  const signedAt = asEpochMicros(first.signedAt);
  expect(verifyModelBundle(bundle, { files, signedAt, keys: [key] }).kind).toBe("valid");
});

test("without a signed charter a version is refused outside dev, and a dev version cannot leave dev", async () => {
  await expect(push({ model: "poc", useCaseId: "uc_poc" })).rejects.toMatchObject({
    code: "registry.charter_missing",
  });
  const poc = await push({ model: "poc", useCaseId: "uc_poc", dev: true });
  const request = { model: "poc", version: poc.version, to: "staging" } as const;
  await expect(promoteVersion(deps(), asCi(), request)).rejects.toMatchObject({
    code: "registry.charter_missing",
  });
});

test("promotion walks dev, staging, production with the same digest, and only with its gates passed (G4)", async () => {
  charters.set("uc_walk", someCharter);
  const version = await push({ model: "walk", useCaseId: "uc_walk" });
  const to = (environment: "staging" | "production") =>
    promoteVersion(deps(), asCi(), { model: "walk", version: version.version, to: environment });
  expect(await to("staging")).toMatchObject({
    kind: "blocked",
    failures: [{ gate: "accuracy", observed: "not evaluated" }],
  });
  gates.set(version.id, [{ gate: "accuracy", passed: true, observed: "0.7", required: "0.6" }]);
  expect(await to("production")).toMatchObject({ kind: "blocked", failures: [{ gate: "staging-first" }] });
  expect(await to("staging")).toEqual({ kind: "promoted", to: "staging" });
  expect(await to("production")).toEqual({ kind: "promoted", to: "production" });
  const read = await readVersion(deps(), asCi(), "walk", version.version);
  expect(read.stages.toSorted()).toEqual(["production", "staging"]);
  expect(read.artifact).toBe(version.artifact);
});

test("who may not push is refused before anything is stored, and a stranger sees the 404 of a missing version", async () => {
  const scientist = aCall({ roles: ["data_scientist"] });
  await expect(push({ call: scientist })).rejects.toMatchObject({ code: "identity.forbidden" });
  const stranger = aCall({ roles: [] });
  const refusal = (version: number) =>
    readVersion(deps(), stranger, "walk", version).then(() => "shown", messageOf);
  expect(await refusal(1)).toBe((await refusal(99)).replace("99", "1"));
  expect(await refusal(1)).not.toBe("shown");
});

test("every push and promotion, blocked ones too, left its ledger row (G6)", async () => {
  const rows = await db.database.session((session) =>
    session.query<{ event: string }>("select event from ledger.rows"),
  );
  const events = rows.map((row) => row.event);
  expect(events.filter((event) => event === "registry.version.created")).toHaveLength(4);
  expect(events.filter((event) => event === "registry.version.confirmed")).toHaveLength(1);
  expect(events.filter((event) => event === "registry.version.promotion_blocked")).toHaveLength(2);
  expect(events.filter((event) => event === "registry.version.promoted")).toHaveLength(2);
});

test("an artifact that is no ONNX file, or was never uploaded, is refused with the reason", async () => {
  charters.set("uc_bad", someCharter);
  const place = { environment: "production", useCaseId: "uc_bad" } as const;
  const artifact = await held(asCi(), place, new TextEncoder().encode("import os; os.system('x')"));
  const request = {
    model: "bad",
    useCaseId: "uc_bad",
    artifact,
    lineage: { origin: "imported" },
    environment: "production",
  } as const;
  await expect(pushVersion(deps(), asCi(), request)).rejects.toMatchObject({ code: /^onnx_format\./ });
  const absent = { ...request, artifact: `sha256:${"0".repeat(64)}` };
  await expect(pushVersion(deps(), asCi(), absent)).rejects.toMatchObject({
    code: "registry.artifact_not_found",
  });
});

test("nobody calls a file trained that no run of this platform made, and the record's figures win over a caller's", async () => {
  charters.set("uc_claims", someCharter);
  const place = { environment: "production", useCaseId: "uc_claims" } as const;
  const artifact = await held(asCi(), place, logisticModel([9, 9], 0));
  const claim = { origin: "trained", trainingRunId: "run_1", seed: 1 } as const;
  const request = { model: "claims", useCaseId: "uc_claims", artifact, environment: "production" } as const;
  lastArtifact = digest;
  await expect(pushVersion(deps(), asCi(), { ...request, lineage: claim })).rejects.toMatchObject({
    code: "registry.lineage_unproved",
  });
  lastArtifact = artifact;
  const version = await pushVersion(deps(), asCi(), { ...request, lineage: claim });
  expect(version.lineage).toMatchObject({ seed: 7, trainingSetId: "ts_1", data: digest });
});

function pem(publicKey: KeyObject): string {
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}

test("bytes that another environment or use case holds become no version, as if they did not exist", async () => {
  charters.set("uc_walls", someCharter);
  const bytes = logisticModel([4, 4], 0);
  const artifact = await held(asCi(), { environment: "dev", useCaseId: "uc_walls" }, bytes);
  await held(asCi(), { environment: "production", useCaseId: "uc_other" }, bytes);
  const request = { model: "walls", useCaseId: "uc_walls", lineage: { origin: "imported" } } as const;
  const refusal = async (digest: string) => {
    const push = pushVersion(deps(), asCi(), { ...request, artifact: digest, environment: "production" });
    const error = await push.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "registry.artifact_not_found" });
    return messageOf(error).replace(digest, "-");
  };
  expect(await refusal(artifact)).toBe(await refusal(`sha256:${"0".repeat(64)}`));
  await pushVersion(deps(), asCi(), { ...request, artifact, environment: "dev" });
});

test("a promotion gives the environment its own reference to the same digest", async () => {
  charters.set("uc_moves", someCharter);
  const version = await push({ model: "moves", useCaseId: "uc_moves", weights: [5, 5], dev: true });
  gates.set(version.id, [{ gate: "accuracy", passed: true, observed: "1", required: "0" }]);
  const { artifacts } = deps();
  const inStaging = () =>
    artifacts.require(asCi(), version.artifact, { environment: "staging", useCaseId: "uc_moves" });
  await expect(inStaging()).rejects.toMatchObject({ code: "registry.artifact_not_found" });
  await promoteVersion(deps(), asCi(), { model: "moves", version: version.version, to: "staging" });
  expect(await inStaging()).toBe(version.artifact);
});

test("a version that another server runs is a signed description of where, with what that server says of itself", async () => {
  charters.set("uc_flights", someCharter);
  const upstream = {
    protocol: "open-inference" as const,
    url: "https://triton.example",
    model: "delays",
    region: "eu-central-1",
    owner: "self",
    credential: "triton",
  };
  const asked: unknown[] = [];
  let signature = {
    inputs: [{ name: "x", datatype: "BF16" as const, shape: [-1, 2] }],
    outputs: [{ name: "y", datatype: "FP32" as const, shape: [-1, 1] }],
  };
  const describe = async (stated: unknown) => {
    asked.push(stated);
    return { signature, binaryTensors: true };
  };
  const register = (call = asCi()) =>
    registerUpstream({ ...deps(), upstreams: { describe } }, call, {
      model: "elsewhere",
      useCaseId: "uc_flights",
      upstream,
      environment: "production",
    });
  await expect(register(aCall({ roles: ["data_scientist"] }))).rejects.toMatchObject({
    code: "identity.forbidden",
  });
  expect(asked, "whoever may not register has nobody asked").toEqual([]);
  const first = await register();
  expect(first).toMatchObject({ version: 1, signature, lineage: { origin: "imported", upstream } });
  expect(await register()).toEqual(first);
  const bytes = await objects.get(first.artifact as Digest);
  expect(readUpstream(bytes)).toMatchObject({ ...upstream, signature, binaryTensors: true });
  const verdict = verifyModelBundle(await objects.get(first.bundle as Digest), {
    files: [{ name: upstreamFileName, sha256: digestHex(first.artifact as Digest) }],
    signedAt: asEpochMicros(first.signedAt),
    keys: [await keys.current("model")],
  });
  expect(verdict.kind).toBe("valid");
  signature = { ...signature, outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }] };
  expect((await register()).version, "another signature is another version").toBe(2);
});

test("what a version takes in memory is known once it was measured, by version and to its own organisation", async () => {
  charters.set("uc_memory", someCharter);
  const call = asCi();
  const first = await push({ model: "heavy", useCaseId: "uc_memory", call });
  await push({ model: "heavy", useCaseId: "uc_memory", weights: [5, 6], call });
  const measurer: MeasureDeps["measurer"] = {
    measure: async (model) => ({
      format: 1,
      artifact: model,
      runtime: "onnxruntime-node 1.30.0",
      threads: 1,
      machine: { cpu: "x", cores: 1, architecture: "x64", gpus: [], loadAverage: 0 },
      loadMicros: 1,
      single: { runs: 1, p50Micros: 1, p95Micros: 1, cpuMicros: 1 },
      batches: [],
      memory: { modelBytes: first.sizeBytes, loadedBytes: 240_000_000, peakBytes: 300_000_000 },
    }),
  };
  const asked = [1, 2, 9].map((version) => ({ name: "heavy", version }));
  const known = (organisationId: string) =>
    db.uow.read(call, (sql) => findLoadedBytes(sql, organisationId, asked));
  expect(await known(call.actor.organisationId)).toEqual(new Map());
  await measureJob({ ...deps(), measurer }).run({
    id: "job_1",
    call,
    payload: { model: "heavy", version: 1, environment: "production" },
    signal: new AbortController().signal,
    finalAttempt: true,
    effect: (_name, work) => work("key"),
    step: (_name, work) => db.uow.write(call, work),
    progress: async () => undefined,
    log: async () => undefined,
  });
  expect(await known(call.actor.organisationId)).toEqual(new Map([["heavy/1", 240_000_000]]));
  expect(await known("org_other")).toEqual(new Map());
});
