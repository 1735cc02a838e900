import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startTestControl } from "../../packages/predictions/test/control.ts";
import { shipUnderKills } from "../../packages/predictions/test/ship-under-kills.ts";

// Seeded, so that a failure can be run again: PORTOLAN_CHAOS_SEED.
const seed = Number(process.env["PORTOLAN_CHAOS_SEED"] ?? "1");

/** Mulberry32: small, seeded, good enough to spread kill times. */
function randomOf(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`50 kills of a gateway that writes and ships (seed ${seed}): nothing lost, nothing twice`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "predictions-chaos-"));
  const control = await startTestControl();
  const random = randomOf(seed);
  try {
    const compared = await shipUnderKills(
      control,
      folder,
      Array.from({ length: 50 }, () => Math.floor(random() * 400)),
    );
    expect(compared).toBeGreaterThanOrEqual(50); // each run waits for its first acknowledgement
  } finally {
    await control.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
