import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { AnalysisEngine } from "../analysis.ts";
import type { DataContract } from "../contracts/contract-model.ts";
import type { DataErrorCode } from "../errors.ts";
import { type CounterpartFiles, type CounterpartKeys, keyLinesSql, keyText } from "./counterparts.ts";
import { keyTypes } from "./find-counterparts.ts";

/** Keys are held in memory where events are judged one by one: about a hundred bytes each. */
export const mostKeys = 2_000_000;

/**
 * The keys that a contract's relationships find, for the validator of single rows: those that keep rows out alone, for others judge batches.
 *
 * @throws PortolanError `data.reference_too_large`
 */
export async function counterpartKeys(
  engine: AnalysisEngine,
  contract: DataContract,
  files: CounterpartFiles,
  workFolder: string,
): Promise<CounterpartKeys> {
  const wanted = (contract.relationships ?? []).filter(({ otherwise }) => otherwise === "quarantine");
  if (wanted.length === 0) return {};
  await mkdir(workFolder, { recursive: true });
  const folder = await mkdtemp(join(workFolder, "keys-"));
  try {
    const lines = (index: number): string => join(folder, `${index}.jsonl`);
    const there = wanted.flatMap((relationship, index) => {
      const from = files[relationship.target.contract];
      return from ? [{ relationship, from, to: lines(index) }] : [];
    });
    if (there.length > 0)
      await engine.run({
        statements: there.map(({ relationship, ...of }) => ({
          sql: keyLinesSql(relationship, keyTypes(contract, relationship), { ...of, most: mostKeys + 1 }),
          note: `reading keys of ${relationship.target.contract}`,
        })),
        readable: there.map(({ from }) => from),
        workFolder: folder,
      });
    const keys: Record<string, ReadonlySet<string>> = {};
    for (const { name } of wanted) keys[name] = new Set();
    for (const { relationship, to } of there) {
      const known = await readKeys(to);
      if (known.size > mostKeys) throw tooMany(relationship.target.contract);
      keys[relationship.name] = known;
    }
    return keys;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readKeys(path: string): Promise<Set<string>> {
  const known = new Set<string>();
  for await (const line of linesOf(path)) {
    const { k } = JSON.parse(line) as { readonly k: readonly string[] };
    const key = keyText(k);
    if (key !== undefined) known.add(key);
  }
  return known;
}

/** Lines that end in a line feed alone: a key may hold any other separator. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(path, "utf8")) {
    const lines = `${rest}${chunk as string}`.split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function tooMany(contract: string): PortolanError<DataErrorCode> {
  return new PortolanError("data.reference_too_large", {
    detail: `${contract} has more than ${mostKeys} keys, which are too many to judge single events by`,
    mend: "Deliver these rows as files, or make the relationship one that refuses or warns: it is judged with the batch.",
  });
}
