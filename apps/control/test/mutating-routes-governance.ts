import { readTemplate } from "@portolan/charter";
import { must, putInForce, signatureFor } from "./api.ts";
import { known, type MutatingRoute, type World } from "./mutating-world.ts";

const source = readTemplate("flight-delays");

async function submit(world: World, text: string): Promise<string> {
  const lea = await world.api.token("lea");
  return String((await must(world.api, "POST", "/v1/charters", { source: text }, lea))["charterId"]);
}

async function appoint(world: World, principal: string, role: string): Promise<void> {
  const ada = await world.api.token("ada");
  const person = role !== "ci" && role !== "gateway";
  const who = { name: principal, displayName: principal };
  const known = await world.api.call("POST", person ? "/v1/users" : "/v1/service-accounts", who, ada);
  if (known.status !== 201 && known.body["code"] !== "identity.name_taken") throw new Error(known.text);
  const scope = { kind: "organisation", id: world.known.get("organisation") };
  const binding = { principal, role, scope, environments: ["dev", "staging", "production"] };
  await must(world.api, "POST", "/v1/role-bindings", binding, ada);
}

/** Charters, plans, the ledger and backups. */
export const governanceRoutes: readonly MutatingRoute[] = [
  {
    route: "POST /v1/charters",
    as: "lea",
    ledger: "governed",
    events: ["charter.version.submitted"],
    request: async (world) => {
      for (const [principal, role] of [
        ["ron", "approver_risk"],
        ["ann", "auditor"],
        ["max", "ml_engineer"],
        ["ci", "ci"],
        ["gateway-1", "gateway"],
      ] as const)
        await appoint(world, principal, role);
      return { url: "/v1/charters", body: { source, file: "charter.yaml" } };
    },
    learn: (body, world) => void world.known.set("charter", String(body["charterId"])),
  },
  {
    route: "POST /v1/charters/:id/signatures",
    as: "lea",
    ledger: "governed",
    events: ["charter.version.signed"],
    request: async (world) => {
      const charterId = known(world, "charter");
      const { body } = await signatureFor(world.api, charterId, { name: "lea", role: "team_lead" });
      return { url: `/v1/charters/${charterId}/signatures`, body };
    },
  },
  {
    route: "POST /v1/charters/:id/withdrawal",
    as: "lea",
    ledger: "governed",
    events: ["charter.version.withdrawn"],
    request: async (world) => ({
      url: `/v1/charters/${await submit(world, source.replace("500 rps", "400 rps"))}/withdrawal`,
      body: { reason: "the ceiling was wrong" },
    }),
    // The requests after this one need a charter in force.
    learn: async (_, world) => {
      const { charterId } = await putInForce(world.api, source.replace("500 rps", "450 rps"));
      world.known.set("charter", charterId);
    },
  },
  {
    route: "POST /v1/plans",
    as: "lea",
    ledger: "governed",
    events: ["planner.plan.made"],
    request: (world) => ({ url: "/v1/plans", body: { charterId: known(world, "charter") } }),
  },
  {
    route: "POST /v1/ledger/verify",
    as: "ann",
    ledger: "governed",
    events: ["ledger.log.verified"],
    request: () => ({ url: "/v1/ledger/verify", body: {} }),
  },
  {
    route: "POST /v1/backups",
    as: "ada",
    ledger: "governed",
    events: ["database.backup.requested"],
    request: () => ({ url: "/v1/backups", body: { name: "before-the-change" } }),
  },
];
