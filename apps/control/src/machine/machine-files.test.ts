import { expect, test } from "vitest";
import { readGroupMemory, readMemory, readNetwork, readTicks } from "./machine-files.ts";
import { sampleOf } from "./sample-machine.ts";

const stat = `cpu  1000 10 200 5000 300 0 40 50 900 0
cpu0 500 5 100 2500 150 0 20 25 450 0
intr 12345
`;
const meminfo = "MemTotal:       8000 kB\nMemFree:         100 kB\nMemAvailable:   2000 kB\n";
const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 9999999    100    0    0    0     0          0         0  9999999    100    0    0    0     0       0          0
  eth0: 1000     10    0    0    0     0          0         0     200      5    0    0    0     0       0          0
  wlan0:300      3    0    0    0     0          0         0       4      1    0    0    0     0       0          0
`;

test("processors are busy when they neither idle nor wait for a disk; guests count once", () => {
  expect(readTicks(stat)).toEqual({ busy: 1300, all: 6600 });
  for (const text of ["", "cpu  a b c d e", "cpu  1 2"]) expect(readTicks(text)).toBeUndefined();
});

test("memory is what cannot be had, of the machine or of the group's bound", () => {
  expect(readMemory(meminfo)).toEqual({ used: 6000 * 1024, all: 8000 * 1024 });
  expect(readMemory("MemTotal: 1 kB\n")).toBeUndefined();
  expect(readGroupMemory("1000\n", "900\n", "anon 1\ninactive_file 300\n")).toEqual({ used: 600, all: 1000 });
  expect(readGroupMemory("max\n", "900\n", "")).toBeUndefined();
  expect(readGroupMemory("", "", "")).toBeUndefined();
});

test("networks are all devices but the loopback one", () => {
  expect(readNetwork(dev)).toBe(1504);
  expect(readNetwork("")).toBeUndefined();
});

test("a look tells what passed since the one before; counters that began anew tell nothing", () => {
  const before = { at: 0, ticks: { busy: 100, all: 1000 }, networkBytes: 500 };
  const now = {
    at: 2_000_000,
    ticks: { busy: 250, all: 1200 },
    networkBytes: 2500,
    memory: { used: 1, all: 4 },
  };
  expect(sampleOf(now, before)).toEqual({ memory: 25, processors: 75, network: 1000 });
  expect(sampleOf(now, undefined)).toEqual({ memory: 25 });
  expect(sampleOf({ at: 3_000_000, ticks: { busy: 1, all: 2 }, networkBytes: 1 }, now)).toEqual({});
  expect(sampleOf({ ...now, at: 0 }, { ...now, at: 0 })).toEqual({ memory: 25 });
});
