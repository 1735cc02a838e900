import { readFileSync } from "node:fs";
import { digestJson } from "@portolan/kernel";
import { type TSchema, Type } from "@portolan/typebox";
import { expect, test } from "vitest";
import { deriveRoute } from "../derive-route.ts";
import { buildSnapshot } from "./build-snapshot.ts";
import { fitTo } from "./misfit.ts";
import type { ModelReference, Placement, Route, SnapshotPart } from "./schema.ts";
import { isSupplement, readSupplement, withSupplements } from "./supplements.ts";
import { partReader, readRoutesPart } from "./verify-snapshot.ts";

/** The schemas by which gateways read snapshots before the memory of models was in them, all closed. */
const before = JSON.parse(
  readFileSync(new URL("../../test/gateway-without-memory.json", import.meta.url), "utf8"),
) as { readonly routes: TSchema; readonly manifest: TSchema };
const readRoutesBefore = partReader(Type.Unsafe<{ routes: Route[] }>(before.routes));
const fitManifestBefore = fitTo(before.manifest);

const model: ModelReference = {
  name: "delays",
  version: 1,
  digest: digestJson("model"),
  sizeBytes: 1,
  bundle: { digest: digestJson("bundle"), signedAt: 1 },
  signature: { inputs: [], outputs: [] },
  origin: "trained",
};
const memory = [{ digest: model.digest, loadedBytes: 240_000_000 }];
const statements = [{ digest: digestJson("statement"), signedAt: 2 }];
const attested: ModelReference = { ...model, attestations: statements };
const abroad: Placement = { regions: ["eu-*"], owners: null };

function route(endpoint: string, over: Partial<Route> = {}): Route {
  const ids = { organisationId: "org_1", endpointId: "ep_1", deploymentId: "dep_1", name: endpoint };
  const deployment = { useCaseId: "uc_1", environment: "dev", model: "delays", version: 1 } as const;
  const useCase = { useCaseId: "uc_1", businessUnitId: "bu_1", teamId: null };
  const nothing = { charter: undefined, previous: null, secondary: null, variants: [], backends: undefined };
  return { ...deriveRoute(ids, deployment, { useCase, model, ...nothing }), ...over };
}

function publish(routes: readonly Route[]) {
  const grants = [{ environment: "dev" as const, grants: {} }];
  const unsigned = async () => ({ keyId: "sgk_1", signature: new Uint8Array() });
  return buildSnapshot({ organisationId: "org_1", routes, grants, keys: [] }, 1, 1, unsigned);
}

test("gateways from before anything was said of models beside their routes read the snapshots of today", async () => {
  const routes = [
    route("a", { memory }),
    route("b", { memory, placement: abroad }),
    route("c", { model: attested }),
  ];
  // The check bites: their schema refuses what a route says of memory.
  expect(fitTo(before.routes)({ routes: [route("a")] }).kind).toBe("fits");
  expect(fitTo(before.routes)({ routes }).kind).toBe("misfit");
  const { manifest, built } = await publish(routes);
  expect(fitManifestBefore(manifest).kind).toBe("fits");
  const seen: string[] = [];
  // As they do: a part of routes that names no environment is passed over.
  for (const part of manifest.parts.filter(({ kind, environment }) => kind === "routes" && environment)) {
    const read = readRoutesBefore(bytesOf(built.bytes, part), part);
    if (read.kind === "bad") throw new Error(read.detail);
    seen.push(...read.value.routes.map(({ endpoint }) => endpoint));
  }
  expect(seen.toSorted()).toEqual(["a", "b", "c"]);
  expect(manifest.parts.find(({ kind }) => kind === "keys")?.environment).toBeUndefined();
});

test("gateways of today find beside their routes what was measured and attested, for each placement apart", async () => {
  const other = { digest: digestJson("other"), loadedBytes: 7 };
  const routes = [
    route("a", { memory, model: attested }),
    route("b", { memory: [other], placement: abroad, model: { ...model, digest: other.digest } }),
  ];
  const { manifest, built } = await publish(routes);
  const parts = manifest.parts.filter(isSupplement);
  const said = parts.map((part) => {
    const read = readSupplement(bytesOf(built.bytes, part), part);
    return read.kind === "part" ? [part.placement, read.value] : read.detail;
  });
  expect(said).toEqual([
    [undefined, { memory }],
    [undefined, { attestations: [{ environment: "dev", model: "delays", version: 1, statements }] }],
    [abroad, { memory: [other] }],
  ]);
  const travelled = manifest.parts
    .filter((part) => part.kind === "routes" && !isSupplement(part))
    .flatMap((part) => {
      const read = readRoutesPart(bytesOf(built.bytes, part), part);
      return read.kind === "part" ? read.value.routes : [];
    });
  expect(travelled.map((one) => one.memory)).toEqual([undefined, undefined]);
  expect(travelled.map((one) => one.model.attestations)).toEqual([undefined, undefined]);
  const supplements = manifest.parts.filter(isSupplement).flatMap((part) => {
    const read = readSupplement(bytesOf(built.bytes, part), part);
    return read.kind === "part" ? [read.value] : [];
  });
  // Both routes run version 1 of one model, and what is attested of it is attested of it in both.
  expect(withSupplements(travelled, supplements).map((one) => [one.memory, one.model.attestations])).toEqual([
    [memory, statements],
    [[other], statements],
  ]);
});

test("where nothing is known there is no part for it", async () => {
  const { manifest } = await publish([route("a")]);
  expect(manifest.parts.map(({ kind }) => kind)).toEqual(["routes", "identity", "keys"]);
});

function bytesOf(bytes: ReadonlyMap<string, Uint8Array>, { digest }: SnapshotPart): Uint8Array {
  return bytes.get(digest) ?? new Uint8Array();
}

test("flags travel beside the routes, and come back to their endpoint alone", async () => {
  const flags: Route["flags"] = [
    { key: "new-form", seed: "flg_1", default: false, enabled: true, rules: [], split: [], sticky: "entity" },
  ];
  const routes = [route("a", { endpointId: "ep_a", flags }), route("b", { endpointId: "ep_b" })];
  const { manifest, built } = await publish(routes);
  const parts = manifest.parts.filter(isSupplement);
  expect(parts).toHaveLength(1);
  const read = parts.map((part) => readSupplement(built.bytes.get(part.digest) ?? new Uint8Array(), part));
  const supplements = read.flatMap((one) => (one.kind === "part" ? [one.value] : []));
  const bare = [route("a", { endpointId: "ep_a" }), route("b", { endpointId: "ep_b" })];
  expect(withSupplements(bare, supplements)).toEqual(routes);
});

test("versions that end alone are told beside the routes: gateways of before read each route as if none did", async () => {
  const ends = { announcedAt: 1, endsAt: 2 };
  const retiring: NonNullable<Route["retiring"]> = [{ model: "delays", version: 1, ...ends }];
  const routes = [route("a", { endpointId: "ep_a", retiring }), route("b", { endpointId: "ep_b" })];
  // The check bites: of a route that says it they would refuse the whole part, and with it what others' halts take away.
  expect(fitTo(before.routes)({ routes }).kind).toBe("misfit");
  const { manifest, built } = await publish(routes);
  const own = manifest.parts.filter((part) => part.kind === "routes" && !isSupplement(part));
  const travelled = own.flatMap((part) => {
    const read = readRoutesBefore(bytesOf(built.bytes, part), part);
    if (read.kind === "bad") throw new Error(read.detail);
    return read.value.routes;
  });
  expect(travelled.map(({ endpoint }) => endpoint)).toEqual(["a", "b"]);
  const supplements = manifest.parts.filter(isSupplement).flatMap((part) => {
    const read = readSupplement(bytesOf(built.bytes, part), part);
    return read.kind === "part" ? [read.value] : [];
  });
  expect(supplements).toEqual([{ retiring: [{ endpointId: "ep_a", versions: retiring }] }]);
  expect(withSupplements(travelled, supplements)).toEqual(routes);
});
