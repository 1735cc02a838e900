import { allocateBill, readBill, readUsageLines, statementDocument, tenantLevels } from "@portolan/metering";
import { expect, test } from "vitest";
import { table, wide } from "./evidence-page.ts";
import { grouped, heads } from "./plan/page-parts.ts";
import { rangeBars } from "./plan/range-bars.ts";
import { statementPage } from "./statement/statement-page.ts";

/** What is not within a part that scrolls by itself makes the whole page scroll on a narrow window. */
function outsideOfWide(page: string): string {
  return page.replaceAll(/<div class="wide"[\s\S]*?<\/div>/g, "");
}

test("every table and picture of a statement scrolls within itself, and no two heads are the same word", () => {
  const usage = readUsageLines(
    "business_unit,team,use_case,environment,resource,quantity\nfinance,risk,fraud,production,gpu_hours,5760\n",
    "usage.csv",
  );
  const bill = readBill(
    "line,kind,amount,currency,capacity\ngpu_hours,metered,138600,USD,36000\n",
    "bill.csv",
  );
  const allocation = allocateBill(bill, usage, { idle: "separate", shared: "proportional" });
  const levels = tenantLevels.map((level) => statementDocument({ allocation, level, mode: "showback" }));
  const [first] = levels;
  if (!first) throw new Error("there are no levels");
  const page = statementPage(first, levels);
  expect(page).toContain("<table>");
  expect(page).toContain("<svg");
  expect(outsideOfWide(page)).not.toMatch(/<table|<svg/);
  const names = [...page.matchAll(/<th scope="col"[^>]*>([^<]*)</g)].map(([, name = ""]) =>
    name.toLowerCase(),
  );
  expect(names).toContain("quantity");
  expect(new Set(names).size).toBe(names.length);
});

test("a picture of money scrolls within itself and has its thousands apart, as the table below it", () => {
  const cost = { low: "1000 USD", expected: "1234567.891 USD", high: "2000000 USD" };
  const drawn = rangeBars([{ name: "a<b", cost }], "Costs");
  expect(outsideOfWide(drawn)).toBe("");
  expect(drawn).toContain("1,234,567.89 USD");
  expect(drawn).toContain("a&lt;b");
  // As wide as the page: a phone shrinks the bars and not the letters, so places are shares and there is no viewBox.
  expect(drawn).toMatch(/<rect x="0.00%" y="18" width="61.73%"/);
  expect(drawn).toMatch(/<line x1="0.05%" x2="100.00%"/);
  expect(drawn).not.toContain("viewBox");
  expect(grouped("-1234.5 USD")).toBe("-1,234.50 USD");
});

test("heads of figures stand above the ends of them, and what is to be typed is escaped word by word", () => {
  expect(heads(["What", "Low"], ["Low"])).toBe(
    '<thead><tr><th scope="col">What</th><th scope="col" class="r">Low</th></tr></thead>',
  );
  expect(table("T", ["A", "B"], [["x", { code: "run --use-case <a>" }]])).toContain(
    "<td><code><span>run</span> <span>--use-case</span> <span>&lt;a&gt;</span></code></td>",
  );
  expect(wide('a"b', "x")).toContain('aria-label="a&quot;b"');
});
