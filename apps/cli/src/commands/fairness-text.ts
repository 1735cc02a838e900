import type { FairnessReport } from "@portolan/evaluation/contract";
import { table } from "../output.ts";

/** How differently groups are treated, for people; of several classes by each against all others. */
export function fairnessText({ attributes }: FairnessReport): string {
  const hasClasses = attributes.some((one) => one.class !== undefined);
  const by = ({ columns, class: of = "" }: FairnessReport["attributes"][number]) => [
    ...(hasClasses ? [of] : []),
    columns.join(" × "),
  ];
  const heads = [...(hasClasses ? ["class"] : []), "groups by"];
  const groups = attributes.flatMap((one) => [
    ...one.groups.map((group) => [
      ...by(one),
      group.value,
      String(group.rows),
      group.selectionRate?.value.toFixed(4) ?? "too few",
      group.truePositiveRate?.value.toFixed(4) ?? "",
      group.falsePositiveRate?.value.toFixed(4) ?? "",
    ]),
    ...(one.problem === undefined ? [] : [[...by(one), one.problem, "", "", "", ""]]),
  ]);
  const measures = attributes.flatMap((one) =>
    Object.entries(one.measures ?? {}).map(([name, value]) => [...by(one), name, value.toFixed(4)]),
  );
  return [
    table([...heads, "value", "rows", "selection rate", "true positives", "false positives"], groups),
    "",
    table([...heads, "measure", "value"], measures),
  ].join("\n");
}
