import { newId, systemClock } from "@portolan/kernel";
import { logisticModel } from "@portolan/onnx-format/testing";
import { must } from "./api.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";
import { flagChangeRow } from "./release-row.ts";

/** Another version of the model that the endpoint `delays` serves; resolves to its number. */
async function anotherVersion(world: World): Promise<number> {
  const ci = await world.api.token("ci");
  const useCaseId = known(world, "useCase");
  const bytes = Buffer.from(logisticModel([1, 2, 4], 0.5));
  const upload = `/v1/artifacts?environment=production&useCaseId=${useCaseId}`;
  const { digest: artifact } = await must(world.api, "POST", upload, bytes, ci);
  const lineage = { origin: "imported", source: "model.onnx" };
  const pushed = await must(
    world.api,
    "POST",
    "/v1/models/delays/versions",
    { useCaseId, artifact, lineage },
    ci,
  );
  return Number(pushed["version"]);
}

function change(path: string, as: string, event: string, body?: object): MutatingRoute {
  return {
    route: `POST /v1/releases/:id/${path}`,
    as,
    ledger: "governed",
    events: [event],
    request: (world) => ({
      url: `/v1/releases/${known(world, "release")}/${path}`,
      ...(body ? { body } : {}),
    }),
  };
}

/** A release from its start to its end by hand. */
export const releaseRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/endpoints/:name/releases",
    as: "ci",
    ledger: "governed",
    events: ["rollout.release.started"],
    request: async (world) => ({
      url: "/v1/endpoints/delays/releases",
      body: {
        environment: "dev",
        model: "delays",
        version: await anotherVersion(world),
        plan: { events: ["support-tickets"] },
      },
    }),
    learn: (body, world) => void world.known.set("release", String(body["id"])),
  },
  change("approvals", "ada", "rollout.release.approved"),
  change("pause", "ci", "rollout.release.paused"),
  change("resume", "ci", "rollout.release.resumed"),
  {
    route: "POST /v1/releases/:id/events",
    as: "ci",
    ledger: "recorded",
    events: ["rollout.events.reported"],
    request: (world) => ({
      url: `/v1/releases/${known(world, "release")}/events`,
      body: { event: "support-tickets", predictionIds: [known(world, "prediction")] },
    }),
  },
  change("rollback", "ci", "rollout.release.rolled_back", { reason: "thought better of it" }),
];

/** A flag of the endpoint, from its first word to its last. */
export const flagRoutes: readonly MutatingRoute[] = [
  {
    route: "PUT /v1/endpoints/:name/flags/:key",
    as: "ci",
    ledger: "governed",
    events: ["rollout.flag.set"],
    request: () => ({
      url: "/v1/endpoints/delays/flags/new-form",
      body: {
        environment: "dev",
        reason: "to see it",
        flag: { default: false, enabled: true, rules: [], split: [], sticky: "entity" },
      },
    }),
  },
  {
    route: "POST /v1/flag-changes/:id/approvals",
    as: "ada",
    ledger: "governed",
    events: ["rollout.flag.change_approved", "rollout.flag.set"],
    request: async (world) => {
      const id = newId("flagChange", systemClock.now());
      const flag = ["dev", "delays", "new-form"] as const;
      await world.control.database.session((session) =>
        session.query(...flagChangeRow(id, known(world, "organisation"), flag, systemClock.now())),
      );
      return { url: `/v1/flag-changes/${id}/approvals` };
    },
  },
  {
    route: "DELETE /v1/endpoints/:name/flags/:key",
    as: "ci",
    ledger: "governed",
    events: ["rollout.flag.deleted"],
    request: () => ({ url: "/v1/endpoints/delays/flags/new-form?environment=dev&reason=seen+it" }),
  },
];

/** A retraining of the endpoint's model: nobody moves it on here, so that it stands where it is put. */
export const retrainingRoutes: readonly MutatingRoute[] = [
  {
    route: "PUT /v1/endpoints/:name/retraining-policy",
    as: "ada",
    ledger: "governed",
    events: ["retraining.policy.set"],
    request: () => ({
      url: "/v1/endpoints/delays/retraining-policy",
      body: { environment: "dev", policy: { coolDownHours: 1 } },
    }),
  },
  {
    route: "POST /v1/endpoints/:name/retrainings",
    as: "ci",
    ledger: "governed",
    events: ["retraining.run.started"],
    request: () => ({
      url: "/v1/endpoints/delays/retrainings",
      body: { environment: "dev", reason: "to see it" },
    }),
    learn: (body, world) => void world.known.set("retraining", String(body["id"])),
  },
  {
    route: "POST /v1/retrainings/:id/approval",
    as: "ada",
    ledger: "governed",
    events: ["retraining.run.approved"],
    request: async (world) => {
      const id = known(world, "retraining");
      await world.control.database.session((session) =>
        session.query("update retraining.retrainings set state = 'waiting_for_approval' where id = $1", [id]),
      );
      return { url: `/v1/retrainings/${id}/approval` };
    },
  },
  {
    route: "POST /v1/retrainings/:id/cancellation",
    as: "ci",
    ledger: "governed",
    events: ["retraining.run.ended"],
    request: (world) => ({
      url: `/v1/retrainings/${known(world, "retraining")}/cancellation`,
      body: { reason: "seen it" },
    }),
  },
];
