import type { RecommendationList } from "@portolan/advice/contract";
import { addMicros, formatInstant, systemClock } from "@portolan/kernel";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bootstrapAcme, must } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";

const day = 86_400_000_000;
let control: InProcessControl;
let token: string;
let place: { readonly organisationId: string; readonly useCaseId: string };
const now = systemClock.now();
const minute = (ago: number): number => Math.floor((now - ago) / 60_000_000) * 60_000_000;

beforeAll(async () => {
  control = await openControl();
  place = await bootstrapAcme(control, control.secret);
  token = await control.token("ada");
  await fill();
});
afterAll(() => control.close());

const insert = (text: string, values: readonly unknown[]) =>
  control.database.session((session) => session.query(text, [...values]));

async function deploy(name: string, daysAgo: number, workers: object): Promise<void> {
  const request = {
    environment: "production",
    useCaseId: place.useCaseId,
    model: "none",
    version: 1,
    scaling: workers,
  };
  await insert(
    `with one as (insert into serving.endpoints (id, organisation_id, name, environment, business_unit_id, use_case_id, deployment_id, created_at, created_by)
       values ($1, $2, $3, 'production', 'bu', $4, $5, $6, 'x') returning id)
     insert into serving.deployments (id, endpoint_id, organisation_id, route, request, deployed_at, deployed_by)
     select $5, id, $2, $7, $8, $6, 'x' from one`,
    [
      `ep_${name}`,
      place.organisationId,
      name,
      place.useCaseId,
      `dep_${name}`,
      now - daysAgo * day,
      {},
      request,
    ],
  );
}

/** Counts as control adds them up from accepted blocks: requests, and runs by bucket of their time. */
async function count(
  endpoint: string,
  ago: number,
  requests: number,
  runs: readonly number[],
): Promise<void> {
  await insert(
    `insert into monitoring.request_counts (organisation_id, environment, endpoint, minute, requests, unavailable, answers, fallbacks,
       within_500, within_1000, within_2500, within_5000, within_10000, within_25000, within_50000, within_100000, within_250000,
       within_500000, within_1000000, within_2500000, within_5000000, within_10000000, beyond)
     values ($1, 'production', $2, $3, $4::bigint, 0, $4::bigint, 0, $4::bigint, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)`,
    [place.organisationId, endpoint, minute(ago), requests],
  );
  await insert(
    `insert into monitoring.stage_counts (organisation_id, environment, endpoint, minute, stage, counts)
     values ($1, 'production', $2, $3, 'run', $4::bigint[])`,
    [place.organisationId, endpoint, minute(ago), `{${runs.join(",")}}`],
  );
}

async function fill(): Promise<void> {
  const { organisationId, useCaseId } = place;
  await deploy("idle", 20, { minimum: 2, maximum: 2 });
  await deploy("large", 20, { minimum: 6, maximum: 8 });
  // Before it was deployed: another version's.
  await count(
    "idle",
    25 * day,
    1000,
    Array.from({ length: 15 }, () => 0),
  );
  // 1,600 runs of 50 to 100 ms in the busiest minute: two workers' time; and far fewer in another.
  const runs = (ofTens: number) => Array.from({ length: 15 }, (_, bucket) => (bucket === 7 ? ofTens : 0));
  await count("large", 2 * day, 1600, runs(1600));
  await count("large", 3 * day, 10, runs(10));
  await insert(
    `insert into scoring.runs (id, organisation_id, environment, use_case_id, name, request, plan, job, state, started_by, started_at)
     values ('sco_1', $1, 'production', $2, 'out', '{"endpoint": "large", "datasetId": "ds_1", "out": "out"}', '{"dataset": {"name": "customers"}}', 'j', 'ready', 'x', $3)`,
    [organisationId, useCaseId, now - 2 * day],
  );
  // Half an hour of processor time, in the hour in which most was asked.
  await insert(
    `insert into scoring.chunks (run_id, chunk, first_row, rows, refused, object, cpu_micros, scored_at) values ('sco_1', 0, 0, 1, 0, 'o', 1800000000, $1)`,
    [minute(2 * day)],
  );
  await insert(
    `insert into data.contracts (id, organisation_id, name, version, digest, document, body, published_by, published_at)
     values ('c_1', $1, 'kept', '1.0.0', 'd1', '', '{"retentionMs": 1}', 'x', 1), ('c_2', $1, 'piled', '1.0.0', 'd2', '', '{}', 'x', 1),
       ('c_3', $1, 'mended', '1.0.0', 'd3', '', '{}', 'x', 1), ('c_4', $1, 'mended', '1.1.0', 'd4', '', '{"retentionMs": 1}', 'x', 2)`,
    [organisationId],
  );
  const dataset = (
    id: string,
    contract: string,
    object: string,
    source: string,
    { published = Number(now), expired = null as number | null } = {},
  ) =>
    insert(
      `insert into data.datasets (id, organisation_id, contract, contract_digest, environment, object, size_bytes, source_digest, row_count, columns, ingestion_id, published_at, batch_at, expired_at)
       values ($1, $2, $3, 'd', 'production', $4, 1000000000, $5, 1, '[]', 'i', $6, $6, $7)`,
      [id, organisationId, contract, object, source, published, expired],
    );
  await dataset("ds_1", "kept", "o1", "s1", { published: now - 2 });
  await dataset("ds_2", "mended", "o2", "s1");
  // The same object under another name takes no room of its own, and what has expired takes none.
  await dataset("ds_3", "kept", "o1", "s1", { published: now - 1 });
  await dataset("ds_4", "kept", "o3", "s1", { expired: now });
  await dataset("ds_5", "piled", "o5", "s5");
  // A hundred hours of cards, busy for one of them; and as many of another team that nobody measured. Of what lab holds, the second container of one pod
  // works, and of another pod nobody measured a card.
  const hour = 3_600_000_000n * 840n;
  const at = addMicros(now, -60_000_000);
  const period = formatInstant(at).slice(0, 7);
  for (const [id, resource, hours, team, container] of [
    ["u1", "gpu_hours", 100n, "lab", "notebook-0/main"],
    ["u2", "gpu_busy_hours", 0n, "lab", "notebook-0/main"],
    ["u3", "gpu_hours", 100n, "field", "notebook-0/main"],
    ["u4", "gpu_hours", 20n, "lab", "trainer-0/reads"],
    ["u5", "gpu_busy_hours", 0n, "lab", "trainer-0/reads"],
    ["u6", "gpu_hours", 2n, "lab", "trainer-0/learns"],
    ["u7", "gpu_busy_hours", 2n, "lab", "trainer-0/learns"],
    ["u8", "gpu_hours", 10n, "lab", "unseen-0/main"],
  ] as const)
    await insert(
      `insert into metering.usage (organisation_id, source, id, period, meter, resource, business_unit_id, team_id, use_case_id, business_unit, team, use_case, model, environment, quantity, started_at, ended_at, recorded_at)
       values ($1, 'import/c', $2, $3, 'team-lab/' || $8::text, $4, '', '', '', 'research', $5, '', '', 'production', $6, $7, $7, $7)`,
      [organisationId, id, period, resource, team, String(hours * hour), at, container],
    );
}

test("what is recorded of endpoints, batches and data becomes advice, with figures that come from it", async () => {
  const list = (await must(
    control,
    "GET",
    "/v1/recommendations",
    undefined,
    token,
  )) as unknown as RecommendationList;
  const found = new Map(
    list.recommendations.map(({ recommendation: one }) => [`${one.kind} ${one.subject.name}`, one]),
  );
  expect([...found.keys()].toSorted()).toEqual([
    "dormant_endpoint idle",
    "duplicate_data kept and mended",
    "idle_cards lab",
    "off_peak_window large",
    "oversized_workers large",
    "unbounded_retention piled",
  ]);
  const value = (key: string, what: string) =>
    found.get(key)?.evidence.find((one) => one.what.startsWith(what))?.value;
  expect(value("dormant_endpoint idle", "requests")).toBe("0");
  expect(value("oversized_workers large", "requests")).toBe("1610");
  // 1,600 × 75 ms in a minute.
  expect(value("oversized_workers large", "workers busy")).toBe("2.00");
  expect(found.get("oversized_workers large")?.command).toContain("--keep --workers 4..8");
  expect(found.get("off_peak_window large")?.command).toContain(
    "portolan score large --dataset customers@latest --out out --window ",
  );
  expect(value("off_peak_window large", "CPU time")).toBe("30.0 min, 30.0 min");
  expect(found.get("duplicate_data kept and mended")?.evidence).toHaveLength(3);
  // The newest stays, and the bytes of the other go with both of their names.
  expect(found.get("duplicate_data kept and mended")?.command).toBe(
    'portolan data expire ds_3 ds_1 --reason "the same source as ds_2"',
  );
  expect(found.get("idle_cards lab")?.command).toBe("kubectl --namespace team-lab delete pod notebook-0");
  // A core and its hours at the shipped prices, for two workers.
  expect(found.get("dormant_endpoint idle")?.saves?.expected).toMatch(/^\d+\.\d+ USD$/);
  expect(list.total?.expected).toMatch(/ USD$/);
});

test("another organisation's things are not among them", async () => {
  await insert("update data.datasets set organisation_id = 'org_other' where id = 'ds_5'", []);
  const list = (await must(
    control,
    "GET",
    "/v1/recommendations",
    undefined,
    token,
  )) as unknown as RecommendationList;
  expect(list.recommendations.map(({ recommendation }) => recommendation.subject.name)).not.toContain(
    "piled",
  );
});
