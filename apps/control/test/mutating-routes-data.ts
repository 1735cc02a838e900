import { parseInstant } from "@portolan/kernel";
import { must } from "./api.ts";
import { known, type MutatingRoute } from "./mutating-world.ts";

const contract = `apiVersion: v3.1.0
kind: DataContract
id: visits
name: Visits
version: 1.0.0
status: active
description:
  purpose: Visits of a place, for tests.
servers:
  - server: local
    type: local
    path: visits
schema:
  - name: visits
    logicalType: object
    customProperties:
      - property: portolan.eventTime
        value: seen_at
    properties:
      - name: seen_at
        logicalType: timestamp
        required: true
      - name: place
        logicalType: string
        required: true
      - name: wait
        logicalType: integer
        required: true
`;
const view = `apiVersion: portolan/v1
kind: FeatureView
name: visits-by-place
version: 1
description: How long people waited here in the last hours.
source: visits
entity:
  - name: place
    column: place
eventTime: seen_at
available: seen_at + 1min
ttl: 24h
features:
  - { name: visits_3h, aggregate: count, window: 3h }
  - { name: wait_3h, aggregate: mean, of: wait, window: 3h }
`;
const rows = Array.from({ length: 48 }, (_, n) => {
  const at = new Intl.NumberFormat("en", { minimumIntegerDigits: 2 });
  return `2026-03-0${1 + Math.floor(n / 24)}T${at.format(n % 24)}:00:00Z,${n % 2 === 0 ? "north" : "south"},${(n * 7) % 30}`;
});
const csv = `seen_at,place,wait\n${rows.join("\n")}\n`;

/** Contracts, ingestion, features and training. */
export const dataRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/artifacts",
    as: "max",
    ledger: "recorded",
    // Bytes that nothing refers to yet; what comes to refer to them is governed.
    events: [],
    request: () => ({ url: "/v1/artifacts", body: Buffer.from(csv) }),
    learn: (body, world) => void world.known.set("csv", String(body["digest"])),
  },
  {
    route: "PUT /v1/contracts/:name",
    as: "max",
    ledger: "governed",
    events: ["data.contract.published"],
    request: () => ({ url: "/v1/contracts/visits", body: { document: contract } }),
  },
  {
    route: "POST /v1/ingestions",
    as: "max",
    ledger: "governed",
    events: ["data.ingestion.started"],
    request: (world) => ({
      url: "/v1/ingestions",
      body: {
        contract: "visits",
        environment: "dev",
        sources: [{ object: known(world, "csv"), format: "csv" }],
      },
    }),
    learn: async (_, { control }) => control.runJobs(control.jobs.data),
  },
  {
    route: "PUT /v1/feature-views/:name",
    as: "max",
    ledger: "governed",
    events: ["features.view.published"],
    request: () => ({ url: "/v1/feature-views/visits-by-place", body: { document: view } }),
  },
  {
    route: "POST /v1/feature-views/:name/materializations",
    as: "max",
    ledger: "governed",
    events: ["features.materialization.started"],
    request: () => ({
      url: "/v1/feature-views/visits-by-place/materializations",
      body: { environment: "dev", asOf: parseInstant("2026-03-03T00:00:00Z") },
    }),
  },
  {
    route: "POST /v1/training-sets",
    as: "max",
    ledger: "governed",
    events: ["features.training_set.started"],
    request: () => ({
      url: "/v1/training-sets",
      body: {
        name: "waits",
        environment: "dev",
        contract: "visits",
        from: parseInstant("2026-03-01T06:00:00Z"),
        to: parseInstant("2026-03-03T00:00:00Z"),
        views: [{ view: "visits-by-place", entity: { place: "place" } }],
        request: [],
        label: { name: "long", expression: "wait > 10" },
      },
    }),
    learn: async (body, { control, known: ids }) => {
      ids.set("trainingSet", String(body["id"]));
      await control.runJobs(control.jobs.data);
    },
  },
  {
    route: "POST /v1/training-runs",
    as: "max",
    ledger: "governed",
    events: ["training.run.started"],
    request: async (world) => {
      const max = await world.api.token("max");
      const code = await must(world.api, "POST", "/v1/artifacts", Buffer.from("print('train')\n"), max);
      const lock = await must(world.api, "POST", "/v1/artifacts", Buffer.from("# nothing\n"), max);
      return {
        url: "/v1/training-runs",
        body: {
          environment: "dev",
          trainingSetId: known(world, "trainingSet"),
          code: code["digest"],
          locks: { "3.12": lock["digest"] },
          params: {},
          seed: 7,
        },
      };
    },
  },
  {
    route: "POST /v1/jobs/:id/cancellation",
    as: "max",
    ledger: "governed",
    events: ["jobs.cancellation.requested"],
    request: async (world) => {
      const max = await world.api.token("max");
      const { jobs } = await must(world.api, "GET", "/v1/jobs?limit=1", undefined, max);
      const [newest] = jobs as { id: string }[];
      return { url: `/v1/jobs/${newest?.id ?? "none"}/cancellation` };
    },
  },
];
