import { asEpochMicros } from "@portolan/kernel";
import { expect, test } from "vitest";
import { noteAge, readAgeNote, startAge } from "./snapshot-age.ts";

/** A machine whose wall clock and monotonic clock move apart when somebody sets the former. */
function aMachine() {
  let wallMs = 1_000_000;
  let monotonic = 50;
  return {
    clock: {
      now: () => asEpochMicros(wallMs * 1000),
      monotonicNanos: () => BigInt(monotonic) * 1_000_000n,
    },
    pass(ms: number) {
      wallMs += ms;
      monotonic += ms;
    },
    setClock(byMs: number) {
      wallMs += byMs;
    },
    reboot() {
      monotonic = 3;
    },
  };
}
const snapshot = { version: 7, createdAt: 1_000_000_000 };
const hour = 3_600_000;

test("a snapshot ages with the time that passes, from its own signature on", () => {
  const machine = aMachine();
  machine.pass(200);
  const age = startAge(machine.clock, snapshot);
  expect(age()).toBe(200);
  machine.pass(hour);
  expect(age()).toBe(hour + 200);
});

test("a clock that is set back or forward while it is served neither prolongs nor ends it", () => {
  const machine = aMachine();
  const age = startAge(machine.clock, snapshot);
  machine.setClock(-24 * hour);
  machine.pass(hour);
  expect(age()).toBe(hour);
  machine.setClock(48 * hour);
  machine.pass(1);
  expect(age()).toBe(hour + 1);
});

test("a restart continues its age, also when the clock was set back meanwhile", () => {
  const machine = aMachine();
  const age = startAge(machine.clock, snapshot);
  machine.pass(5 * hour);
  const note = noteAge(snapshot.version, age(), machine.clock.now());
  machine.reboot();
  machine.pass(hour);
  expect(startAge(machine.clock, snapshot, note)()).toBe(6 * hour);
  machine.setClock(-100 * hour);
  expect(startAge(machine.clock, snapshot, note)()).toBe(5 * hour);
  expect(startAge(machine.clock, { ...snapshot, version: 8 }, note)(), "a note is of one version").toBe(0);
});

test("a snapshot from a clock that runs ahead is new, never younger than that", () => {
  const machine = aMachine();
  machine.setClock(-hour);
  expect(startAge(machine.clock, snapshot)()).toBe(0);
});

test("what is no note counts as none", () => {
  expect(readAgeNote({ version: 1, ageMs: 2, at: 3 })).toEqual({ version: 1, ageMs: 2, at: 3 });
  for (const value of [undefined, null, 4, "x", {}, { version: "1", ageMs: 2, at: 3 }])
    expect(readAgeNote(value)).toBeUndefined();
});
