import { PortolanError } from "@portolan/kernel";
import {
  type IncidentSummary,
  type IncidentView,
  playbookNames,
  playbooks,
  stepsOf,
  type Timeline,
} from "@portolan/monitoring/contract";
import { expect, test } from "vitest";
import { faultsOf } from "../../test/command-line-faults.ts";
import { incidentPage } from "./incident-page.ts";
import { incidentTable, incidentText, playbookText } from "./incident-text.ts";
import { readAround, stretchAround } from "./read-around.ts";

const minute = 60_000_000;
const hour = 60 * minute;
const start = 1000 * hour;
const incident: IncidentView = {
  id: "inc_1",
  title: "wrong fees <b>\u001b[2J",
  state: "taken",
  playbook: "rollback",
  alertId: "alr_1",
  environment: "production",
  useCaseId: null,
  endpoint: "fees",
  model: "fees",
  version: "2",
  apiKeyId: null,
  actorId: null,
  startedAt: start,
  openedAt: start + minute,
  openedBy: "usr_1",
  takenBy: "usr_2",
  takenAt: start + 5 * minute,
  mitigatedAt: null,
  resolvedAt: null,
  response: { takenMicros: 5 * minute, mitigatedMicros: null, resolvedMicros: null },
  entries: [
    {
      number: 1,
      kind: "opened",
      at: start + minute,
      by: "usr_1",
      text: "wrong fees",
      step: null,
      outcome: null,
    },
    { number: 2, kind: "taken", at: start + 5 * minute, by: "usr_2", text: "", step: null, outcome: null },
    {
      number: 3,
      kind: "ticked",
      at: start + 6 * minute,
      by: "usr_2",
      text: "no harm",
      step: "halt",
      outcome: "skipped",
    },
  ],
  steps: stepsOf("rollback").map((step) => ({
    ...step,
    tick:
      step.id === "halt"
        ? { outcome: "skipped", at: start + 6 * minute, by: "usr_2", text: "no harm" }
        : null,
  })),
};
const timeline: Timeline = {
  environment: "production",
  endpoint: "fees",
  from: start - hour,
  to: start + hour,
  bucketMicros: minute,
  ranking: [],
  series: [],
  events: [{ layer: "release", what: "release promoted: fees/2", at: start - minute }],
};

test("each command and each check of every playbook is a command of this program with the options that it has", async () => {
  const lines = playbookNames.flatMap((name) =>
    stepsOf(name).flatMap(({ command, check }) => [command, check.command]),
  );
  expect(lines.length).toBeGreaterThan(40);
  const filled = lines.map((line) =>
    line.replace(/\{([a-z]+)\}/g, (_all, name: string) => name.toUpperCase()),
  );
  for (const line of new Set(filled)) expect(await faultsOf(line), line).toEqual([]);
  expect(await faultsOf("portolan endpoint explode X")).not.toEqual([]);
});

test("an incident is told with how long it took, who did what, what is left, and what moved", () => {
  const text = incidentText(incident, { timeline });
  expect(text).toContain("taken after 5min, not mitigated yet, not resolved yet");
  expect(text).toMatch(/3 +1970-02-11T16:06:00Z +usr_2 +step halt: skipped: no harm/);
  expect(text).toContain("[-] 2. halt");
  expect(text).toContain("[ ] 3. rollback");
  expect(text).toContain("release promoted: fees/2");
  expect(incidentText(incident, { absent: "nothing was counted" })).toContain(
    "Timeline: nothing was counted",
  );
  expect(incidentTable([incident])).toMatch(/inc_1 +taken +1970-02-11T16:00:00Z +5min +- +usr_2/);
});

test("the page has the record, the playbook and the timeline, no script, nothing from elsewhere, and only escaped texts", () => {
  const page = incidentPage(incident, { timeline });
  for (const part of ["5min", "skipped 1970-02-11T16:06:00Z by usr_2: no harm", "release promoted: fees/2"])
    expect(page).toContain(part);
  expect(page).toContain("<dt>Resolved after</dt><dd>-</dd>");
  expect(page).not.toContain("<b>");
  expect(page).not.toMatch(/<script|https?:/);
  for (const tag of ["section", "dl", "table", "p"])
    expect(page.split(`<${tag}>`).length, tag).toBe(page.split(`</${tag}>`).length);
  expect(incidentPage(incident, { timeline })).toBe(page);
});

test("playbooks are shown with what an incident fills in", () => {
  expect(playbookText("delete-data", playbooks["delete-data"])).toContain(
    "portolan data erase SUBJECT --environment {environment} --reason {incident}",
  );
});

test("around an incident lie an hour before and after it, never more than a timeline may have", () => {
  const around = (over: Partial<IncidentSummary>, now: number) =>
    stretchAround({ startedAt: start, resolvedAt: null, ...over }, now);
  expect(around({}, start + 3 * hour)).toEqual({ from: start - hour, to: start + 3 * hour });
  expect(around({ resolvedAt: start + 2 * hour }, start + 9 * hour)).toEqual({
    from: start - hour,
    to: start + 3 * hour,
  });
  const long = around({}, start + 500 * hour);
  expect(long.from).toBe(start - hour);
  expect(long.to - long.from).toBe(71 * hour);
});

test("a timeline that cannot be read does not hide the record; other faults are told", async () => {
  const failing = (code: string) => () => Promise.reject(new PortolanError(code, { detail: "not there" }));
  expect(await readAround(incident, start + hour, failing("monitoring.nothing_counted"))).toMatchObject({
    absent: expect.stringContaining("not there") as string,
  });
  await expect(readAround(incident, start + hour, failing("kernel.internal"))).rejects.toThrow();
  const asked: string[] = [];
  const read = (path: string) => {
    asked.push(path);
    return Promise.resolve(timeline);
  };
  expect(await readAround(incident, start + hour, read)).toEqual({ timeline });
  expect(asked).toEqual([
    `/v1/endpoints/fees/timeline?environment=production&from=${start - hour}&to=${start + hour}`,
  ]);
  expect(await readAround({ ...incident, endpoint: null }, start, read)).toHaveProperty("absent");
});
