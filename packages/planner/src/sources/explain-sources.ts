import { chargebackFigures } from "./chargeback.ts";
import { articles, type Computed, type SourceFigure } from "./figure.ts";
import { modelFigures } from "./models-and-cards.ts";
import { placementFigures } from "./placement.ts";
import { poolingFigures } from "./pooling.ts";
import { pricesAndBudgets } from "./prices-and-budgets.ts";

/** What the articles that this product answers state in figures, reckoned again. */
export const sourceFigures: readonly SourceFigure[] = [
  ...pricesAndBudgets,
  ...placementFigures,
  ...poolingFigures,
  ...chargebackFigures,
  ...modelFigures,
];

/** Those that do not come out as stated, with both figures; with `all` the others too. Pure. */
export function explainSources(all: boolean): string {
  const shown = sourceFigures.filter(({ verdict }) => all || verdict !== "agrees");
  const agreeing = sourceFigures.filter(({ verdict }) => verdict === "agrees").length;
  return [
    `${sourceFigures.length} figures of four articles, reckoned again: ${agreeing} come out as stated, ${sourceFigures.length - agreeing} do not.`,
    ...shown.flatMap(paragraph),
  ].join("\n");
}

function paragraph(figure: SourceFigure): string[] {
  const verdict = { agrees: "agrees", differs: "DIFFERS", mislabelled: "MISLABELLED" }[figure.verdict];
  return [
    "",
    `${figure.topic} (${verdict})`,
    `  from      ${figure.inputs}`,
    `  reckoned  ${figure.computed.map(shownFigure).join("; ")}`,
    `  stated    ${figure.stated}`,
    ...(figure.note === undefined ? [] : [`  ${figure.note}`]),
    `  in        ${figure.articles.map((article) => articles[article]).join("; ")}`,
  ];
}

/** At most two decimals; four of prices below ten. */
function shownFigure({ value, unit }: Computed): string {
  const digits = Math.abs(value) < 10 ? 4 : 2;
  const text = value.toLocaleString("en-GB", { maximumFractionDigits: digits });
  return unit === "%" || unit === "x" ? `${text} ${unit}`.replace(" x", " times") : `${text} ${unit}`;
}
