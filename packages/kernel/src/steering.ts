import { setImmediate as otherWork } from "node:timers/promises";
import type { CallContext } from "./actor.ts";
import type { Id } from "./ids.ts";

/** Rows whose work goes on for hours, step by step, across restarts of the process: what is known of it is on the row. */
export interface SteeredRows<Row extends { readonly id: string }> {
  readonly organisations: () => Promise<readonly Id<"organisation">[]>;
  /** The process's own call in an organisation. */
  readonly callFor: (organisationId: Id<"organisation">) => CallContext;
  /** Those of the call's organisation that are under way, in the order in which they are looked at. */
  readonly listOpen: (call: CallContext) => Promise<readonly Row[]>;
  /** As it stands now; `undefined` once it is over. */
  readonly findOpen: (call: CallContext, id: string) => Promise<Row | undefined>;
  /**
   * Takes one step and keeps what came out of it. It is taken again when the process dies before that, so it must find what it has begun.
   * @returns whether the row stands elsewhere now: there may be another step at once
   */
  readonly advance: (call: CallContext, row: Row) => Promise<boolean>;
  /** One that could not be looked at; the others are, and it is again in the next round. */
  readonly onFault: (row: Row, error: unknown) => void;
}

/** Looks at every open row once, and takes as many steps of each as can be taken without waiting. */
export async function steerOpenRows<Row extends { readonly id: string }>(
  rows: SteeredRows<Row>,
): Promise<void> {
  for (const organisationId of await rows.organisations()) {
    const call = rows.callFor(organisationId);
    for (const row of await rows.listOpen(call)) {
      await steerRow(rows, call, row).catch((error: unknown) => rows.onFault(row, error));
      // Many that need nothing must not hold up the answers of the process.
      await otherWork();
    }
  }
}

async function steerRow<Row extends { readonly id: string }>(
  rows: SteeredRows<Row>,
  call: CallContext,
  found: Row,
): Promise<void> {
  let row: Row | undefined = found;
  while (row && (await rows.advance(call, row))) row = await rows.findOpen(call, found.id);
}
