import { generateKeyPairSync, sign } from "node:crypto";
import {
  asEpochMicros,
  createLogger,
  digestBytes,
  environments,
  type KeyRing,
  type ObjectStore,
  type SigningKey,
  systemClock,
} from "@portolan/kernel";
import { type TestDatabase, testAuthorizer } from "@portolan/testkit";
import { Type } from "@portolan/typebox";
import { createSnapshotPublisher, type PublishDeps } from "../src/index.ts";
import type { CharterInForce, DeployableModel } from "../src/ports.ts";

const pair = generateKeyPairSync("ed25519");
export const snapshotKey: SigningKey = {
  id: "sgk_test",
  purpose: "snapshot",
  algorithm: "ed25519",
  publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
  validFrom: asEpochMicros(0),
};
export const keyRing: KeyRing = {
  current: async () => snapshotKey,
  find: async () => snapshotKey,
  sign: async (_id, bytes) => sign(null, bytes, pair.privateKey),
};

const tensor = { name: "x", datatype: "FP32" as const, shape: [-1, 2] };
/** `score/1` of the use case `uc_1`. */
export const model: DeployableModel = {
  useCaseId: "uc_1",
  stages: [],
  reference: {
    name: "score",
    version: 1,
    digest: digestBytes(Buffer.from("model")),
    sizeBytes: 5,
    bundle: { digest: digestBytes(Buffer.from("bundle")), signedAt: 1 },
    signature: { inputs: [tensor], outputs: [{ ...tensor, name: "y" }] },
    origin: "trained",
  },
};

export const location = { region: "local", owner: "self" };
export const noCharter: CharterInForce = { inForce: async () => undefined };

/** What deployments need, of the one use case `uc_1` and the one model `score`. */
export function deployDeps(db: TestDatabase) {
  return {
    work: db.uow,
    authorizer: testAuthorizer({ ml_engineer: ["serving:deploy"] }),
    clock: systemClock,
    useCases: { find: async () => ({ useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null }) },
    charters: noCharter,
    views: { onDemand: async () => undefined, texts: async () => [] },
    compute: { judge: async () => null },
    models: { find: async (_call: unknown, name: string) => (name === "score" ? model : undefined) },
    location,
  };
}

/** A publisher over real tables, objects and signatures; grants name endpoints, which is enough here. */
export function publisherOf(db: TestDatabase, objects: ObjectStore, over: Partial<PublishDeps> = {}) {
  return createSnapshotPublisher({
    work: db.uow,
    clock: systemClock,
    objects,
    keyRing,
    log: createLogger({ name: "serving", level: "silent" }),
    grants: {
      shape: Type.Object({ environment: Type.String(), endpoints: Type.Array(Type.String()) }),
      read: async (_org, endpoints) =>
        environments.map((environment) => ({
          environment,
          grants: {
            environment,
            endpoints: endpoints.filter((e) => e.environment === environment).map((e) => e.endpoint),
          },
        })),
    },
    profiles: { find: async () => new Map() },
    memory: { find: async () => new Map() },
    attestations: { find: async () => new Map() },
    flags: { inForce: async () => new Map() },
    keys: { list: async (purpose) => (purpose === "snapshot" ? [snapshotKey] : []) },
    charters: noCharter,
    location,
    refreshAfterMs: 60_000,
    ...over,
  });
}
