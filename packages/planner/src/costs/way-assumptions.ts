import type { AssumptionKind } from "./assumption-catalogue.ts";

const one = (value: number) => ({ low: value, expected: value, high: value });

/** Figures of what is bought: only other ways to pay than the plan's rest on them. */
export const wayAssumptions = {
  serverFactor: {
    name: "a card with its share of server and network",
    unit: "times its price",
    group: "ways",
    least: 1,
    most: 100,
    otherwise: { value: { low: 1.3, expected: 1.4, high: 1.6 }, note: "as in portolan own-or-rent" },
  },
  cardWatts: {
    name: "power of a card with server and cooling",
    unit: "W",
    group: "ways",
    least: 0,
    most: 1e5,
    otherwise: { value: { low: 700, expected: 980, high: 1200 }, note: "as in portolan own-or-rent" },
  },
  smallServerFactor: {
    name: "a small card with its share of server and network",
    unit: "times its price",
    group: "ways",
    least: 1,
    most: 100,
    otherwise: {
      value: { low: 1.7, expected: 2.5, high: 4 },
      note: "a server costs as much with two of them as with eight",
    },
  },
  smallCardWatts: {
    name: "power of a small card with server and cooling",
    unit: "W",
    group: "ways",
    least: 0,
    most: 1e5,
    otherwise: {
      value: { low: 110, expected: 180, high: 350 },
      note: "72 W of an L4, and its share of the rest",
    },
  },
  cardLifeMonths: {
    name: "life of what is bought",
    unit: "months",
    group: "ways",
    least: 1,
    most: 600,
    moreIsCheaper: true,
    otherwise: { value: one(36), note: "worth nothing after that, as in portolan own-or-rent" },
  },
} as const satisfies Readonly<Record<string, AssumptionKind>>;
