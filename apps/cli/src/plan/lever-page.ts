import type { PlanDocument } from "@portolan/planner/contract";
import { wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { barPicture } from "./bar-picture.ts";
import { caseNames, cells, grouped, heads, nanos } from "./page-parts.ts";

type Levers = NonNullable<PlanDocument["levers"]>;

/** What could be saved: a waterfall of the levers that save, and a table of all of them. */
export function leverSection(levers: Levers): string {
  const rows = levers.levers.map(
    ({ title, why, saving, assumptions }) =>
      `<tr><th scope="row">${escaped(title)}</th>${saving ? cells(saving) : '<td colspan="3">does not apply</td>'}<td>${escaped(why)}</td><td>${assumptions.map((key) => `<code>${escaped(key)}</code>`).join("<br>")}</td></tr>`,
  );
  const { before, steps, after } = levers.together;
  const stepRows = steps.map(
    ({ title, saving }) => `<tr><th scope="row">less ${escaped(title)}</th>${cells(saving)}</tr>`,
  );
  const together =
    steps.length === 0
      ? "<p>No lever saves anything.</p>"
      : `${waterfall(levers)}${wide("Levers together", `<table><caption>One lever after the other, by cases of the plan</caption>${heads(["Infrastructure in a month", ...caseNames], caseNames)}<tbody><tr><th scope="row">As planned</th>${cells(before)}</tr>${stepRows.join("")}</tbody><tfoot><tr><th scope="row">With them</th>${cells(after)}</tr></tfoot></table>`)}`;
  return `<h2>What could be saved</h2>${together}${wide("Levers", `<table><caption>Each lever for itself: the plan made again with it</caption>${heads(["Lever", "Saves at least", "Expected", "At most", "How, or why not", "Assumes"], ["Saves at least", "Expected", "At most"])}<tbody>${rows.join("\n")}</tbody></table>`)}`;
}

/** Bars that hang from what the one before has left; expected case, from 0. */
function waterfall({ together: { before, steps, after } }: Levers): string {
  const most = nanos(before.expected) > 0n ? nanos(before.expected) : 1n;
  const share = (value: bigint): number => Number((value * 100_000n) / most) / 100_000;
  const whole = (name: string, text: string) => ({
    name,
    from: 0n,
    to: nanos(text),
    text,
    fill: "#1d4ed8",
  });
  const bars = [
    whole("as planned", before.expected),
    ...steps.map(({ title, saving, after: left }) => ({
      name: title,
      from: nanos(left.expected),
      to: nanos(left.expected) + nanos(saving.expected),
      text: `-${saving.expected}`,
      fill: "#047857",
    })),
    whole("with them", after.expected),
  ];
  return barPicture(
    "Infrastructure in a month, expected: what levers take off",
    bars.map(({ name, from, to, text, fill }) => ({
      name: name.slice(0, 38),
      figure: grouped(text),
      words: `${name}: ${grouped(text)}`,
      from: share(from),
      to: share(to),
      fill,
    })),
  );
}
