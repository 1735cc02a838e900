import type { CsvRow } from "@portolan/csv-source";
import { formatDecimal, type Money, money, PortolanError } from "@portolan/kernel";
import { csvRows } from "./csv-rows.ts";
import { fileNotValid } from "./file-not-valid.ts";
import type { Bill, BillLine, UsageLine } from "./lines.ts";
import { parseQuantity, quantityText } from "./quantity.ts";

const mend = "docs/statements.md shows both files.";

/**
 * @param text CSV with a header: `business_unit,team,use_case,model,environment,resource,quantity,activity,utilisation`; use case, model, environment, activity and utilisation may be missing
 * @throws PortolanError `metering.file_not_valid` with the line of each finding
 */
export function readUsageLines(text: string, file: string): readonly UsageLine[] {
  return csvRows({ text, file, columns: ["business_unit", "team", "resource", "quantity"], mend }, (row) => ({
    tenant: {
      businessUnit: row.named("business_unit"),
      team: row.text("team"),
      useCase: row.text("use_case"),
      model: row.text("model"),
      environment: row.text("environment"),
    },
    resource: row.named("resource"),
    quantity: quantityOf(row, "quantity"),
    ...(row.text("activity") === "" ? {} : { activity: row.text("activity") }),
    ...(row.text("utilisation") === "" ? {} : { utilisation: utilisationOf(row) }),
  }));
}

/**
 * @param text CSV with a header: `line,kind,amount,currency,capacity`; kinds are `metered` and `shared`, credits are negative
 * @throws PortolanError `metering.file_not_valid` with the line of each finding
 */
export function readBill(text: string, file: string): Bill {
  const lines = csvRows(
    { text, file, columns: ["line", "kind", "amount", "currency"], mend },
    (row): BillLine => {
      const kind = row.text("kind") === "shared" ? "shared" : "metered";
      if (!["metered", "shared"].includes(row.text("kind"))) row.fault("kind: it is metered or shared");
      const hasCapacity = row.text("capacity") !== "";
      if (kind === "shared" && hasCapacity) row.fault("capacity: a shared line has none");
      return {
        name: row.named("line"),
        kind,
        amount: amountOf(row),
        ...(hasCapacity ? { capacity: quantityOf(row, "capacity") } : {}),
      };
    },
  );
  const currencies = [...new Set(lines.map(({ amount }) => amount.currency))];
  if (currencies.length > 1)
    throw fileNotValid(
      file,
      [{ detail: `it has several currencies: ${currencies.join(", ")}`, at: { file } }],
      mend,
    );
  return { currency: currencies[0] ?? "USD", lines };
}

/** The bill as a file that `readBill` reads again, to the same bill. */
export function billCsv({ lines }: Bill): string {
  const rows = lines.map(({ name, kind, amount, capacity }) =>
    [
      name,
      kind,
      formatDecimal(amount),
      amount.currency,
      capacity === undefined ? "" : quantityText(capacity),
    ].join(","),
  );
  return `${["line,kind,amount,currency,capacity", ...rows].join("\n")}\n`;
}

function quantityOf(row: CsvRow, column: string): bigint {
  const text = row.text(column);
  const found = parseQuantity(text);
  if (found === undefined)
    row.fault(
      `${column}: ${JSON.stringify(text.slice(0, 40))} is no decimal of 0 or more with at most six decimals, nor a part such as 3/7`,
    );
  return found ?? 0n;
}

/** `0.35` or `35 %`. */
function utilisationOf(row: CsvRow): number {
  const text = row.text("utilisation");
  const [, number = "", percent] = /^(\d{1,3}(?:\.\d{1,9})?) ?(%?)$/.exec(text) ?? [];
  const share = percent === "%" ? Number(number) / 100 : Number(number);
  if (number === "" || share > 1)
    row.fault(
      `utilisation: ${JSON.stringify(text.slice(0, 40))} is no share from 0 to 1, nor a percentage such as 35 %`,
    );
  return share;
}

function amountOf(row: CsvRow): Money {
  try {
    return money(row.text("amount"), row.text("currency"));
  } catch (error) {
    row.fault(`amount: ${error instanceof PortolanError ? (error.detail ?? "") : String(error)}`);
    return money("0", "XXX");
  }
}
