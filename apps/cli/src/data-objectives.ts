import { resolve } from "node:path";
import { measuredLevels } from "@portolan/data/policy";
import { type Environment, isPortolanError, PortolanError, parseDurationMs } from "@portolan/kernel";
import type { DataObjective } from "@portolan/monitoring/policy";
import { parse } from "yaml";
import { contractFiles, openContract } from "./contract-files.ts";
import type { CliErrorCode } from "./errors.ts";
import { readFeatureFiles, type TextFile } from "./project-files.ts";

/**
 * What the contracts and feature views of a folder want of their data: a contract's measured service levels, and a view's `ttl`, beyond which its values
 * are none.
 *
 * @throws PortolanError `cli.bad_file` when nothing in the folder says one
 */
export async function dataObjectives(
  cwd: string,
  target: string | undefined,
  environment: Environment,
): Promise<DataObjective[]> {
  const contracts: DataObjective[] = [];
  for (const path of await contractFiles(cwd, target)) {
    const { contract } = await openContract(path);
    const { id, version } = contract;
    for (const level of measuredLevels(contract)) {
      const property = level.measure === "freshness" ? "freshness, latency" : level.measure;
      const wantedBy = `slaProperties (${property}) of ${id} ${version}`;
      contracts.push({ ...level, kind: "contract", name: id, contract: id, environment, wantedBy });
    }
  }
  const views = (await readFeatureFiles(cwd, target ?? ".")).flatMap((file) => ofView(file, environment));
  const found = [...contracts, ...views];
  if (found.length > 0) return found;
  throw new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `no contract or feature view in ${resolve(cwd, target ?? ".")} says what its data have to be`,
    mend: "Write slaProperties (property: freshness) into the contract, or ttl into the view.",
  });
}

/** Its name, source and ttl alone: whether the view is right otherwise, `portolan apply` says. */
function ofView({ path, text }: TextFile, environment: Environment): DataObjective[] {
  const view: unknown = parse(text);
  if (typeof view !== "object" || view === null) return [];
  const { kind, name, source, ttl } = Object.fromEntries(Object.entries(view));
  if (kind !== "FeatureView" || typeof name !== "string" || typeof source !== "string") return [];
  return [
    {
      kind: "view",
      name,
      contract: source,
      environment,
      measure: "freshness",
      op: "lte",
      bound: millisecondsOf(path, ttl) / 1000,
      wantedBy: `the ttl of ${name}`,
    },
  ];
}

function millisecondsOf(path: string, ttl: unknown): number {
  try {
    return parseDurationMs(String(ttl));
  } catch (error) {
    if (!isPortolanError(error)) throw error;
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} has no ttl that is a duration`,
      mend: "Write one such as `ttl: 24h`.",
    });
  }
}
