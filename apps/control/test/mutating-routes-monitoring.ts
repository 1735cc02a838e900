import { type Environment, newId, systemClock } from "@portolan/kernel";
import { must } from "./api.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

/** An open alert of a version in an environment; nothing opens one by request. Resolves to its id. */
export async function openAlert(
  { control, known: names }: World,
  environment: Environment = "production",
): Promise<string> {
  const now = systemClock.now();
  const id = newId("alert", now);
  await control.database.session((session) =>
    session.query(
      `insert into monitoring.alerts (id, organisation_id, key, kind, environment, use_case_id, endpoint, variant, model, version, state,
         summary, evidence, opened_at)
       values ($1, $2, $1, 'performance', $3, $4, 'arrivals', 'champion', 'delays', '1', 'open', 'below the floor', '{}', $5)`,
      [id, names.get("organisation"), environment, names.get("useCase"), now],
    ),
  );
  return id;
}

/** What is written in the record of the incident that was opened before. */
function incidentRoute(name: string, kind: string, body: object): MutatingRoute {
  return {
    route: `POST /v1/incidents/:id/${name}`,
    as: "ada",
    ledger: "governed",
    events: [`monitoring.incident.${kind}`],
    request: (world) => ({ url: `/v1/incidents/${known(world, "incident")}/${name}`, body }),
  };
}

/** An incident is over once every step of its playbook is ticked. */
async function tickAll(world: World): Promise<void> {
  const path = `/v1/incidents/${known(world, "incident")}`;
  const token = await world.control.token("ada");
  const { steps } = await must(world.control, "GET", path, undefined, token);
  for (const { id } of steps as readonly { readonly id: string }[])
    await must(world.control, "POST", `${path}/ticks`, { step: id, outcome: "done" }, token);
}

/** Alerts, where they go, and incidents. */
export const monitoringRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/alert-routes",
    as: "ada",
    ledger: "governed",
    events: ["monitoring.alert_route.added"],
    request: () => ({
      url: "/v1/alert-routes",
      body: { environment: "production", destination: "oncall" },
    }),
    learn: (body, world) => void world.known.set("alertRoute", String(body["id"])),
  },
  {
    route: "POST /v1/alerts/:id/silence",
    as: "ada",
    ledger: "governed",
    events: ["monitoring.alert.silenced"],
    request: async (world) => ({
      url: `/v1/alerts/${await openAlert(world)}/silence`,
      body: { until: systemClock.now() + 3_600_000_000, reason: "labels of Monday" },
    }),
  },
  {
    route: "DELETE /v1/alert-routes/:id",
    as: "ada",
    ledger: "governed",
    events: ["monitoring.alert_route.removed"],
    request: (world) => ({ url: `/v1/alert-routes/${known(world, "alertRoute")}` }),
  },
  {
    route: "POST /v1/incidents",
    as: "ada",
    ledger: "governed",
    events: ["monitoring.incident.opened"],
    request: async (world) => ({
      url: "/v1/incidents",
      body: { alertId: await openAlert(world), playbook: "rollback" },
    }),
    learn: (body, world) => void world.known.set("incident", String(body["id"])),
  },
  incidentRoute("take", "taken", {}),
  incidentRoute("ticks", "ticked", { step: "halt", outcome: "skipped", text: "no harm" }),
  incidentRoute("notes", "noted", { text: "seen by two" }),
  incidentRoute("mitigate", "mitigated", { text: "version 1 answers" }),
  {
    ...incidentRoute("resolve", "resolved", { text: "the fee was in cents" }),
    request: async (world) => {
      await tickAll(world);
      return {
        url: `/v1/incidents/${known(world, "incident")}/resolve`,
        body: { text: "the fee was in cents" },
      };
    },
  },
  {
    route: "POST /v1/usage/records",
    as: "ada",
    ledger: "governed",
    events: ["metering.usage.recorded"],
    request: (world) => ({ url: "/v1/usage/records", body: usageOf(known(world, "useCase")) }),
  },
];

/** Long over, of whichever month. */
export const usageStart = systemClock.now() - 7_200_000_000;

/** Of one use case in production. */
export function usageOf(useCase: string): object {
  const start = usageStart;
  const tenant = {
    businessUnit: "",
    team: "",
    useCase,
    model: "counted-elsewhere",
    environment: "production",
  };
  const record = {
    id: "pod-1",
    meter: "pod-1",
    tenant,
    resource: "gpu_hours",
    quantity: "840",
    start,
    end: start + 3600,
  };
  return { source: "cluster", records: [record] };
}
