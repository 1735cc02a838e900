import { expect, test } from "vitest";
import { readDisks, readGroupMemory, readMemory, readNetwork, readTicks } from "./machine-files.ts";
import { sampleOf } from "./sample-machine.ts";
import { mostOf, readCard } from "./watch-cards.ts";

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

const diskstats = `   7       0 loop0 5 0 0 9 0 0 0 0 0 9999 0 0 0 0 0
 254       0 vda 1025271 120728 31522778 465548 1603833 2264510 164019824 1232203 0 332760 1890133 1292927 7844 105080560 133515
 254       1 vda1 1025 120 3152 4655 16038 22645 1640 12322 0 300000 189013
 259       0 nvme0n1 10 0 80 5 10 0 80 5 0 1200 10 0 0 0 0 0 0
 259       1 nvme0n1p1 10 0 80 5 10 0 80 5 0 1100 10 0 0 0 0 0 0
   9       0 md0 10 0 80 5 10 0 80 5 0 1100 10 0 0 0 0 0 0
 179       0 mmcblk0 10 0 80 5 10 0 80 5 0 7 10
`;

test("disks are those that are no partition, no image and no stack of others", () => {
  expect(readDisks(diskstats)).toEqual(
    new Map([
      ["vda", 332_760],
      ["nvme0n1", 1200],
      ["mmcblk0", 7],
    ]),
  );
  for (const text of ["", "254 0 vda 1 2 3", " 254 0 vda a b c d e f g h i j k"])
    expect(readDisks(text)).toBeUndefined();
});

test("the busiest disk counts, of those that were there before; no second has more than all of its time", () => {
  const at = (ms: number, seconds: number) => ({
    at: seconds * 1e6,
    diskMs: new Map([
      ["vda", ms],
      ["vdb", 100],
    ]),
  });
  expect(sampleOf(at(1750, 2), at(1000, 1))).toEqual({ disks: 75 });
  expect(sampleOf(at(2020, 2), at(1000, 1))).toEqual({ disks: 100 });
  expect(sampleOf(at(10, 2), { at: 1e6, diskMs: new Map([["vda", 999]]) })).toEqual({});
});

test("a card tells its use and its memory, and what it does not know is not known", () => {
  expect(readCard("0, 34, 20390, 81559")).toEqual({
    index: "0",
    load: { atWork: 34, memory: (100 * 20_390) / 81_559 },
  });
  expect(readCard("1, [N/A], 10, 40")).toEqual({ index: "1", load: { memory: 25 } });
  expect(readCard("1, 5, [N/A], [N/A]")).toEqual({ index: "1", load: { atWork: 5 } });
  for (const line of ["", "NVIDIA-SMI has failed because it couldn't communicate", "0, 1, 2", "a, 1, 2, 3"])
    expect(readCard(line)).toBeUndefined();
  expect(mostOf([{ atWork: 3, memory: 90 }, { atWork: 80 }])).toEqual({ atWork: 80, memory: 90 });
  expect(mostOf([{}])).toEqual({});
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
