import { readdirSync, readFileSync } from "node:fs";
import { mergePriceBooks, type PriceBook, parsePriceFile } from "./price-book.ts";

const folder = new URL("../prices/", import.meta.url);

/** The price book that comes with Portolan. Read once by whoever wires the planner. */
export function readShippedPrices(): PriceBook {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".yaml"))
    .toSorted();
  return mergePriceBooks(
    files.map((name) => parsePriceFile(readFileSync(new URL(name, folder), "utf8"), name)),
  );
}
