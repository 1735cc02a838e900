import { shownMoney } from "../shown-money.ts";
import type { LeversDocument } from "./levers-json.ts";

/** What levers save, for a terminal. */
export function leverLines({ levers, together }: LeversDocument): string[] {
  const row = (name: string, { low, expected, high }: { low: string; expected: string; high: string }) =>
    `${name.padEnd(48)}${[low, expected, high].map((text) => shownMoney(text).padStart(16)).join("")}`;
  return [
    `${"what each lever saves for itself, a month".padEnd(48)}${["least", "expected", "most"].map((text) => text.padStart(16)).join("")}`,
    ...levers.flatMap(({ title, saving, why, assumptions }) =>
      saving
        ? [
            row(`  ${title}`, saving),
            `      ${saving.expected.startsWith("-") ? "WOULD COST MORE: " : ""}${why}${restsOn(assumptions)}`,
          ]
        : [`  ${title}: does not apply, ${why}`],
    ),
    ...(together.steps.length === 0
      ? ["No lever saves anything."]
      : [
          "",
          `${"one after the other".padEnd(48)}${["low", "expected", "high"].map((text) => text.padStart(16)).join("")}`,
          row("  infrastructure as planned", together.before),
          ...together.steps.map(({ title, saving }) => row(`  less ${title}`, saving)),
          row("  infrastructure with them", together.after),
        ]),
    "",
  ];
}

function restsOn(assumptions: readonly string[]): string {
  return assumptions.length === 0 ? "" : ` [${assumptions.join(", ")}]`;
}
