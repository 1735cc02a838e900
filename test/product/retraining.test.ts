import type { RetrainingReport } from "@portolan/retraining/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePython } from "../../packages/training/test/trainer-fixture.ts";
import { endpoint, model, openRetrainingWorld, type RetrainingWorld } from "./retraining-world.ts";

const python = await requirePython();

/** The whole road with its real parts: a trainer, the scorer, gates, signatures, a release. */
describe.skipIf(python === undefined)("retraining", () => {
  let world: RetrainingWorld;
  let id = "";

  beforeAll(async () => {
    world = await openRetrainingWorld(python?.minor ?? "");
  });
  afterAll(() => world.control.close());

  async function count(table: string): Promise<number> {
    const rows = await world.control.database.session((session) =>
      session.query<{ n: number }>(`select count(*)::int as n from ${table}`),
    );
    return rows[0]?.n ?? 0;
  }

  test("what the charter says of the schedule starts it, unattended, and it comes as far as a person's approval", async () => {
    await world.control.retraining.watch();
    const [begun] = await world.list();
    expect(begun).toMatchObject({ state: "preparing", cause: { trigger: "schedule" } });
    id = begun?.id ?? "";
    const now = await world.until(id, "waiting_for_approval");
    expect(now, JSON.stringify(now)).toMatchObject({ state: "waiting_for_approval", made: { version: 2 } });
    console.log(JSON.stringify(now, null, 1));
  });
});
