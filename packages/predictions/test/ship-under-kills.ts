import { sql } from "kysely";
import type { PartSpot } from "../src/control/store.ts";
import { createShipper } from "../src/shipping/shipper.ts";
import { sealDeadWriter } from "../src/writer/recovery.ts";
import type { TestControl } from "./control.ts";
import { deliverOverHttp } from "./http-delivery.ts";
import { runAndKill } from "./kill-child.ts";
import { clock, organisationId, otherOrganisationId, writerId } from "./records.ts";

/**
 * Kills a writing and shipping gateway again and again, lets a last shipper deliver what is left, and compares what
 * control holds with what the gateway acknowledged. Throws what is wrong; returns the number of records compared.
 */
export async function shipUnderKills(
  control: TestControl,
  folder: string,
  delays: readonly number[],
): Promise<number> {
  const acknowledged: string[] = [];
  for (const [i, delay] of delays.entries()) {
    acknowledged.push(
      ...(await runAndKill([folder, i % 2 === 0 ? "buffered" : "durable", control.url], delay)),
    );
  }
  sealDeadWriter(folder, writerId, clock);
  const shipper = createShipper({ folder, deliver: deliverOverHttp(control.url), pollMs: 5 });
  await shipper.flush();
  await shipper.close();
  const held = await heldIds(control);
  const unique = new Set(held);
  if (unique.size !== held.length) throw new Error(`${held.length - unique.size} records are held twice`);
  const lost = acknowledged.filter((id) => !unique.has(id));
  if (lost.length > 0) throw new Error(`${lost.length} acknowledged records are lost, first ${lost[0]}`);
  const { rows } = await sql<{ open: number; chain: number; blocks: number }>`
    select (select count(*)::int from predictions.block_parts where anchor_second is null) as open,
      (select count(*)::int from predictions.blocks b join predictions.blocks p on p.root = b.previous_root) as chain,
      (select count(*)::int from predictions.blocks) as blocks`.execute(control.sql);
  const [state] = rows;
  if (state?.open !== 0) throw new Error(`${state?.open} accepted parts are not in the ledger`);
  if (state.chain !== state.blocks - 1) throw new Error("the accepted blocks are not one chain");
  return acknowledged.length;
}

async function heldIds(control: TestControl): Promise<string[]> {
  const held: string[] = [];
  for (const organisation of [organisationId, otherOrganisationId]) {
    const { rows } = await sql<PartSpot>`
      select file, record_count, null as first_row, null as archive_file from predictions.block_parts
      where organisation_id = ${organisation}`.execute(control.sql);
    for (const spot of rows) {
      const { entries } = await control.deps.files.read(spot, organisation);
      for (const { header } of entries) {
        const { id } = JSON.parse(header.toString()) as { id: string };
        held.push(id);
      }
    }
  }
  return held;
}
