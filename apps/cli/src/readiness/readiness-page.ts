import type { ReadinessDocument } from "@portolan/planner/contract";
import { evidencePage, facts, list, section, table, wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import {
  dayOf,
  daysText,
  doneText,
  evidenceText,
  firstModelWords,
  stepRow,
  verdict,
} from "./readiness-text.ts";

/** A judgement as a page of its own: no script, nothing from elsewhere; the picture has its numbers in the tables. The same judgement gives the same page. Pure. */
export function readinessPage(judged: ReadinessDocument): string {
  const { dimensions, antiPatterns, roadmaps, definitionOfDone, judgedAt, environments, remaining } = judged;
  return evidencePage(`Readiness of ${judged.useCase.name}`, [
    `<p><strong>${escaped(verdict(judged))}.</strong></p>`,
    section(
      "Eight dimensions",
      `${facts([
        ["Judged on", dayOf(judgedAt)],
        ["Records of", environments.join(", ")],
        [
          "Still missing",
          remaining.checks === 0 ? "nothing" : `${remaining.checks} checks, ${daysText(remaining)}`,
        ],
        ["First model", firstModelWords(judged)],
      ])}${wide("Scores", picture(judged))}`,
    ),
    ...dimensions.map(checksSection),
    effortSection(judged),
    section(
      "Anti-patterns of what runs",
      table(
        "Anti-patterns",
        ["Anti-pattern", "Verdict", "Evidence", "Answer"],
        antiPatterns.map(({ name, verdict: said, evidence, answer }) => [
          name,
          said,
          evidence.map(evidenceText).join("; "),
          answer,
        ]),
      ),
    ),
    section(
      "Definition of done of the first model",
      `<p>${escaped(doneText(judged))}.</p>${list(
        definitionOfDone.items.map(({ what, state, doneAt }) =>
          doneAt === undefined ? `${what}: ${state}` : `${what}: done, ${dayOf(doneAt)}`,
        ),
        "None.",
      )}`,
    ),
    ...roadmaps.map(({ name, source, steps }) =>
      section(
        name,
        table(`${name} (${source})`, ["Period", "Step", "State", "On", "Missing"], steps.map(stepRow)),
      ),
    ),
  ]);
}

function checksSection({ name, score, checks }: ReadinessDocument["dimensions"][number]): string {
  const rows = checks.map(
    ({ title, state, evidence, missing }) =>
      [
        title,
        state,
        missing ? missing.lacks.join("; ") : evidence.map(evidenceText).join("; "),
        missing ? daysText(missing.effort) : "",
        missing ? { code: missing.command } : "",
      ] as const,
  );
  const heads = ["Check", "State", "Evidence, or what is missing", "Effort", "What mends it"];
  return section(`${named(name)}: ${score} of 100`, table(`Checks of ${name}`, heads, rows));
}

function named(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Each source once, with the checks whose effort is from it. */
function effortSection({ dimensions }: ReadinessDocument): string {
  const missing = dimensions.flatMap(({ checks }) => checks.filter((check) => check.missing !== undefined));
  if (missing.length === 0) return "";
  const sources = Map.groupBy(missing, (check) => check.missing?.effort.source ?? "");
  const rows = [...sources].map(([source, checks]) => [source, checks.map(({ title }) => title).join("; ")]);
  return section("Where the efforts are from", table("Efforts", ["Source", "Checks"], rows));
}

const drawn = { width: 640, row: 26, left: 130, bar: 360 } as const;

/** A bar for each dimension, of at most 100. */
function picture({ dimensions, score }: ReadinessDocument): string {
  const height = dimensions.length * drawn.row + 24;
  const rows = dimensions.map(({ name, score: own, checks }, index) => {
    const y = index * drawn.row;
    const missing = checks.filter(({ state }) => state === "missing").length;
    const text = `${own}${missing === 0 ? "" : `, ${missing} missing`}`;
    return `<text x="${drawn.left - 8}" y="${y + 17}" text-anchor="end">${escaped(name)}</text><rect x="${drawn.left}" y="${y + 4}" width="${drawn.bar}" height="${drawn.row - 8}" fill="#e2e8f0"/><rect x="${drawn.left}" y="${y + 4}" width="${((drawn.bar * own) / 100).toFixed(1)}" height="${drawn.row - 8}" fill="#1d4ed8"/><text x="${drawn.left + drawn.bar + 8}" y="${y + 17}">${escaped(text)}</text>`;
  });
  const mean = (drawn.left + (drawn.bar * score) / 100).toFixed(1);
  const title = `Scores of 100: ${dimensions.map((one) => `${one.name} ${one.score}`).join(", ")}; mean ${score}`;
  return `<svg role="img" viewBox="0 0 ${drawn.width} ${height}" width="${drawn.width}" height="${height}" font-family="sans-serif" font-size="13" fill="#0f172a"><title>${escaped(title)}</title>
${rows.join("\n")}
<line x1="${mean}" x2="${mean}" y1="0" y2="${height - 20}" stroke="#d97706" stroke-width="2"/><text x="${mean}" y="${height - 5}" text-anchor="middle">mean ${score}</text></svg>`;
}
