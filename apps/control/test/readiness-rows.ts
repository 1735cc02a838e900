import type { InProcessControl } from "./in-process.ts";

const day = 86_400_000_000;

/** Tables whose rows belong to another table's. */
const ofNobody = ["registry.compute_profiles", "rollout.approvals"];

/** Rows of a use case in production, as the packages leave them that own the tables. */
export function rowsOf(
  control: InProcessControl,
  place: { readonly organisationId: string; readonly useCaseId: string },
  now: number,
) {
  /** A row as the package that owns the table leaves it; what the judgement does not read is filled in anyhow. */
  async function row(table: string, values: Readonly<Record<string, unknown>>): Promise<void> {
    const own = ofNobody.includes(table) ? {} : { organisation_id: place.organisationId };
    const entries = Object.entries({ ...own, ...values }).map(
      ([name, value]) =>
        [
          name,
          typeof value === "object" && value !== null && !Buffer.isBuffer(value)
            ? JSON.stringify(value)
            : value,
        ] as const,
    );
    const names = entries.map(([name]) => name).join(", ");
    const places = entries.map((_, index) => `$${index + 1}`).join(", ");
    await control.database.session((session) =>
      session.query(
        `insert into ${table} (${names}) values (${places})`,
        entries.map(([, value]) => value),
      ),
    );
  }

  const at = { environment: "production", endpoint: "delays" };
  const signed = { digest: "d", bundle: "b", signing_key_id: "k", signed_at: now - day };

  async function version(number: number, origin: string): Promise<string> {
    const id = `mv_${number}`;
    await row("registry.versions", {
      id,
      model: "delays",
      version: number,
      use_case_id: place.useCaseId,
      artifact: `sha256:${String(number).repeat(64)}`,
      size_bytes: 1,
      bundle: "b",
      signing_key_id: "k",
      signed_at: now - 40 * day,
      signature: { inputs: [], outputs: [] },
      lineage: { origin, ...(origin === "trained" ? { trainingSetId: "ts_1" } : {}) },
      lineage_digest: "d",
      created_by: "usr_sam",
      created_at: now - 40 * day,
    });
    return id;
  }

  async function deployment(number: number, previous: number, daysAgo: number, by: string): Promise<void> {
    await row("serving.deployments", {
      id: `dep_${number}`,
      endpoint_id: "ep_1",
      route: { model: { name: "delays", version: number }, features: { views: [{}, {}] } },
      request: { model: "delays", version: number },
      previous_id: `dep_${previous}`,
      deployed_at: now - daysAgo * day,
      deployed_by: by,
    });
  }

  const gates = (passed: boolean) => [
    { gate: "accuracy-floor", passed: true, observed: "1", required: "0.7" },
    { gate: "holdout", passed, observed: "1", required: "1" },
  ];

  /** A model that was trained, promoted, and released over the one before, as production keeps it; of each kind something that must not count besides. */
  async function fill(): Promise<void> {
    const { useCaseId } = place;
    const use_case_id = useCaseId;
    const model = { name: "delays", use_case_id, next_version: 9, created_at: now - 41 * day };
    await row("registry.models", model);
    const [first, second] = [await version(1, "trained"), await version(2, "trained")];
    await row("registry.compute_profiles", {
      version_id: second,
      ...signed,
      profile: { single: { p95Micros: 900 }, memory: {} },
      measured_at: now - day,
    });
    const promotion = { model: "delays", promoted_by: "usr_ron" };
    const promoted = (version_id: string, environment: string) =>
      row("registry.promotions", { ...promotion, version_id, environment, promoted_at: now - 35 * day });
    await promoted(first, "production");
    await promoted(second, "production");
    await promoted(second, "staging");
    const evaluation = {
      model: "delays",
      artifact: "a",
      training_set_id: "ts",
      dataset: "d",
      held_out: {},
      metrics: {},
    };
    const judged = { ...evaluation, created_by: "x", created_at: now - 36 * day };
    await row("evaluation.evaluations", {
      ...judged,
      id: "ev_1",
      version_id: first,
      version: 1,
      gates: gates(false),
    });
    await row("evaluation.evaluations", {
      ...judged,
      id: "ev_2",
      version_id: second,
      version: 2,
      gates: gates(true),
    });
    await row("evaluation.evaluations", { ...judged, id: "ev_3", version_id: second, version: 2, gates: [] });
    const set = { environment: "production", use_case_id, state: "ready", started_by: "x", started_at: 1 };
    await row("features.training_sets", { ...set, id: "ts_1", request: { views: [{ view: "visits" }] } });
    const run = {
      environment: "production",
      request: { seed: 7, trainingSetId: "ts_1" },
      started_by: "x",
      started_at: 1,
    };
    const ended = { ...run, finished_at: now - 41 * day };
    await row("training.runs", { ...ended, id: "run_1", use_case_id, state: "succeeded" });
    await row("training.runs", { ...ended, id: "run_2", use_case_id, state: "failed" });
    await row("training.runs", { ...ended, id: "run_3", use_case_id: "uc_other", state: "succeeded" });
    // An endpoint needs its deployment, and a deployment its endpoint.
    await control.database.session((session) =>
      session.query(
        `with one as (insert into serving.endpoints (id, organisation_id, name, environment, business_unit_id, use_case_id, deployment_id, created_at, created_by)
         values ('ep_1', $1, 'delays', 'production', 'bu', $2, 'dep_2', $3, 'x') returning id)
       insert into serving.deployments (id, endpoint_id, organisation_id, route, request, deployed_at, deployed_by)
       select 'dep_1', id, $1, '{"model": {"name": "delays", "version": 1}}', '{"model": "delays", "version": 1}', $3, 'x' from one`,
        [place.organisationId, useCaseId, now - 34 * day],
      ),
    );
    await deployment(2, 1, 20, "release-controller");
    const release = {
      environment: "production",
      endpoint: "delays",
      use_case_id,
      business_unit_id: "bu",
      model: "delays",
      version: 2,
      champion_model: "delays",
      champion_version: 1,
      base_request: {},
      plan: {},
      approvals_needed: 1,
      step: 0,
      before_deployment_id: "dep_1",
      reasons: [],
      requested_by: "usr_lea",
      started_at: now - 21 * day,
      ended_at: now - 20 * day,
    };
    await row("rollout.releases", { ...release, id: "rel_1", state: "promoted", deployment_id: "dep_2" });
    await row("rollout.releases", { ...release, id: "rel_2", state: "rolled_back" });
    const approval = { release_id: "rel_1", approved_at: now - 20 * day };
    await row("rollout.approvals", { ...approval, approved_by: "usr_ron" });
    await row("rollout.approvals", { ...approval, approved_by: "usr_lea" });
    const explained = {
      writer_id: "w",
      epoch: 1,
      block: 1,
      use_case_id,
      ...at,
      model: "delays",
      version: "2",
      artifact: "a",
      top: 3,
      fixed: [],
      received_at: 1,
      chosen_at: 1,
      not_before: 1,
    };
    const kept = (prediction_id: string, state: string) =>
      row("evaluation.kept_explanations", { ...explained, prediction_id, state, ended_at: now - day });
    await kept("prd_1", "explained");
    await kept("prd_2", "not_explainable");
    const root = Buffer.alloc(32);
    await row("ledger.checkpoints", { size: 7, root, signed_at: now - day, key_id: "k", note: "n" });
    const policy = { digest: "d", document: "", body: {}, published_by: "x" };
    for (let daysAgo = 9; daysAgo > 0; daysAgo -= 1)
      await row("data.access_policies", {
        ...policy,
        name: `p${daysAgo}`,
        published_at: now - daysAgo * day,
      });
    const withdrawn = { withdrawn_by: "x", withdrawn_at: now };
    await row("data.access_policies", { ...policy, ...withdrawn, name: "p0", published_at: now });
    const minute = Math.floor((now - day) / 60_000_000) * 60_000_000;
    const buckets = [
      500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
    ];
    await row("monitoring.request_counts", {
      ...at,
      minute,
      requests: 12,
      unavailable: 0,
      answers: 12,
      fallbacks: 0,
      beyond: 0,
      ...Object.fromEntries(buckets.map((bound) => [`within_${bound}`, 0])),
    });
    const profile = { model: "delays", size_bytes: 1, cells: 1, training_set_id: "ts_1", created_by: "x" };
    await row("monitoring.reference_profiles", {
      ...profile,
      ...signed,
      version_id: second,
      version: 2,
      created_at: now - 40 * day,
    });
    const window = {
      ...at,
      use_case_id,
      endpoint_id: "ep_1",
      variant: "champion",
      model: "delays",
      version: 2,
      profile: "p",
    };
    const counted = { ...window, one_in: 1, rows: 5, counts: "{1}" };
    await row("monitoring.drift_windows", { ...counted, window_start: now - 40 * day });
    await row("monitoring.drift_windows", { ...counted, window_start: now - 2 * day });
    const hours = { ...at, use_case_id, model_name: "delays", model_version: "2", variant: "champion" };
    await row("predictions.answered_hours", { ...hours, hour: now - 2 * day, predictions: 12 });
    const outcome = {
      writer_id: "w",
      epoch: 1,
      block: 1,
      observed_at: 1,
      reported_by: "x",
      reach: "production",
      ...at,
      use_case_id,
    };
    const told = (prediction_id: string, revision: number, retracted: boolean) =>
      row("predictions.outcomes", {
        ...outcome,
        prediction_id,
        revision,
        retracted,
        outcome: retracted ? null : { late: true },
        reported_at: now - day + revision,
      });
    await told("prd_1", 1, false);
    await told("prd_2", 1, false);
    await told("prd_2", 2, true);
    await row("retraining.policies", { ...at, policy: {}, set_by: "usr_lea", set_at: now - day });
    await row("retraining.policies", {
      ...at,
      endpoint: "others",
      policy: {},
      set_by: "usr_lea",
      set_at: now - day,
    });
    await row("metering.usage", usage("2026-10"));
    await row("metering.usage", usage("2026-11"));
    const dataset = {
      contract: "flights",
      contract_digest: "d",
      object: "o",
      size_bytes: 1,
      source_digest: "s",
      row_count: 3,
      columns: [],
      ingestion_id: "i",
      batch_at: now,
      use_case_id,
    };
    await row("data.datasets", {
      ...dataset,
      id: "ds_1",
      environment: "production",
      published_at: now - 5 * day,
    });
    await row("data.datasets", { ...dataset, id: "ds_2", environment: "dev", published_at: now - 5 * day });
    await row("data.datasets", {
      ...dataset,
      id: "ds_3",
      environment: "production",
      published_at: now,
      expired_at: now,
    });
  }

  function usage(period: string) {
    return {
      source: "log",
      id: period,
      period,
      meter: "m",
      business_unit_id: "bu",
      team_id: "team",
      use_case_id: place.useCaseId,
      business_unit: "bu",
      team: "team",
      use_case: "flight-delays",
      model: "delays",
      environment: "production",
      resource: "predictions",
      quantity: 1,
      started_at: 1,
      ended_at: 2,
      recorded_at: now,
    };
  }

  return { fill, version, deployment };
}
