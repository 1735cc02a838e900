import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasEmbeddedPostgres } from "@portolan/database/embedded";
import { expect, test } from "vitest";
import { type Product, startProduct } from "../../apps/cli/test/product.ts";
import { must } from "../../apps/control/test/api.ts";
import { randomOf } from "./random.ts";

const seed = Number(process.env["PORTOLAN_CHAOS_SEED"] ?? "1");
const kills = 4;
/** A small installation is copied in some 200 ms: most kills fall into the copy, the rest before or behind it. */
const longestWaitMs = 250;

test.skipIf(!hasEmbeddedPostgres() && process.env["CI"] !== "true")(
  `control killed ${kills} times while it makes backups (seed ${seed}): each is whole in the end, and one restores`,
  async () => {
    await using product = await startProduct();
    const random = randomOf(seed);
    const token = await product.token("admin");
    const names = Array.from({ length: kills }, (_, i) => `killed-${i}`);
    for (const name of names) {
      const { job } = await must(product, "POST", "/v1/backups", { name }, token);
      await sleep(random() * longestWaitMs);
      const pid = product.kill("control");
      await product.untilRestarted("control", pid);
      await product.untilReady("control", 120_000);
      await untilDone(product, String(job), token);
    }
    expect((await readdir(join(product.home, "backups"))).toSorted()).toEqual(names);
    const { entries } = await must(
      product,
      "GET",
      `/v1/ledger/entries?event=database.backup.made&limit=${kills * 2}`,
      undefined,
      token,
    );
    const made = (entries as { subject: string }[]).map(({ subject }) => subject);
    expect(made.toSorted(), "each backup is on the ledger once").toEqual(names);
    expect((await product.cli("audit", "verify")).code).toBe(0);
    await demandRestorable(join(product.home, "backups", names.at(-1) ?? ""), product);
  },
);

async function untilDone(product: Product, job: string, token: string): Promise<void> {
  const deadline = performance.now() + 240_000;
  while (performance.now() < deadline) {
    const { state, error } = await must(product, "GET", `/v1/jobs/${job}`, undefined, token);
    if (state === "done") return;
    if (state === "failed" || state === "cancelled")
      throw new Error(`the backup ${String(state)}: ${String(error)}`);
    await sleep(50);
  }
  throw new Error(`backup ${job} is not done after four minutes`);
}

/** These backups hold no private keys: the restore retires the keys it lacks, and the ledger still verifies. */
async function demandRestorable(backup: string, product: Product): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "portolan-restored-"));
  try {
    const restored = await product.cli("--home", join(folder, "home"), "restore", backup, "--json");
    expect(restored.code, restored.out + restored.err).toBe(0);
    const outcome = JSON.parse(restored.out) as {
      ledgers: { provedRows: number }[];
      retiredKeys: string[];
    };
    expect(outcome.ledgers[0]?.provedRows).toBeGreaterThan(kills);
    expect(outcome.retiredKeys.length).toBeGreaterThan(0);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
