import type { UnitOfWork } from "@portolan/kernel";
import type { ContractColumn } from "../contracts/contract-model.ts";
import { dropWaiting } from "../events/event-store.ts";
import { subjectColumns } from "./data-places.ts";
import { isExactNumber } from "./match-sql.ts";
import { newestColumns, type WaitingEvent, waitingWith } from "./place-store.ts";
import type { DirectPlace, ErasureScope, Finding } from "./places.ts";
import { hasWord, isTooShort } from "./word-pattern.ts";

/** Events that are read at once. */
const page = 1000;

/** Events that wait for their batch. A line that is no JSON goes when the subject stands in it as a word, unless the name is too short to tell. */
export function eventPlace({ uow }: { readonly uow: UnitOfWork }): DirectPlace {
  return {
    name: "waiting events",
    find: (call, scope) =>
      uow.read(call, async (sql) => {
        const columns = await newestColumns(sql, scope.organisationId);
        const counts = new Map<string, Finding>();
        for (let after = 0; ; ) {
          const events = await waitingWith(sql, scope, inJson(scope.subject), after, page);
          for (const event of events) {
            if (!isOf(event, columns.get(event.contract) ?? [], scope)) continue;
            const known = counts.get(keyOf(event)) ?? finding(event);
            counts.set(keyOf(event), { ...known, rows: known.rows + 1 });
          }
          const last = events.at(-1);
          if (!last || events.length < page) return [...counts.values()];
          after = last.seq;
        }
      }),
    erase: async (call, scope) => {
      let gone = 0;
      for (let after = 0; ; ) {
        const seen = after;
        const { last, dropped } = await uow.write(call, async (tx) => {
          const columns = await newestColumns(tx.sql, scope.organisationId);
          const events = await waitingWith(tx.sql, scope, inJson(scope.subject), seen, page);
          const theirs = events.filter((event) => isOf(event, columns.get(event.contract) ?? [], scope));
          for (const event of theirs)
            await dropWaiting(tx.sql, {
              organisationId: scope.organisationId,
              contract: event.contract,
              environment: event.environment,
              ...(event.use_case_id === null ? {} : { useCaseId: event.use_case_id }),
              seq: event.seq,
            });
          return { dropped: theirs.length, last: events.length < page ? undefined : events.at(-1) };
        });
        gone += dropped;
        if (!last) return gone;
        after = last.seq;
      }
    },
  };
}

/** As it stands between the quotes of a JSON text. */
function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function isOf({ line }: WaitingEvent, columns: readonly ContractColumn[], scope: ErasureScope): boolean {
  const names = new Set(subjectColumns(columns, scope.columns));
  const theirs = columns.filter(({ name }) => names.has(name));
  const event = parsed(line);
  // What is kept as an array was no event (ADR 0124).
  if (event === undefined || Array.isArray(event))
    return !isTooShort(scope.subject) && hasWord(line, scope.subject);
  return theirs.some(({ source, type }) => {
    const value = event[source];
    if (typeof value !== "string" && typeof value !== "number") return false;
    if (String(value) === scope.subject) return true;
    return type === "number" && isExactNumber(scope.subject) && Number(value) === Number(scope.subject);
  });
}

function parsed(line: string): Record<string, unknown> | unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function keyOf({ contract, environment, use_case_id: useCase }: WaitingEvent): string {
  return [contract, environment, useCase ?? ""].join(":");
}

function finding({ contract, environment, use_case_id: useCase }: WaitingEvent): Finding {
  return {
    owner: contract,
    what: `events of ${contract}`,
    rows: 0,
    environment,
    contract,
    ...(useCase === null ? {} : { useCaseId: useCase }),
  };
}
