import { readFileSync } from "node:fs";
import { messageOf, PortolanError } from "@portolan/kernel";
import { mergePriceBooks, type PriceBook, parsePriceFile, readShippedPrices } from "@portolan/planner";
import type { ControlSettings } from "../config.ts";

/**
 * What control prices everything with: the shipped records, and the operator's own, which win. Read once, at the start.
 *
 * @throws PortolanError `kernel.bad_configuration` for a file that cannot be read, and what `parsePriceFile` throws, with the line of each finding
 */
export function readPrices({ PRICES_FILE: file }: Pick<ControlSettings, "PRICES_FILE">): PriceBook {
  const shipped = readShippedPrices();
  if (file === undefined) return shipped;
  return mergePriceBooks([shipped, parsePriceFile(textOf(file), file)]);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new PortolanError("kernel.bad_configuration", {
      detail: `PRICES_FILE cannot be read: ${messageOf(error)}`,
      mend: "Name a file of prices as docs/prices-and-placement.md shows, or leave the setting empty.",
    });
  }
}
