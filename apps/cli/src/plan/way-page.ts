import type { PlanDocument } from "@portolan/planner/contract";
import { purchaseLines, spotLine } from "@portolan/planner/policy";
import { wide } from "../evidence-page.ts";
import { escaped } from "../markup.ts";
import { amount, caseNames, cells, heads } from "./page-parts.ts";
import { rangeBars } from "./range-bars.ts";

type Ways = NonNullable<PlanDocument["ways"]>;

/** Ways to pay side by side: a picture of those that have a price, and a table of all of them. */
export function waySection({ ways, least, purchases, spot }: Ways): string {
  const rows = ways.map(({ name, title, planned, infrastructure, upfront, why, excludedBy }) => {
    const marks = [...(planned ? ["as planned"] : []), ...(name === least ? ["least"] : [])];
    const excluded = excludedBy.length === 0 ? "" : `The charter excludes it: ${excludedBy.join("; ")}.`;
    return `<tr><th scope="row">${escaped(title)}${marks.length > 0 ? ` (${marks.join(", ")})` : ""}</th>${infrastructure ? cells(infrastructure) : '<td colspan="3">no price</td>'}${upfront ? amount(upfront.expected) : "<td></td>"}<td>${escaped(why)}${excluded === "" ? "" : `<br><span class="over">${escaped(excluded)}</span>`}</td></tr>`;
  });
  const bars = ways.flatMap(({ name, infrastructure, excludedBy }) =>
    infrastructure
      ? [
          {
            name: `${name.replaceAll("_", " ")}${excludedBy.length > 0 ? ", excluded" : ""}`,
            cost: infrastructure,
          },
        ]
      : [],
  );
  return `<h2>Ways to pay</h2>${rangeBars(bars, "Infrastructure in a month, by the way it is paid")}${wide("Ways to pay", `<table><caption>The whole plan, each way; of what is bought the write-off is in the month</caption>${heads(["Way", ...caseNames, "At once, expected", "How"], [...caseNames, "At once, expected"])}<tbody>${rows.join("\n")}</tbody></table>`)}${[...purchaseLines(purchases), ...(spot ? [spotLine(spot)] : [])].map((line) => `<p>${escaped(line)}</p>`).join("")}`;
}
