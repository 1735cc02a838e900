import { asEpochMicros } from "@portolan/kernel";
import { sql as text } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../../data/test/data-fixture.ts";
import type * as EarlyModule from "../src/early/early-events.ts";
import type { EarlyDeps, EarlyEvents } from "../src/early/early-events.ts";
import type { OnlineStore } from "../src/ports.ts";
import { bad, type EarlyDoor, openDoor } from "./early-door.ts";
import { type Fault, faultyCopy } from "./faulty-copy.ts";

/**
 * Faults of whoever brings accepted events online and takes them out again (docs/spec/features.md, F53 to F56, F66) are put into our own code, one by one. Those of the
 * stores are in the adapters' tests.
 */

let door: EarlyDoor;
beforeAll(async () => {
  door = await openDoor();
});
afterAll(() => door.f.close());

/** Who takes events in: as the sources have it, or with a fault. */
type Maker = (more?: Partial<EarlyDeps>) => EarlyEvents;
/** Tells what is seen of what a maker makes; leaves nothing early. */
type Scenario = (make: Maker) => Promise<unknown>;

let last = 1000;
/** A departure of its own, 20 minutes after the one before it. */
const next = () => ({ flight: `x${(last += 1)}`, airport: "a", at: last * 20, delay: last });

async function batchEnds(post: () => Promise<void>): Promise<void> {
  const before = await door.ended();
  await post();
  await waitFor(door.ended, (now) => now > before);
}

/** How far both views are folded, in truth. */
async function folded(): Promise<number> {
  const views = await Promise.all([door.headerOf("airports"), door.headerOf("delays")]);
  const positions = await Promise.all(views.map((view) => door.f.deps.online.foldPosition(view)));
  return Math.min(...positions.map((position) => position?.sequence ?? 0));
}

const later = (micros: number): Pick<EarlyDeps, "clock"> => ({
  clock: { ...door.f.deps.clock, now: () => asEpochMicros(door.f.deps.clock.now() + micros) },
});

/** The store as it is, but for how far it says that it has folded the log. */
function behind(): Pick<EarlyDeps, "online"> {
  const { online } = door.f.deps;
  const { early } = online;
  if (!early) throw new Error("the store takes no early events");
  const late: OnlineStore = {
    ...online,
    early,
    foldPosition: async (view) => {
      const position = await online.foldPosition(view);
      return position && { ...position, sequence: 0 };
    },
  };
  return { online: late };
}

/** A batch of which the gate publishes nothing: what is early before and after its end. */
const refused: Scenario = async (make) => {
  const early = make();
  await early.look();
  const one = next();
  await batchEnds(() => door.post([one, bad, bad], early));
  const before = await door.found(one.at);
  await early.look();
  const after = await door.found(one.at);
  return [before[2] === one.delay, after[2] === one.delay];
};

/** A batch that is published while the store's fold has not come so far: two looks, the second one minutes later. */
const published: Scenario = async (make) => {
  const one = next();
  const first = make(behind());
  await first.look();
  const before = await folded();
  await door.post([one], first);
  await waitFor(folded, (now) => now > before);
  await first.look();
  const seen = [await door.waiting()];
  const second = make({ ...behind(), ...later(120_000_000) });
  await second.look();
  seen.push(await door.waiting());
  return seen;
};

/** An event that was accepted when nobody took it in, and is erased while it waits. */
const erased: Scenario = async (make) => {
  const one = next();
  await door.post([one], null);
  const early = make(later(120_000_000));
  await early.look();
  await early.idle();
  const seen = [(await door.found(one.at))[2] === one.delay];
  await make(later(120_000_000)).look();
  seen.push((await door.found(one.at))[2] === one.delay);
  await door.f.deps.uow.write(door.f.call, (tx) =>
    text`delete from data.events`.execute(tx.sql.withTables<Record<never, never>>()),
  );
  await make(later(240_000_000)).look();
  seen.push((await door.found(one.at))[2] === one.delay);
  return seen;
};

/** An event that comes to the store after its batch was refused. */
const held: Scenario = async (make) => {
  const { online } = door.f.deps;
  const { early } = online;
  if (!early) throw new Error("the store takes no early events");
  const slow = Promise.withResolvers<void>();
  const accept: typeof early.accept = async (...lines) => {
    await slow.promise;
    await early.accept(...lines);
  };
  const other = make({ online: { ...online, early: { ...early, accept } } });
  await other.look();
  const one = next();
  const before = await door.ended();
  const posted = door.post([one, bad, bad], other);
  await waitFor(door.ended, (now) => now > before);
  await other.look();
  slow.resolve();
  await posted;
  await other.idle();
  await other.look();
  return (await door.found(one.at))[2] === one.delay;
};

const settling = "features/src/early/settle-batches.ts";
const taking = "features/src/early/early-events.ts";
const faults: Readonly<Record<string, readonly [Scenario, Fault]>> = {
  "a refused batch is not withdrawn": [
    refused,
    {
      file: "features/src/early/early-store.ts",
      edits: [[`isToCome ? undefined : { outcome: "withdrawn", lastSequence: null }`, "undefined"]],
    },
  ],
  "events are taken out before the fold has them": [
    published,
    { file: settling, edits: [["position.sequence < (end.lastSequence ?? 0)", "position.sequence < 0"]] },
  ],
  "an event of a batch that is not settled is taken for one that is nowhere": [
    published,
    { file: settling, edits: [[" && !isWithin(ranges, accepted)", ""]] },
  ],
  "a batch is settled while its events are on their way": [
    held,
    { file: settling, edits: [[".some(([, last]) => last >= firstHeld())", ".some(() => false)"]] },
  ],
  "an event that waits is taken for one that is nowhere": [
    erased,
    { file: settling, edits: [["!waiting.has(accepted) && ", ""]] },
  ],
  "an event that was erased while it waited stays": [
    erased,
    { file: settling, edits: [["if (strays.length > 0) await early.settle(header, strays);", ""]] },
  ],
  "who starts anew does not ask for what waits": [
    erased,
    {
      file: taking,
      edits: [["if (!before.has(log.id)) this.#behind.add(placeKey(placeOf(log)));", "void log;"]],
    },
  ],
};

const expected = new Map<Scenario, unknown>([
  [refused, [true, false]],
  [published, [1, 1]],
  [erased, [true, true, false]],
  [held, false],
]);

describe("every known fault of what takes accepted events in and out is caught", () => {
  test.for([...expected])("as it is, all is seen as it should be", async ([scenario, seen]) => {
    expect(await scenario(door.anotherEarly)).toEqual(seen);
    await door.settled();
  });

  test.for(Object.entries(faults))("%s", async ([, [scenario, fault]]) => {
    await using copy = await faultyCopy(fault);
    const { EarlyEvents: Faulty } = copy.load(taking) as typeof EarlyModule;
    expect(await scenario((more) => door.anotherEarly(more, Faulty))).not.toEqual(expected.get(scenario));
    await dropEarly();
    await door.settled();
  });
});

/** What a fault left behind. */
async function dropEarly(): Promise<void> {
  const { early } = door.f.deps.online;
  for (const view of ["airports", "delays"] as const)
    await early?.settle(await door.headerOf(view), [[0, Number.MAX_SAFE_INTEGER]]);
}
