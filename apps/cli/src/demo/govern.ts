import { join } from "node:path";
import type { CharterView } from "@portolan/charter/contract";
import { applyProject } from "../client/apply.ts";
import { findCharterVersion, signAs } from "../client/charter-signing.ts";
import { readProject, readText } from "../project-files.ts";
import { check } from "./narrator.ts";
import type { World } from "./world.ts";

interface KeptPlan {
  readonly id: string;
}

/** The plan comes first: what production costs, where it may run, what is missing. */
export async function planCharterStep(world: World): Promise<string[]> {
  const file = await readText(join(world.folder, "charter.yaml"));
  const kept = await world.cast.as.ada.json<KeptPlan>({
    path: "/v1/plans",
    body: { source: file.text, file: "charter.yaml" },
  });
  world.planId = kept.id;
  const text = await world.cast.as.ada.text({ path: `/v1/plans/${kept.id}?format=text` });
  const telling = /^(inference {2}|infrastructure {2}|with people|Production costs|Ceiling)/;
  const lines = text.split("\n").filter((line) => telling.test(line));
  check(lines.length > 0, "the plan says nothing of costs and placement");
  return lines.map((line) => line.trim().replaceAll(/ {2,}/g, "  "));
}

/** The folder is applied, and the roles that its content demands sign with keys of their own. */
export async function signCharterStep(world: World): Promise<string[]> {
  const { as } = world.cast;
  const project = await readProject(world.folder, ".");
  const changes = await applyProject(as.ada, project, { dryRun: false });
  let version = await findCharterVersion(as.ada, { useCase: "flight-delays" });
  for (const [persona, role] of [
    ["lee", "team_lead"],
    ["rita", "approver_risk"],
  ] as const) {
    if (version.missingRoles.includes(role)) await signAs(world.context, as[persona], version, role);
  }
  version = await as.ada.json<CharterView>({ path: `/v1/charters/${version.id}` });
  check(version.status === "in_force", `the charter is ${version.status}, not in force`);
  const explained = await as.ada.json<{ items: readonly { enforcement: { kind: string } }[] }>({
    path: `/v1/charters/${version.id}/explain`,
  });
  const enforced = explained.items.filter((item) => item.enforcement.kind === "enforced").length;
  return [
    `applied ${changes.length} files (${changes.filter((change) => change.kind !== "unchanged").length} changed)`,
    `charter version ${version.version} in force, signed by ${version.signatures.map((one) => one.role).join(" and ")}`,
    `${explained.items.length} controls derived, ${enforced} enforced, ${explained.items.length - enforced} shown as not enforced`,
  ];
}
