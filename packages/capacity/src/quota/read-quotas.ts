import { type YamlNode, YamlSource } from "@portolan/yaml-source";
import { type IdlePolicy, readIdlePolicy } from "../idle/idle-policy.ts";
import { gpuPrefix, parseAmount } from "./amounts.ts";
import {
  type FairStrategy,
  type Member,
  type PreemptionPolicies,
  type QueueingStrategy,
  type Quota,
  type QuotaTree,
  quotaTree,
} from "./tree.ts";

const kind = { noun: "quota file", maximumBytes: 512 * 1024 };

/** A quota with its place in the file. */
export interface DeclaredQuota {
  readonly member: string;
  readonly resource: string;
  readonly nominal: number;
  readonly at: YamlNode;
}

/** What counts for teams that do not say it themselves. */
interface OfAllTeams {
  readonly highest: number | undefined;
  readonly idle: IdlePolicy | undefined;
}

interface Draft {
  readonly member: Member;
  readonly at: YamlNode;
}

/** A business unit or a team with its place in the file. */
export interface NamedTenant {
  readonly businessUnit: string;
  /** Absent: the unit itself. */
  readonly team?: string;
  readonly at: YamlNode;
}

export interface QuotaReading {
  readonly tree: QuotaTree;
  /** In the order of the file. */
  readonly declared: readonly DeclaredQuota[];
  /** Units, each before its teams. */
  readonly tenants: readonly NamedTenant[];
  /** For further findings about the same file. */
  readonly source: YamlSource;
}

/**
 * Reads `quotas.yaml`: cohorts, business units (cohorts of teams) and teams with their quotas (docs/quotas.md). All findings come at once.
 *
 * @throws PortolanError `capacity.quotas_not_valid` with the line of each finding
 */
export function readQuotas(text: string, file: string): QuotaReading {
  const source = new YamlSource(text, kind, file);
  source.settle("capacity.quotas_not_valid");
  const { root } = source;
  const declared: DeclaredQuota[] = [];
  root.only(["version", "fairSharing", "highestPriority", "idle", "cohorts", "businessUnits"]);
  if (root.get("version").value() !== 1)
    root.get("version").report("is not 1", "Begin the file with: version: 1");
  const cohorts = root
    .get("cohorts")
    .items()
    .map((at) => readCohort(at, "parent", declared));
  const units = root.get("businessUnits").items();
  if (units.length === 0) root.get("businessUnits").report("is empty", "Name at least one unit with a team.");
  const all: OfAllTeams = {
    highest: readPriority(root.get("highestPriority")),
    idle: readIdlePolicy(root.get("idle"), undefined),
  };
  const named = units.flatMap((at) => readUnit(at, declared, all));
  const drafts = [...cohorts, ...named];
  checkNames(drafts, new Set(cohorts.map(({ member }) => member.name)));
  const fairSharing = readFairSharing(root.get("fairSharing"));
  source.settle("capacity.quotas_not_valid");
  const resources = [...new Set(declared.map(({ resource }) => resource))].toSorted();
  const members = drafts.map(({ member }) => member);
  return {
    tree: quotaTree(members, resources, fairSharing),
    declared,
    tenants: named.map(tenantOf),
    source,
  };
}

function tenantOf({ member: { name, queue }, at }: Draft): NamedTenant {
  const [businessUnit = "", team] = queue === undefined ? [name] : name.split("/");
  return { businessUnit, ...(team === undefined ? {} : { team }), at: at.get("name") };
}

function readFairSharing(at: YamlNode): FairStrategy[] {
  return at.items().flatMap((one) => one.oneOf<FairStrategy>(["final-share", "initial-share"]) ?? []);
}

function readUnit(at: YamlNode, declared: DeclaredQuota[], all: OfAllTeams): Draft[] {
  const unit = readCohort(at, "cohort", declared);
  const teams = at.get("teams").items();
  if (teams.length === 0) at.get("teams").report("is empty", "Name at least one team.");
  return [unit, ...teams.map((team) => readTeam(team, { ...all, unit: unit.member.name }, declared))];
}

function readCohort(at: YamlNode, parentKey: "parent" | "cohort", declared: DeclaredQuota[]): Draft {
  at.only(["name", parentKey, "weight", "quotas", ...(parentKey === "cohort" ? ["teams"] : [])]);
  const name = readName(at);
  const parent = at.get(parentKey).text();
  const member: Member = {
    name,
    ...(parent === undefined ? {} : { parent }),
    quotas: readQuotasOf(at.get("quotas"), name, parent !== undefined, declared),
    weightMilli: readWeight(at.get("weight")),
  };
  return { member, at };
}

/** @param of its unit, and what counts for teams that say nothing else */
function readTeam(
  at: YamlNode,
  { unit, highest, idle: ofAll }: OfAllTeams & { readonly unit: string },
  declared: DeclaredQuota[],
): Draft {
  at.only(["name", "weight", "strategy", "highestPriority", "idle", "preemption", "quotas"]);
  const name = `${unit}/${readName(at)}`;
  const quotas = readQuotasOf(at.get("quotas"), name, true, declared);
  if (Object.keys(quotas).length === 0)
    at.get("quotas").report(
      "is empty",
      "Give the team a quota of at least one resource, if of 0 to borrow all.",
    );
  const highestPriority = readPriority(at.get("highestPriority")) ?? highest;
  const idle = readIdlePolicy(at.get("idle"), ofAll);
  const queue = {
    strategy:
      at.get("strategy").oneOf<QueueingStrategy>(["strict-fifo", "best-effort-fifo"]) ?? "best-effort-fifo",
    preemption: readPreemption(at.get("preemption")),
    ...(highestPriority === undefined ? {} : { highestPriority }),
    ...(idle === undefined ? {} : { idle }),
  };
  return { member: { name, parent: unit, quotas, weightMilli: readWeight(at.get("weight")), queue }, at };
}

function readName(at: YamlNode): string {
  const name = at.get("name").requiredText("Give it a name.");
  if (name !== "" && !/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name))
    at.get("name").report("is no name", "Use letters, digits, dots and dashes, 63 at most.");
  return name;
}

function readWeight(at: YamlNode): number {
  const weight = at.number() ?? 1;
  const milli = Math.round(weight * 1000);
  if (!(weight >= 0 && weight <= 1e6) || Math.abs(milli - weight * 1000) > 1e-6)
    at.report("is no weight", "Write a number of 0 to 1000000 with at most three places, such as 2 or 0.5.");
  return milli;
}

/** Of those that a run can state. */
function readPriority(at: YamlNode): number | undefined {
  const priority = at.number();
  if (priority !== undefined && !(Number.isInteger(priority) && Math.abs(priority) <= 10))
    at.report("is no priority", "Write a whole number of -10 to 10.");
  return priority;
}

function readPreemption(at: YamlNode): PreemptionPolicies {
  if (at.present) at.only(["reclaimWithinCohort", "withinClusterQueue", "borrowWithinCohort"]);
  const borrow = at.get("borrowWithinCohort");
  if (borrow.present) borrow.only(["policy", "maxPriorityThreshold"]);
  const policies: PreemptionPolicies = {
    reclaimWithinCohort: at.get("reclaimWithinCohort").oneOf(["never", "lower-priority", "any"]) ?? "never",
    withinClusterQueue:
      at.get("withinClusterQueue").oneOf(["never", "lower-priority", "lower-or-newer-equal-priority"]) ??
      "never",
    borrowWithinCohort: {
      policy: borrow.get("policy").oneOf(["never", "lower-priority"]) ?? "never",
      ...threshold(borrow.get("maxPriorityThreshold")),
    },
  };
  if (policies.borrowWithinCohort.policy !== "never" && policies.reclaimWithinCohort === "never")
    borrow.report("needs reclaimWithinCohort", "Set reclaimWithinCohort to lower-priority or any.");
  return policies;
}

function threshold(at: YamlNode): { readonly maxPriority?: number } {
  const maxPriority = at.number();
  if (maxPriority === undefined) return {};
  if (!Number.isSafeInteger(maxPriority)) at.report("is no priority", "Write a whole number.");
  return { maxPriority };
}

function readQuotasOf(
  at: YamlNode,
  member: string,
  hasParent: boolean,
  declared: DeclaredQuota[],
): Record<string, Quota> {
  if (!at.present) return {};
  at.only(["cpu", "memory", "pods", "gpus"]);
  const gpus = at.get("gpus");
  const places: (readonly [string, YamlNode])[] = [
    ...(["cpu", "memory", "pods"] as const).map((name) => [name, at.get(name)] as const),
    ...(gpus.present ? gpus.keys() : []).map((model) => [`${gpuPrefix}${model}`, gpus.get(model)] as const),
  ];
  const quotas: Record<string, Quota> = {};
  for (const [resource, place] of places) {
    if (place.kind === "missing") continue;
    const quota = readQuota(place, resource, hasParent);
    quotas[resource] = quota;
    declared.push({ member, resource, nominal: quota.nominal, at: place });
  }
  return quotas;
}

/** `4`, or a map with `nominal`, `borrowingLimit` or `maximum`, and `lendingLimit`. */
function readQuota(at: YamlNode, resource: string, hasParent: boolean): Quota {
  if (at.isScalar()) return { nominal: amountAt(at, resource) ?? 0 };
  at.only(["nominal", "borrowingLimit", "maximum", "lendingLimit"]);
  if (!at.get("nominal").present) at.report("has no nominal", "Say what is guaranteed, if only 0.");
  const nominal = amountAt(at.get("nominal"), resource) ?? 0;
  const maximum = amountAt(at.get("maximum"), resource);
  const stated = amountAt(at.get("borrowingLimit"), resource);
  const lendingLimit = amountAt(at.get("lendingLimit"), resource);
  if (maximum !== undefined && stated !== undefined)
    at.get("maximum").report(
      "stands beside borrowingLimit",
      "Say one of the two: maximum is nominal + borrowingLimit.",
    );
  if (maximum !== undefined && maximum < nominal)
    at.get("maximum").report("is below nominal", "Give at least what is guaranteed.");
  if (lendingLimit !== undefined && lendingLimit > nominal)
    at.get("lendingLimit").report("is above nominal", "Lend at most what is guaranteed.");
  const borrowingLimit = stated ?? (maximum === undefined ? undefined : Math.max(0, maximum - nominal));
  if (!hasParent && (borrowingLimit !== undefined || lendingLimit !== undefined))
    at.report(
      "has a limit without a cohort",
      "Limits bound what passes to and from a cohort: name its parent, or leave them out.",
    );
  return {
    nominal,
    ...(borrowingLimit === undefined ? {} : { borrowingLimit }),
    ...(lendingLimit === undefined ? {} : { lendingLimit }),
  };
}

export function amountAt(at: YamlNode, resource: string): number | undefined {
  const text = at.text();
  if (text === undefined) {
    if (at.kind === "null") at.report("has no value", "Write an amount.");
    return undefined;
  }
  const parsed = parseAmount(resource, text, "down");
  if ("amount" in parsed) return parsed.amount;
  at.report(`is wrong: ${parsed.fault}`);
  return undefined;
}

/** Names are unique, parents are there, and no cohort is within itself. */
function checkNames(drafts: readonly Draft[], cohorts: ReadonlySet<string>): void {
  const first = new Map<string, Member>();
  for (const { member, at } of drafts) {
    if (first.has(member.name))
      at.get("name").report(`is ${member.name} a second time`, "Give each a name of its own.");
    else first.set(member.name, member);
  }
  for (const { member, at } of drafts) {
    const { parent } = member;
    // The parent of a team is the unit that it stands in.
    if (member.queue !== undefined || parent === undefined) continue;
    const key = at.get("cohort").present ? "cohort" : "parent";
    const known = [...cohorts].join(", ") || "(there are none)";
    if (cohorts.has(parent)) checkCircle(member, at, first);
    else at.get(key).report(`is "${parent.slice(0, 60)}", which is no cohort`, `Name one of: ${known}.`);
  }
}

function checkCircle({ name, parent }: Member, at: YamlNode, members: ReadonlyMap<string, Member>): void {
  const path = [name];
  for (
    let above = parent;
    above !== undefined && !path.slice(1).includes(above);
    above = members.get(above)?.parent
  ) {
    path.push(above);
    if (above !== name) continue;
    at.get("parent").report(`goes in a circle: ${path.join(" in ")}`, "Leave out one of the parents.");
    return;
  }
}
