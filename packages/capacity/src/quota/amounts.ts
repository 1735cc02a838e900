import { parseBytes } from "@portolan/kernel";
import { type MigModel, migModels } from "../mig/models.ts";

// Resources are counted in whole units, so that sums are exact: `cpu` in thousandths, `memory` in MiB, `pods`, and `gpu/<model>` in memory slices of
// cards that MIG can cut, in whole cards of others. Counted as instances, four 1g would be as much as four 7g (kueue#10108).

/** More than any cluster has, and a million of them sum exactly. */
const most = 1e9;
export const gpuPrefix = "gpu/";

/** A value, or what is wrong with the text. */
export type Parsed = { readonly amount: number } | { readonly fault: string };

export function modelOf(resource: string): MigModel | undefined {
  const name = resource.startsWith(gpuPrefix) ? resource.slice(gpuPrefix.length) : undefined;
  return migModels.find((model) => model.name === name);
}

/**
 * @param rounding a request of 1.5 MiB takes 2, a quota of it gives 1
 */
export function parseAmount(resource: string, text: string, rounding: "up" | "down"): Parsed {
  if (resource === "cpu") return decimal(text, 1000, "CPU cores, such as 4 or 0.5");
  if (resource === "pods") return decimal(text, 1, "pods, a whole number");
  if (resource === "memory") return memory(text, rounding);
  return cards(resource, text);
}

/** As people wrote it. */
export function amountText(resource: string, amount: number): string {
  if (resource === "cpu") return `${amount / 1000} CPU`;
  if (resource === "pods") return `${amount} pods`;
  if (resource === "memory") return amount % 1024 === 0 ? `${amount / 1024}GiB` : `${amount}MiB`;
  const slices = modelOf(resource)?.memorySlices;
  const name = resource.slice(gpuPrefix.length);
  if (slices === undefined || amount % slices === 0) return `${amount / (slices ?? 1)} x ${name}`;
  return `${amount} slices of ${name} (${slices} a card)`;
}

function decimal(text: string, factor: number, what: string): Parsed {
  const value = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  const amount = Math.round(value * factor);
  return Math.abs(value * factor - amount) < 1e-6 && amount <= most
    ? { amount }
    : { fault: `${quoted(text)} is no number of ${what}` };
}

function memory(text: string, rounding: "up" | "down"): Parsed {
  try {
    const mib = parseBytes(text) / 2 ** 20;
    const amount = rounding === "up" ? Math.ceil(mib) : Math.floor(mib);
    if (amount >= 0 && amount <= most) return { amount };
  } catch {
    // Said below.
  }
  return { fault: `${quoted(text)} is no size such as 64GiB` };
}

/** `2`, `1g.10gb=3`, `1 + 3g.40gb=1`: cards, instances, or both. Names of profiles may end in `+me`. */
function cards(resource: string, text: string): Parsed {
  const model = modelOf(resource);
  let amount = 0;
  for (const part of text.split(/\+(?!me\b)/).map((one) => one.trim())) {
    const [name = "", number] = part.split("=").map((one) => one.trim());
    const count = number ?? name;
    const units =
      number === undefined
        ? (model?.memorySlices ?? 1)
        : model?.profiles.find((profile) => profile.name === name)?.memorySlices;
    if (units === undefined)
      return {
        fault: model
          ? `${quoted(name)} is no MIG profile of ${model.name}: ${model.profiles.map((profile) => profile.name).join(", ")}`
          : `${quoted(resource.slice(gpuPrefix.length))} is no card that MIG is known to cut: ask for whole ones`,
      };
    if (!/^\d{1,6}$/.test(count))
      return { fault: `${quoted(part)} is no number of cards, such as 2 or 1g.10gb=3` };
    amount += Number(count) * units;
  }
  return { amount };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 60));
}
