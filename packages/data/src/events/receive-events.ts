import { readFile } from "node:fs/promises";
import {
  asPlace,
  type CallContext,
  type Clock,
  type Environment,
  locate,
  ownerOf,
  PortolanError,
  type Transaction,
} from "@portolan/kernel";
import type { DataContract } from "../contracts/contract-model.ts";
import { requireContract } from "../contracts/require-contract.ts";
import type { DataErrorCode } from "../errors.ts";
import type { IngestionDeps } from "../ingestion/start-ingestion.ts";
import { RowValidator, type RowVerdict, type ZoneTables } from "../judging/validate-row.ts";
import type { EarlyTaker } from "../ports.ts";
import type { Waiting } from "./event-store.ts";
import { inTurn } from "./in-turn.ts";
import { type JudgedEvents, judgeEvents } from "./judge-events.ts";
import { eventPlace, findFull, keepEvents, windowEnd, windowOf } from "./keep-events.ts";

export interface EventDeps extends IngestionDeps {
  readonly clock: Clock;
  /** Events of so long a time become one batch. */
  readonly eventWindowMs: number;
  /** Who wants accepted events before their batch; absent when nobody does. */
  readonly early?: EarlyTaker;
}

export interface NewEvents {
  readonly environment: Environment;
  readonly useCaseId?: string;
  /** JSON lines. */
  readonly body: string;
}

/**
 * Takes events in under the newest version of a contract. When it resolves they are on disk, with a job that makes a batch of them once their
 * window is over; the answer says of each what the batch will say.
 *
 * @throws PortolanError `data.contract_not_found`, `data.too_many_events`
 */
export async function receiveEvents(
  deps: EventDeps,
  call: CallContext,
  name: string,
  input: NewEvents,
): Promise<Omit<JudgedEvents, "lines">> {
  const { organisationId } = call.actor;
  const { environment } = input;
  await deps.authorizer.require(call, "data:ingest", {
    type: "Contract",
    id: name,
    organisationId,
    environment,
    ...asPlace(input),
  });
  const place = {
    environment,
    ...(await locate(deps.places, organisationId, { useCaseId: input.useCaseId })),
  };
  await deps.residency.require(call, { environment, name: `events ${name}`, ...ownerOf(place) });
  const contract = await deps.uow.read(call, (sql) => requireContract(sql, organisationId, place, name));
  const validator = await validatorOf(deps, contract.digest, contract.body);
  const at = eventPlace(organisationId, name, place);
  const rows: { index: number; values: RowVerdict["values"] }[] = [];
  const isWanted = deps.early?.wants(at) === true;
  const { lines, ...judged } = await judgeEvents(validator, input.body, {
    source: call.requestId,
    onAccepted: isWanted ? (index, values) => void rows.push({ index, values }) : undefined,
    asOf: windowEnd(windowOf(deps.clock.now(), deps.eventWindowMs), deps.eventWindowMs),
  });
  if (lines.length === 0) return judged;
  const keep = async (tx: Transaction) => {
    const full = await findFull(tx.sql, at);
    if (full) throw tooMany(name, full);
    const { accepted, quarantined, deadLetters } = judged;
    const detail = { accepted, quarantined: quarantined.length, deadLetters: deadLetters.length };
    const windowMs = deps.eventWindowMs;
    return { at: tx.now, numbers: await keepEvents(tx, { contract, place, lines, detail, windowMs }) };
  };
  const kept = await inTurn(Object.values(at).join(":"), () => deps.uow.write(call, keep));
  await deps.early?.take(at, {
    acceptedAt: kept.at,
    bytes: input.body.length,
    rows: rows.map(({ index, values }) => ({ accepted: kept.numbers[index] ?? 0, values })),
  });
  return judged;
}

function tooMany(name: string, { events, bytes }: Waiting): PortolanError<DataErrorCode> {
  return new PortolanError("data.too_many_events", {
    detail: `${events} events of ${Math.round(bytes / 2 ** 20)} MiB under ${name} wait to become a batch`,
    mend: "Send them again after a minute.",
  });
}

/** Compiled contracts by their digest: patterns and tables are read once. */
const compiled = new Map<string, RowValidator>();
const mostCompiled = 100;

export async function validatorOf(
  deps: Pick<IngestionDeps, "objects">,
  digest: string,
  contract: DataContract,
): Promise<RowValidator> {
  const known = compiled.get(digest);
  if (known) return known;
  const tables = await Promise.all(
    Object.entries(contract.references).map(async ([file, of]) => [
      file,
      zoneTable(await readFile(await deps.objects.localPath(of), "utf8")),
    ]),
  );
  const validator = new RowValidator(contract, Object.fromEntries(tables) as ZoneTables);
  const [oldest] = compiled.keys();
  if (compiled.size >= mostCompiled && oldest !== undefined) compiled.delete(oldest);
  compiled.set(digest, validator);
  return validator;
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
