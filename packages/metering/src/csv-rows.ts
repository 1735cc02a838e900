import { type CsvRow, readCsv } from "@portolan/csv-source";
import { fileNotValid } from "./file-not-valid.ts";

/**
 * Rows of a file that people write.
 *
 * @param mend where its columns are shown
 * @throws PortolanError `metering.file_not_valid` with the line of each finding
 */
export function csvRows<T>(
  file: {
    readonly text: string;
    readonly file: string;
    readonly columns: readonly string[];
    readonly mend: string;
  },
  read: (row: CsvRow) => T,
): readonly T[] {
  const { rows, faults } = readCsv(file, read);
  if (faults.length > 0) throw fileNotValid(file.file, faults, file.mend);
  return rows;
}
