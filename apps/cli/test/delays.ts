import { setTimeout as sleep } from "node:timers/promises";
import type { CommandResult, Product } from "./product.ts";

/** A command that has to succeed: its words in one line, and what holds spaces after it. */
export type Done = (line: string, ...more: string[]) => Promise<CommandResult>;

/** @param product asked anew at each command: it is started in a hook */
export function doneBy(product: () => Product): Done {
  return async (line, ...more) => {
    const result = await product().cli(...line.split(" "), ...more);
    if (result.code !== 0) throw new Error(`${line}: ${result.err}${result.out}`);
    return result;
  };
}

const soonMs = 60_000;

/** Again and again until it holds: a snapshot and a delivered block take their seconds. */
export async function soon(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + soonMs;
  while (performance.now() < deadline) {
    if (await holds()) return;
    await sleep(200);
  }
  throw new Error(`it did not come true within ${soonMs / 1000} s`);
}

/** The use case `delays`, with the account `ci` that pushes its models and `shop` that asks them. */
export async function createDelays(done: Done): Promise<void> {
  await done("business-unit create operations");
  await done("team create planning --business-unit operations");
  await done("use-case create delays --team planning");
  for (const name of ["ci", "shop"]) await done(`service-account create ${name}`);
  const { organisationId } = JSON.parse((await done("whoami --json")).out) as { organisationId: string };
  await done(`grant ci --to ci --scope ${organisationId}`);
  await done("grant application --to shop --scope-kind use_case --scope delays");
}

/** Text of a key with which `shop` asks in dev. */
export async function createShopKey(done: Done): Promise<string> {
  const { out } = await done("api-key create app --for shop --environment dev --json");
  return (JSON.parse(out) as { text: string }).text;
}
