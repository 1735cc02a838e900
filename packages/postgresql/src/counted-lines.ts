import type { DataErrorCode } from "@portolan/data";
import { PortolanError } from "@portolan/kernel";

export interface CountedLines {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Lines so far. */
  count(): number;
}

const newline = 10;

/**
 * Counts lines as they pass.
 *
 * @throws PortolanError `data.source_too_large` from `chunks` once there are more than may be
 */
export function countedLines(
  source: AsyncIterable<Uint8Array>,
  { relation, maxRows }: { readonly relation: string; readonly maxRows: number },
): CountedLines {
  let lines = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) {
      for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, at + 1)) lines += 1;
      if (lines > maxRows)
        throw new PortolanError<DataErrorCode>("data.source_too_large", {
          detail: `${relation} has more than ${maxRows} rows, and none was taken`,
          mend: "Read a view that has fewer, or have the operator raise maxRows of the connection.",
        });
      yield chunk;
    }
  }
  return { chunks: counted(), count: () => lines };
}
