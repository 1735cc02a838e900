export { type CsvRow, type CsvTable, readCsv } from "./read-csv.ts";
