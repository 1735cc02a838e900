import type { Adoption } from "./adopt.ts";
import type { Evidence } from "./findings.ts";

/** The report of an adoption as Markdown. What files said stands in it as code, so that none of it is read as markup. */
export function adoptionReport(name: string, adoption: Adoption): string {
  return [
    `# Adoption of ${code(name)}`,
    "",
    summaryOf(adoption),
    ...modelOf(adoption),
    "",
    "## What was found",
    "",
    ...(adoption.findings.length === 0 ? ["Nothing that the rules know."] : []),
    ...adoption.findings.flatMap(({ severity, title, rule, evidence, places, mend }) => [
      `### ${title} (${severity}, \`${rule}\`)`,
      "",
      ...evidence.map(evidenceLine),
      ...(places > evidence.length ? [`- and ${places - evidence.length} more`] : []),
      "",
      mend,
      "",
    ]),
    "## The five anti-patterns",
    "",
    "| anti-pattern | verdict | evidence | in Portolan |",
    "|---|---|---|---|",
    ...adoption.antiPatterns.map(
      ({ name: pattern, verdict, evidence, answer }) =>
        `| ${pattern} | ${verdict} | ${evidence.map(shortEvidence).join("; ") || "none"} | ${answer} |`,
    ),
    "",
    "`open`: the file says nothing against it, and production needs an answer.",
    "",
    "## Hardware",
    "",
    ...adoption.hardware.map((line) => `- ${line}`),
    "",
    "## Libraries",
    "",
    ...(adoption.requirements.length === 0
      ? ["None are known."]
      : adoption.requirements.map(
          ({ name: library, pin }) =>
            `- ${code(`${library}${pin ?? ""}`)}${pin ? "" : ": no version is named"}`,
        )),
    "",
  ].join("\n");
}

function summaryOf({ kind, findings, antiPatterns, estimator }: Adoption): string {
  const count = (severity: string): number => findings.filter((one) => one.severity === severity).length;
  const found = antiPatterns.filter(({ verdict }) => verdict === "found").length;
  const trainer = estimator
    ? `a trainer can be written for ${estimator.name}`
    : "no estimator that a trainer is known for";
  return `A ${kind}: ${count("blocker")} blockers, ${count("gap")} gaps, ${count("hint")} hints; ${found} of 5 anti-patterns; ${trainer}.`;
}

function modelOf({ model }: Adoption): string[] {
  if (!model) return [];
  const { estimator, conversion } = model;
  const agreement = conversion?.agreement;
  return [
    "",
    "## The model",
    "",
    ...(estimator
      ? [
          `- It is a ${code(estimator.kind)}${estimator.features === undefined ? "" : ` of ${estimator.features} features`}.`,
          ...(estimator.steps
            ? [`- Steps: ${estimator.steps.map(([, kind]) => code(kind)).join(", ")}.`]
            : []),
        ]
      : ["- It was not opened to its end."]),
    ...(conversion ? [`- Converted to ONNX: \`${conversion.digest}\`, ${conversion.sizeBytes} bytes.`] : []),
    ...(agreement
      ? [
          `- On ${agreement.rows} rows of noise it ${agreement.agrees ? "says the same" : "does not say the same"}: largest difference ${agreement.largestDifference.toExponential(1)}.`,
        ]
      : []),
    ...(conversion?.untried === undefined ? [] : [`- Not compared: ${code(conversion.untried)}.`]),
  ];
}

function evidenceLine({ unit, line, saw }: Evidence): string {
  return `- ${code(line === undefined ? unit : `${unit}, line ${line}`)}: ${code(saw)}`;
}

function shortEvidence({ unit, line, saw }: Evidence): string {
  return `${code(line === undefined ? unit : `${unit}:${line}`)} ${code(saw)}`;
}

/** A stranger's text as a code span of one line and one cell of a table. */
function code(text: string): string {
  const plain = text
    // oxlint-disable-next-line no-control-regex -- these are what must not be there
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .replaceAll("`", "'")
    .replaceAll("|", "¦")
    .trim();
  return `\`${plain || " "}\``;
}
