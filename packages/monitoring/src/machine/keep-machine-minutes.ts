import type { CallContext, UnitOfWork } from "@portolan/kernel";
import type { MachineMinute } from "./machine-minutes.ts";
import { addMachineMinutes } from "./machine-store.ts";

/** Keeps what a process saw of its machine, for the timelines of all endpoints. */
export async function keepMachineMinutes(
  { work }: { readonly work: UnitOfWork },
  call: CallContext,
  machine: string,
  minutes: readonly MachineMinute[],
): Promise<void> {
  await work.write(call, (tx) => addMachineMinutes(tx.sql, machine, minutes));
}
