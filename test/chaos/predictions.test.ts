import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startTestControl } from "../../packages/predictions/test/control.ts";
import { shipUnderKills } from "../../packages/predictions/test/ship-under-kills.ts";
import { randomOf } from "./random.ts";

const seed = Number(process.env["PORTOLAN_CHAOS_SEED"] ?? "1");

// With the gateway kills of the whole product (processes.test.ts) these are over fifty.
const kills = 32;

test(`${kills} kills of a gateway that writes and ships (seed ${seed}): nothing lost, nothing twice`, async () => {
  const folder = mkdtempSync(join(tmpdir(), "predictions-chaos-"));
  const control = await startTestControl();
  const random = randomOf(seed);
  try {
    const compared = await shipUnderKills(
      control,
      folder,
      Array.from({ length: kills }, () => Math.floor(random() * 400)),
    );
    expect(compared).toBeGreaterThanOrEqual(kills); // each run waits for its first acknowledgement
  } finally {
    await control.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
