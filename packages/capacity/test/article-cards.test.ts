import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { assumedAvailabilities, redundancyFor } from "../src/index.ts";

/** What somebody else reckoned from the articles, beside the checkout where there is any. */
const file = join(import.meta.dirname, "../../../../shared/data/seed-vectors.csv");

test.skipIf(!existsSync(file))(
  "the articles' cards for inference, and their money, come out of 99.9 % of the time and one card that carries the load",
  () => {
    const [, cards, price, sum] =
      /^S05,[^,]*,(\d+) GPU inference,\d+\*(\d+),(\d+),/m.exec(readFileSync(file, "utf8")) ?? [];
    const { instances } = redundancyFor({
      ...assumedAvailabilities,
      needed: 1,
      target: 0.999,
      mostZones: 3,
      mostRegions: 1,
      canary: 1,
      spare: 1,
    });
    expect(instances).toBe(Number(cards));
    expect(instances * Number(price)).toBe(Number(sum));
  },
);
