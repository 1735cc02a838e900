import { PortolanError } from "@portolan/kernel";
import type { WorkRequest } from "../contract.ts";
import type { CapacityErrorCode } from "../errors.ts";
import { gpuPrefix, modelOf, parseAmount } from "../quota/amounts.ts";
import type { QuotaTree } from "../quota/tree.ts";

type Card = NonNullable<WorkRequest["gpus"]>[number];

/**
 * What is asked for, by resource in whole units. A card is known by the beginning of its name, and by a slice that only one of them has. Pure.
 *
 * @throws PortolanError `capacity.request_not_valid`
 */
export function resolveRequest(
  request: WorkRequest | undefined,
  tree: Pick<QuotaTree, "resources">,
): Readonly<Record<string, number>> {
  const asked: Record<string, number> = {};
  const { cpu, memory, pods, gpus = [] } = request ?? {};
  if (cpu !== undefined) asked["cpu"] = amountOf("cpu", cpu);
  if (memory !== undefined) asked["memory"] = amountOf("memory", memory);
  if (pods !== undefined) asked["pods"] = pods;
  const cards = tree.resources.filter((resource) => resource.startsWith(gpuPrefix));
  for (const card of gpus) {
    const resource = resourceOf(card, cards);
    const { profile, count } = card;
    const units = amountOf(resource, profile === undefined ? String(count) : `${profile}=${count}`);
    asked[resource] = (asked[resource] ?? 0) + units;
  }
  return asked;
}

/**
 * The same where there are no quotas to know a card by: cards under the name that was said. Pure.
 *
 * @throws PortolanError `capacity.request_not_valid`
 */
export function namedRequest({ gpus = [], ...request }: WorkRequest): Readonly<Record<string, number>> {
  const asked = { ...resolveRequest(request, { resources: [] }) };
  for (const { model, profile, count } of gpus) {
    const name = [model, profile].filter((part) => part !== undefined).join(" ") || "any card";
    asked[`${gpuPrefix}${name}`] = (asked[`${gpuPrefix}${name}`] ?? 0) + count;
  }
  return asked;
}

/**
 * A text in whole units of its resource. Pure.
 *
 * @throws PortolanError `capacity.request_not_valid`
 */
export function amountOf(resource: string, text: string): number {
  const parsed = parseAmount(resource, text, "up");
  if ("amount" in parsed) return parsed.amount;
  throw notValid(parsed.fault, "docs/quotas.md says how requests are written.");
}

function resourceOf({ model, profile }: Card, cards: readonly string[]): string {
  const nameOf = (resource: string): string => resource.slice(gpuPrefix.length);
  const known = cards.map(nameOf).join(", ") || "none";
  const isNamed = (resource: string): boolean =>
    model === undefined || nameOf(resource).toLowerCase().startsWith(model.toLowerCase());
  const hasProfile = (resource: string): boolean =>
    profile === undefined || modelOf(resource)?.profiles.some(({ name }) => name === profile) === true;
  const exact = cards.find((resource) => nameOf(resource).toLowerCase() === model?.toLowerCase());
  const fitting = exact === undefined ? cards.filter((card) => isNamed(card) && hasProfile(card)) : [exact];
  const [first, ...others] = fitting;
  const what = [model, profile].filter((part) => part !== undefined).join(" ") || "any card";
  if (first === undefined)
    throw notValid(`nobody has a quota of ${what}`, `The quotas know these cards: ${known}.`);
  if (others.length > 0)
    throw notValid(
      `${what} may be each of ${fitting.map(nameOf).join(", ")}`,
      "Name the card in full, e.g. A100-80GB:1.",
    );
  return first;
}

function notValid(detail: string, mend: string): PortolanError<CapacityErrorCode> {
  return new PortolanError("capacity.request_not_valid", { detail, mend });
}
