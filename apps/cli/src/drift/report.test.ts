import type { DriftReport, DriftReports } from "@portolan/monitoring/contract";
import { levelsReference, numericReference, SeriesJudge } from "@portolan/monitoring/policy";
import { expect, test } from "vitest";
import { columnTexts } from "../commands/drift-report.ts";
import { reportPage } from "./report-page.ts";
import { blocks, reportText } from "./report-table.ts";
import { cellWords, worstFirst } from "./words.ts";

const start = 1_772_000_000_000_000;
const hour = 3_600_000_000;
const miles = numericReference(
  { tensor: "x", column: 0, name: "miles" },
  Array.from({ length: 2000 }, (_, at) => at),
);
const hostile = levelsReference({ tensor: "t", column: 0, name: "</title><b>" }, [
  ...Array.from({ length: 1000 }, () => 'a"><i>'),
  ...Array.from({ length: 1000 }, () => "b"),
]);
const late = numericReference(
  { tensor: "late", column: 0, name: "late" },
  Array.from({ length: 2000 }, (_, at) => at % 2),
);

/** Three hours of a thousand rows; from the second one on a tenth of the miles are beyond their maximum. */
function reportOf(drifted: boolean): DriftReport {
  const judge = new SeriesJudge({
    inputs: [miles, hostile],
    outputs: [late],
    rows: 2000,
    skipped: ["half: float16"],
  });
  for (let at = 0; at < 3; at++) {
    const counts = miles.counts.map((count) => count / 2);
    if (drifted && at > 0) {
      counts[1] = 0;
      counts[2] = 0;
      counts[miles.lowerBounds.length + 1] = 100;
    }
    const all = [...counts, ...hostile.counts.map((count) => count / 2), ...late.counts.map(() => 0)];
    judge.add({ start: start + at * hour, lastStart: start + at * hour, rows: 1000, counts: all });
  }
  return {
    environment: "production",
    endpoint: "flights",
    variant: "champion",
    model: "delays",
    version: 1,
    profile: "sha256:",
    ...judge.judgement(),
  };
}
const answer = (report: DriftReport): DriftReports => ({
  reports: [report],
  truncated: false,
  coveredFrom: start,
});

test("where the newest window alone differs it is suspected, and not no drift", () => {
  const report = reportOf(true);
  const suspects = report.inputs.map((column) => ({
    ...column,
    verdict: "no_drift" as const,
    suspected: true,
  }));
  const verdicts = { ...report.verdicts, inputs: "no_drift" as const };
  const shown: DriftReport = { ...report, verdict: "no_drift", verdicts, inputs: suspects };
  const [head = "", inputs = "", outputs = ""] = reportText(shown).split("\n");
  expect(head).toMatch(/: no drift, suspected$/);
  expect(inputs).toMatch(/inputs: no drift, suspected in 2 of 2 \(miles, /);
  expect(outputs).toMatch(/predictions: not counted$/);
  expect(reportPage("x", answer(shown))).toContain("no drift, suspected");
});

test("a person reads first whether anything drifts, then what, since when and how", () => {
  const text = reportText(reportOf(true));
  const [head, ...rest] = text.split("\n");
  expect(head).toBe("production/flights, champion delays/1: drift");
  expect(rest.slice(0, 3)).toEqual([
    "  inputs: drift in 1 of 2 (miles)",
    "  predictions: not counted",
    "  data quality: drift in 1 of 3 (miles)",
  ]);
  expect(text).toMatch(
    /^miles +drift +2026-02-25T07:13:20Z +1\.\d{3} +\d\.\de-\d+ +▁[▂-█]{2} +above: 0\.0 % → 10\.0 %$/m,
  );
  expect(text).toMatch(/^late +not counted +- +- +··· +-$/m);
  expect(text).toContain(
    "miles: 10.0 % outside of the reference's range (reference 0.0 %), since 2026-02-25T07:13:20Z",
  );
  expect(text).toContain("Not counted: half: float16");
  expect(text.indexOf("miles  ")).toBeLessThan(text.indexOf("</title>"));
  expect(reportText(reportOf(false))).toMatch(/: no drift\n {2}inputs: no drift\n/);
});

test("of one column everything is said; an unknown one is refused with the known ones", () => {
  const [text] = columnTexts(answer(reportOf(true)), "miles");
  expect(text).toMatch(/^above +0\.0 % +10\.0 % +100$/m);
  expect(text).toMatch(/^Kolmogorov–Smirnov +0\.100, p \d\.\de-\d+$/m);
  expect(text).toMatch(/^2026-02-25T08:13:20Z +1000 +1\.\d{3}$/m);
  expect(() => columnTexts(answer(reportOf(true)), "mile")).toThrow(/there is no column mile/);
});

test("levels and names of training data that hold control characters cannot command the terminal or forge a line", () => {
  const evil = "\u001b]0;x\u0007\u009b2J\nproduction/flights, champion delays/1: no drift";
  const level = levelsReference({ tensor: "t", column: 0, name: evil }, [
    ...Array.from({ length: 1000 }, () => evil),
    ...Array.from({ length: 1000 }, () => "b"),
  ]);
  const judge = new SeriesJudge({ inputs: [level], outputs: [], rows: 2000, skipped: [evil] });
  for (let at = 0; at < 2; at++)
    judge.add({
      start: start + at * hour,
      lastStart: start + at * hour,
      rows: 1000,
      counts: [0, 0, 900, 100],
    });
  const report = { ...reportOf(true), ...judge.judgement() };
  const lines = [reportText(report), ...columnTexts(answer(report), evil)].join("\n").split("\n");
  expect(
    lines.filter((line) => line.includes("champion delays/1: no drift") && !line.includes("\\u000a")),
  ).toEqual([]);
  expect(lines.join("")).not.toMatch(/\p{Cc}/u);
  expect(lines.filter((line) => line.includes("\\u001b]0;x\\u0007\\u009b2J\\u000a")).length).toBeGreaterThan(
    4,
  );
});

test("a page that older windows are left out of says so, with the way to them; a whole one does not", () => {
  const whole = answer(reportOf(true));
  const note =
    '<p role="note"><strong>Older windows are not in this report, which begins at 2026-02-25T06:13:20Z; ask for them with --to 2026-02-25T06:13:19.999999Z</strong></p>';
  expect(reportPage("cut", { ...whole, truncated: true })).toContain(note);
  expect(reportPage("whole", whole)).not.toContain("Older windows");
});

test("a page of many columns draws the worst ones, and names the others", () => {
  const report = reportOf(true);
  const [column] = report.inputs;
  if (!column) throw new Error("a report without columns");
  const calm = Array.from({ length: 300 }, () => ({ ...column, verdict: "no_drift" as const }));
  const page = reportPage("many", answer({ ...report, inputs: [...calm, column], outputs: [] }));
  expect(page.split("<details>").length - 1).toBe(200);
  expect(page.split("not drawn: see --column").length - 1).toBe(101);
  expect(page.indexOf("<details>")).toBeGreaterThan(page.indexOf('<strong class="drift">drift</strong><br>'));
});

test("columns are listed as they ask for attention: drift, faults, suspicion, effect", () => {
  const [column] = reportOf(false).inputs;
  if (!column) throw new Error("a report without columns");
  const named = (name: string, over: Partial<typeof column>) => ({
    ...column,
    ...over,
    reference: { ...column.reference, name },
  });
  const faulty = column.quality.map((check) => ({ ...check, verdict: "drift" as const }));
  const listed = worstFirst([
    named("few", { verdict: "insufficient" }),
    named("calm", {}),
    named("suspected", { suspected: true }),
    named("faulty", { quality: faulty }),
    named("drifts", { verdict: "drift" }),
  ]);
  expect(listed.map(({ reference }) => reference.name)).toEqual([
    "drifts",
    "faulty",
    "suspected",
    "calm",
    "few",
  ]);
});

test("ends of ranges have the digits that tell them apart, and no more", () => {
  const ofBounds = (values: readonly number[]) => {
    const reference = numericReference({ tensor: "x", column: 0, name: "x" }, [...values]);
    const judge = new SeriesJudge({ inputs: [reference], outputs: [], rows: values.length, skipped: [] });
    judge.add({ start, lastStart: start, rows: values.length, counts: reference.counts });
    const [column] = judge.judgement().inputs;
    return column ? cellWords(column).slice(0, 4) : [];
  };
  expect(ofBounds([1 / 3, 2 / 3, 5])).toEqual(["below", "[0.333, 0.667)", "[0.667, 5)", "[5, 5]"]);
  expect(ofBounds([1000001, 1000002])).toEqual([
    "below",
    "[1000001, 1000002)",
    "[1000002, 1000002]",
    "above",
  ]);
});

test("blocks are high where the index is, and a dot where there is none", () => {
  expect(blocks([null, -0.01, 0.1, 5])).toBe("·▁▅█");
});

test("the page has no script and nothing from elsewhere, names stay text, and each picture has words", () => {
  const page = reportPage("Drift of <flights>", answer(reportOf(true)));
  expect(page).not.toMatch(/<script|javascript:|\bon\w+=|url\(|https?:|<link|<img|<i>|<b>/);
  expect(page).toContain("<title>Drift of &lt;flights&gt;</title>");
  const pictures = page.match(/<svg [^>]*>(?:<title>[^<]+<\/title>)?/g) ?? [];
  expect(pictures.length).toBeGreaterThan(3);
  for (const picture of pictures) expect(picture).toMatch(/role="img".*<title>[^<]+<\/title>$/);
  expect(page).toContain('<strong class="drift">drift</strong>');
  expect(page).toContain("<title>above: 0.0 % → 10.0 %</title>");
  expect(page).not.toMatch(/="NaN|undefined|[ML]NaN/);
  for (const tag of ["table", "tr", "td", "th", "svg", "section", "details", "div"])
    expect([
      tag,
      page.split(`<${tag}`).length - (tag === "th" ? page.split("<thead").length - 1 : 0),
    ]).toEqual([tag, page.split(`</${tag}>`).length]);
});
