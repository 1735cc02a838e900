import { readFile } from "node:fs/promises";
import type { CallContext, EnvironmentPlace, ObjectStore, UnitOfWork } from "@portolan/kernel";
import type { AnalysisEngine } from "../analysis.ts";
import type { StoredContract } from "../contracts/contract-store.ts";
import { counterpartKeys } from "../judging/counterpart-keys.ts";
import { counterpartFiles, findCounterparts } from "../judging/find-counterparts.ts";
import { RowValidator, type ZoneTables } from "../judging/validate-row.ts";

export interface ValidatorDeps {
  readonly uow: UnitOfWork;
  readonly objects: ObjectStore;
  readonly engine: AnalysisEngine;
  readonly workFolder: string;
}

export interface ValidatorUse {
  readonly contract: Pick<StoredContract, "digest" | "body">;
  readonly place: EnvironmentPlace;
  /** Up to when datasets were published that foreign keys are looked up in, epoch microseconds: as the batch of the events looks. */
  readonly moment: number;
}

/** Compiled contracts by their digest: patterns and tables are read once. Those with keys of others hold many, and are few. */
const compiled = new Map<string, Promise<RowValidator>>();
const compiledWithKeys = new Map<string, Promise<RowValidator>>();
const mostCompiled = 100;
const mostWithKeys = 4;

/**
 * The validator of a contract's events at a place, as their batch will judge them.
 *
 * @throws PortolanError `data.reference_too_large`
 */
export async function validatorAt(
  deps: ValidatorDeps,
  call: CallContext,
  { contract, place, moment }: ValidatorUse,
): Promise<RowValidator> {
  const { digest, body } = contract;
  if (!body.relationships)
    return remembered(
      compiled,
      mostCompiled,
      digest,
      async () => new RowValidator(body, await zonesOf(deps, body)),
    );
  const found = await deps.uow.read(call, (sql) =>
    findCounterparts(sql, call.actor.organisationId, place, { contract: body, moment }),
  );
  const key = JSON.stringify([
    digest,
    Object.entries(found).map(([name, one]) => [name, one?.object ?? null]),
  ]);
  return remembered(compiledWithKeys, mostWithKeys, key, async () => {
    const files = await counterpartFiles(deps.objects, found);
    const keys = await counterpartKeys(deps.engine, body, files, deps.workFolder);
    return new RowValidator(body, await zonesOf(deps, body), keys);
  });
}

/** What was made under a key; what is asked for at once is made once, and what failed is made again. */
async function remembered(
  among: Map<string, Promise<RowValidator>>,
  most: number,
  key: string,
  make: () => Promise<RowValidator>,
): Promise<RowValidator> {
  const known = among.get(key);
  if (known) return known;
  const [oldest] = among.keys();
  if (among.size >= most && oldest !== undefined) among.delete(oldest);
  const made = make();
  among.set(key, made);
  try {
    return await made;
  } catch (error) {
    if (among.get(key) === made) among.delete(key);
    throw error;
  }
}

async function zonesOf(
  { objects }: Pick<ValidatorDeps, "objects">,
  { references }: StoredContract["body"],
): Promise<ZoneTables> {
  const tables = await Promise.all(
    Object.entries(references).map(
      async ([file, of]) => [file, zoneTable(await readFile(await objects.localPath(of), "utf8"))] as const,
    ),
  );
  return Object.fromEntries(tables);
}

/** Two columns under a header, as the plan of an ingestion reads them. */
function zoneTable(text: string): ReadonlyMap<string, string> {
  const unquoted = (cell = ""): string => cell.trim().replace(/^"(.*)"$/, "$1");
  const rows = text.split(/\r?\n/).slice(1);
  return new Map(
    rows.flatMap((row) => {
      const [key, zone] = row.split(",");
      return key === undefined || zone === undefined ? [] : [[unquoted(key), unquoted(zone)]];
    }),
  );
}
