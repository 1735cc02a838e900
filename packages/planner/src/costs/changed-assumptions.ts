import { didYouMean } from "@portolan/charter/policy";
import { PortolanError } from "@portolan/kernel";
import type { Quantity } from "../range.ts";
import { type AssumptionKey, assumptionKeys, assumptionOption, kindOf } from "./assumption-catalogue.ts";

/** What somebody states in the place of what the plan would take. */
export type ChangedAssumptions = { readonly [K in AssumptionKey]?: Quantity };

const keys = new Map(assumptionKeys.map((key) => [assumptionOption(key), key]));
const options = [...keys.keys()];

/**
 * Reads `name=value` and `name=low..expected..high`, each name once. Pure.
 *
 * @throws PortolanError `planner.assumption_not_valid` with the nearest name, or the bounds that hold
 */
export function parseAssumptions(texts: readonly string[]): ChangedAssumptions {
  const found = new Map<AssumptionKey, Quantity>();
  for (const text of texts) {
    const [written = "", stated, ...more] = text.split("=");
    const name = written.trim();
    const key = keys.get(name);
    if (key === undefined) throw unknownName(name);
    if (stated === undefined || more.length > 0) throw notValid(key, stated ?? "nothing");
    if (found.has(key)) {
      throw fault(`${name} is stated twice`, "State each assumption once.");
    }
    found.set(key, quantityOf(key, stated.trim()));
  }
  return Object.fromEntries(found);
}

function quantityOf(key: AssumptionKey, text: string): Quantity {
  const parts = text.split("..");
  const [low = Number.NaN, expected = low, high = low] = parts.map(numberOf);
  const { least, most } = kindOf(key);
  const isRange = parts.length === 1 || parts.length === 3;
  const isInBounds = [low, expected, high].every((value) => value >= least && value <= most);
  if (!isRange || !isInBounds) throw notValid(key, text);
  if (low > expected || expected > high) {
    throw fault(
      `${assumptionOption(key)}=${text} is not in order`,
      "State the least figure first: LOW..EXPECTED..HIGH.",
    );
  }
  return { low, expected, high };
}

/** Plain decimals and powers of ten, e.g. `2.5e9`; all else is no number. */
function numberOf(text: string): number {
  return /^\d{1,24}(\.\d{1,24})?([eE][+-]?\d{1,2})?$/.test(text) ? Number(text) : Number.NaN;
}

function notValid(key: AssumptionKey, text: string): PortolanError {
  const { name, unit, least, most } = kindOf(key);
  const option = assumptionOption(key);
  return fault(
    `${option}: ${JSON.stringify(text.slice(0, 60))} is no ${name} (${unit}) between ${least} and ${most}`,
    `State ${option}=VALUE or ${option}=LOW..EXPECTED..HIGH.`,
  );
}

function unknownName(name: string): PortolanError {
  const meant = didYouMean(name, options);
  return fault(
    `the plan has no assumption ${JSON.stringify(name.slice(0, 60))}`,
    meant === undefined
      ? "portolan plan --help lists their names."
      : `Did you mean ${meant}? portolan plan --help lists them all.`,
  );
}

function fault(detail: string, mend: string): PortolanError {
  return new PortolanError("planner.assumption_not_valid", { detail, mend });
}
