import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adviceId } from "@portolan/advice/policy";
import { type Id, parseInstant } from "@portolan/kernel";
import { aCall } from "@portolan/testkit";
import { must } from "./api.ts";
import { sha256 } from "./environment-route.ts";
import { lineageEvent } from "./lineage-event.ts";
import { idleRoutes } from "./mutating-routes-idle.ts";
import { trackingRoutes } from "./mutating-routes-tracking.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";
import { visitsContract, visitsCsv, visitsSet, visitsView } from "./visits.ts";

/** A ready training set of the use case in production, as an evaluation takes it; resolves to its id. */
export async function productionSet(world: World): Promise<string> {
  const { api, control } = world;
  const ci = await api.token("ci");
  const place = { environment: "production", useCaseId: known(world, "useCase") };
  const path = `/v1/artifacts?${new URLSearchParams(place).toString()}`;
  const { digest } = await must(api, "POST", path, Buffer.from(visitsCsv), ci);
  const sources = [{ object: digest, format: "csv" }];
  await must(api, "POST", "/v1/ingestions", { contract: "visits", ...place, sources }, ci);
  await control.runJobs(control.jobs.data);
  const { id } = await must(api, "POST", "/v1/training-sets", visitsSet(place), ci);
  await control.runJobs(control.jobs.data);
  return String(id);
}

/** The run's trainer is at work: its calls are taken, with a token that the world knows. */
async function openForLogging(body: Readonly<Record<string, unknown>>, world: World): Promise<void> {
  const { control, api, known: ids } = world;
  const runId = String(body["id"]);
  const { id } = await must(api, "GET", "/v1/whoami", undefined, await api.token("max"));
  const folder = await mkdtemp(join(tmpdir(), "portolan-tracked-"));
  const call = aCall({ id: String(id), organisationId: known(world, "organisation") as Id<"organisation"> });
  const attempt = { runId, environment: "dev", lifetimeMs: 60_000 } as const;
  const { token, close } = await control.tracking.open(call, attempt, join(folder, "tracking.sock"));
  control.alsoClose(() => close().then(() => rm(folder, { recursive: true })));
  ids.set("trainingRun", runId).set("runToken", token.reveal());
}

/** A snapshot of its own in dev, of bytes that nobody has. */
async function copiedData({ control, known: ids }: World): Promise<string> {
  await control.database.session((session) =>
    session.query(
      `insert into data.datasets (id, organisation_id, contract, contract_digest, environment, object, size_bytes, source_digest, row_count, columns, ingestion_id, published_at, batch_at)
       values ('ds_copied', $1, 'copied', 'copied', 'dev', '${sha256("d7")}', 1, '${sha256("d8")}', 1, '[]', 'x', 1, 1)`,
      [ids.get("organisation")],
    ),
  );
  return "ds_copied";
}

/** A gigabyte of a contract that keeps data for good; resolves to what is recommended. */
async function piledData({ control, known: ids }: World): Promise<string> {
  const organisation = ids.get("organisation");
  await control.database.session(async (session) => {
    await session.query(
      `insert into data.contracts (id, organisation_id, name, version, digest, document, body, published_by, published_at)
       values ('con_piled', $1, 'piled', '1.0.0', 'piled', '', '{"columns": []}', 'x', 1)`,
      [organisation],
    );
    await session.query(
      `insert into data.datasets (id, organisation_id, contract, contract_digest, environment, object, size_bytes, source_digest, row_count, columns, ingestion_id, published_at, batch_at)
       values ('ds_piled', $1, 'piled', 'piled', 'dev', '${sha256("d5")}', 1000000000, '${sha256("d6")}', 1, '[]', 'x', 1, 1)`,
      [organisation],
    );
  });
  return adviceId("unbounded_retention", { kind: "data", name: "piled", environment: "dev" });
}

/** Contracts, ingestion, features and training. */
export const dataRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/artifacts",
    as: "max",
    ledger: "governed",
    events: ["registry.artifact.uploaded"],
    request: () => ({ url: "/v1/artifacts?environment=dev", body: Buffer.from(visitsCsv) }),
    learn: (body, world) => void world.known.set("csv", String(body["digest"])),
  },
  {
    route: "PUT /v1/contracts/:name",
    as: "max",
    ledger: "governed",
    events: ["data.contract.published"],
    request: () => ({ url: "/v1/contracts/visits", body: { document: visitsContract } }),
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
    route: "POST /v1/recommendations/:id/dismissal",
    as: "max",
    ledger: "governed",
    events: ["advice.recommendation.dismissed"],
    request: async (world) => ({
      url: `/v1/recommendations/${await piledData(world)}/dismissal`,
      body: { reason: "the archive is kept on purpose" },
    }),
    // Nothing of it is in the object store, which an erasure would search.
    learn: (_, { control }) =>
      control.database.session(
        async (session) =>
          void (await session.query("update data.datasets set expired_at = 1 where id = 'ds_piled'")),
      ),
  },
  {
    route: "POST /v1/contracts/:name/events",
    as: "max",
    ledger: "governed",
    events: ["data.events.received"],
    request: () => ({
      url: "/v1/contracts/visits/events?environment=dev",
      body: Buffer.from('{"seen_at":"2026-03-02T10:00:00Z","place":"north","wait":3}\n'),
    }),
  },
  {
    route: "POST /v1/subscriptions",
    as: "max",
    ledger: "governed",
    events: ["data.subscription.started"],
    request: async (world) => {
      const connection = {
        kind: "kafka",
        organisation: known(world, "organisation"),
        brokers: ["localhost:9092"],
        topics: ["visits"],
      };
      await writeFile(join(world.control.home, "main.json"), JSON.stringify(connection));
      const body = { contract: "visits", environment: "dev", connection: "main", topic: "visits" };
      return { url: "/v1/subscriptions", body };
    },
    learn: (body, world) => void world.known.set("subscription", String(body["id"])),
  },
  {
    route: "DELETE /v1/subscriptions/:id",
    as: "max",
    ledger: "governed",
    events: ["data.subscription.stopped"],
    request: (world) => ({ url: `/v1/subscriptions/${known(world, "subscription")}` }),
  },
  {
    route: "POST /v1/ingestions/:id/replay",
    as: "max",
    ledger: "governed",
    events: ["data.ingestion.replayed"],
    request: async ({ api, control }) => {
      // A batch of which a row is kept out, in the share that the contract allows.
      const place = `/v1/artifacts?environment=dev`;
      const csv = `${visitsCsv.trimEnd()}\n${visitsCsv.trimEnd().split("\n").at(-1)?.replaceAll(/[0-9]/g, "x") ?? ""}\n`;
      const { digest } = await must(api, "POST", place, Buffer.from(csv), await api.token("max"));
      const body = { contract: "visits", environment: "dev", sources: [{ object: digest, format: "csv" }] };
      const { id } = await must(api, "POST", "/v1/ingestions", body, await api.token("max"));
      await control.runJobs(control.jobs.data);
      return { url: `/v1/ingestions/${String(id)}/replay`, body: {} };
    },
  },
  {
    route: "PUT /v1/feature-views/:name",
    as: "max",
    ledger: "governed",
    events: ["features.view.published"],
    request: () => ({ url: "/v1/feature-views/visits-by-place", body: { document: visitsView } }),
  },
  {
    route: "POST /v1/feature-views/:name/materializations",
    as: "max",
    ledger: "governed",
    events: ["features.materialization.started"],
    request: () => ({
      url: "/v1/feature-views/visits-by-place/materializations",
      body: { environment: "dev", asOf: parseInstant("2026-03-03T00:00:00Z"), purpose: "staff-planning" },
    }),
  },
  {
    route: "PUT /v1/access-policies/:name",
    as: "ada",
    ledger: "governed",
    events: ["data.access_policy.published"],
    request: () => ({
      url: "/v1/access-policies/planners",
      body: {
        document:
          "kind: AccessPolicy\nname: planners\neffect: allow\npurposes: [staff-planning]\ncontracts: [visits]\n",
      },
    }),
  },
  {
    route: "POST /v1/feature-views/:name/replays",
    as: "max",
    ledger: "governed",
    events: ["features.values.replayed"],
    request: () => {
      const at = parseInstant("2026-03-03T00:00:00Z");
      return {
        url: "/v1/feature-views/visits-by-place/replays",
        body: {
          environment: "dev",
          purpose: "staff-planning",
          rows: [{ key: ["nowhere"], at, servedAt: at }],
        },
      };
    },
  },
  {
    route: "POST /v1/training-sets",
    as: "max",
    ledger: "governed",
    events: ["features.training_set.started"],
    request: () => ({
      url: "/v1/training-sets",
      body: visitsSet({ environment: "dev" }, { purpose: "staff-planning" }),
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
      const upload = "/v1/artifacts?environment=dev";
      const code = await must(world.api, "POST", upload, Buffer.from("print('train')\n"), max);
      const lock = await must(world.api, "POST", upload, Buffer.from("# nothing\n"), max);
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
    learn: openForLogging,
  },
  {
    route: "POST /v1/training-runs/:id/preemption",
    as: "max",
    ledger: "governed",
    events: ["training.run.preemption_requested"],
    request: async (world) => {
      const id = known(world, "trainingRun");
      // Its trainer is at work: nothing here trains.
      await world.control.database.session((session) =>
        session.query("update training.runs set state = 'running' where id = $1", [id]),
      );
      return { url: `/v1/training-runs/${id}/preemption`, body: { reason: "maintenance" } };
    },
  },
  ...idleRoutes,
  ...trackingRoutes,
  {
    route: "POST /api/v1/lineage",
    as: "max",
    ledger: "recorded",
    events: ["lineage.events.received"],
    request: () => ({ url: "/api/v1/lineage?environment=dev", body: lineageEvent("orders") }),
  },
  {
    route: "POST /api/v1/lineage/batch",
    as: "max",
    ledger: "recorded",
    events: ["lineage.events.received"],
    request: () => ({ url: "/api/v1/lineage/batch?environment=dev", body: [lineageEvent("totals")] }),
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
  {
    route: "POST /v1/datasets/:id/reads",
    as: "max",
    ledger: "governed",
    events: ["data.dataset.read"],
    request: async (world) => {
      const max = await world.api.token("max");
      const { datasets } = await must(world.api, "GET", "/v1/datasets?contract=visits", undefined, max);
      const dev = (datasets as { id: string; environment: string }[]).find(
        (one) => one.environment === "dev",
      );
      return {
        url: `/v1/datasets/${dev?.id ?? "none"}/reads`,
        body: { purpose: "staff-planning", limit: 2 },
      };
    },
  },
  {
    route: "DELETE /v1/access-policies/:name",
    as: "ada",
    ledger: "governed",
    events: ["data.access_policy.withdrawn"],
    request: () => ({ url: "/v1/access-policies/planners" }),
  },
  {
    route: "POST /v1/data-holds",
    as: "ada",
    ledger: "governed",
    events: ["data.hold.placed"],
    request: () => ({
      url: "/v1/data-holds",
      body: { environment: "dev", contract: "visits", reason: "a claim of March" },
    }),
    learn: (body, world) => void world.known.set("dataHold", String(body["id"])),
  },
  {
    route: "POST /v1/data-holds/:id/release",
    as: "ada",
    ledger: "governed",
    events: ["data.hold.released"],
    request: (world) => ({
      url: `/v1/data-holds/${known(world, "dataHold")}/release`,
      body: { reason: "the claim is settled" },
    }),
  },
  {
    route: "POST /v1/data-retention",
    as: "ada",
    ledger: "governed",
    events: ["data.retention.surveyed"],
    request: () => ({ url: "/v1/data-retention", body: { dryRun: true } }),
  },
  {
    route: "POST /v1/datasets/:id/expiry",
    as: "ada",
    ledger: "governed",
    events: ["data.dataset.expired"],
    request: async (world) => ({
      url: `/v1/datasets/${await copiedData(world)}/expiry`,
      body: { reason: "the same source as another" },
    }),
  },
  {
    route: "POST /v1/data-erasures",
    as: "ada",
    ledger: "governed",
    events: ["data.erasure.ordered"],
    request: () => ({
      url: "/v1/data-erasures",
      body: { subject: "nobody-at-all", environments: ["dev"], reason: "asked for by the person" },
    }),
    learn: (_, { control }) => control.runJobs(control.jobs.erasure),
  },
];
