import type { Timeline } from "@portolan/monitoring/contract";
import { expect, test } from "vitest";
import { timelinePage } from "./timeline-page.ts";
import { timelineText } from "./timeline-text.ts";

const minute = 60_000_000;
const timeline: Timeline = {
  environment: "production",
  endpoint: "churn",
  from: 0,
  to: 60 * minute,
  bucketMicros: minute,
  ranking: [
    {
      kind: "change",
      layer: "data",
      what: "looking up features",
      at: 30 * minute,
      earliest: 29 * minute,
      latest: 31 * minute,
      before: 1,
      after: 100,
      p: 1e-9,
      psi: 3,
    },
    {
      kind: "change",
      layer: "model",
      what: "prediction <b>",
      at: 35 * minute,
      earliest: 30 * minute,
      latest: 40 * minute,
      psi: 0.3,
    },
  ],
  series: [
    {
      layer: "data",
      what: "looking up features",
      unit: "ms",
      points: [
        { start: 0, cases: 40, value: 1 },
        { start: 30 * minute, cases: 40, value: 100 },
      ],
      isChanged: true,
    },
    {
      layer: "model",
      what: "prediction <b>",
      unit: "psi",
      points: [{ start: 0, cases: 40, value: 0.1 }],
      isChanged: true,
    },
  ],
  events: [{ layer: "release", what: "release promoted: churn/2\u001b[2J", at: 10 * minute }],
};

test("the terminal is told what moved first, when, and how, and what happened besides", () => {
  const text = timelineText(timeline);
  expect(text).toContain(
    "production/churn: first moved in the layer data: looking up features, 1970-01-01T00:30:00Z",
  );
  expect(text).toMatch(
    /1 +data +looking up features +1970-01-01T00:30:00Z +00:29:00 to 00:31:00 +95 % within 1 ms, then 100 ms/,
  );
  expect(text).toMatch(/2 +model .*PSI 0.300/);
  expect(text).toContain("release promoted: churn/2");
  expect(text, "texts of others cannot clear the screen").not.toContain("\u001b");
  expect(timelineText({ ...timeline, ranking: [] })).toContain("nothing moved");
});

test("the page has a picture in words for each series, no script, nothing from elsewhere, and only escaped texts", () => {
  const page = timelinePage(timeline);
  expect(page.match(/<svg /g)).toHaveLength(2);
  expect(page).toContain(
    "looking up features: milliseconds that 95 % took at most, 1 to 100; moved at 1970-01-01T00:30:00Z",
  );
  expect(page).not.toContain("<b>");
  expect(page).not.toMatch(/<script|https?:/);
  for (const tag of ["section", "svg", "figure", "table"])
    expect(page.split(`<${tag}`).length, tag).toBe(page.split(`</${tag}>`).length);
  expect(timelinePage(timeline)).toBe(page);
});
