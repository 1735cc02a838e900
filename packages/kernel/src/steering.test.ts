import { expect, test } from "vitest";
import { systemActor } from "./actor.ts";
import { newId } from "./ids.ts";
import { type SteeredRows, steerOpenRows } from "./steering.ts";
import { asEpochMicros } from "./time.ts";

const organisation = newId("organisation", asEpochMicros(0));

function rowsOf(lengths: Record<string, number>): { rows: SteeredRows<{ id: string }>; told: string[] } {
  const left = new Map(Object.entries(lengths));
  const told: string[] = [];
  const rows: SteeredRows<{ id: string }> = {
    organisations: () => Promise.resolve([organisation]),
    callFor: (id) => ({ actor: systemActor("test", id), requestId: newId("request", asEpochMicros(0)) }),
    listOpen: () => Promise.resolve([...left.keys()].map((id) => ({ id }))),
    findOpen: (_call, id) => Promise.resolve((left.get(id) ?? 0) > 0 ? { id } : undefined),
    advance: (_call, { id }) => {
      if (id === "bad") return Promise.reject(new Error("cannot be looked at"));
      told.push(id);
      const rest = (left.get(id) ?? 0) - 1;
      left.set(id, rest);
      return Promise.resolve(rest >= 0);
    },
    onFault: (row) => void told.push(`fault of ${row.id}`),
  };
  return { rows, told };
}

test("each row takes all steps that it can take without waiting, and one that cannot be looked at keeps none back", async () => {
  const { rows, told } = rowsOf({ a: 2, bad: 1, b: 1 });
  await steerOpenRows(rows);
  expect(told).toEqual(["a", "a", "fault of bad", "b"]);
});

test("a step that waits ends the look", async () => {
  const { rows, told } = rowsOf({ a: 0 });
  await steerOpenRows(rows);
  expect(told).toEqual(["a"]);
});
