import type { ErrorSpec } from "@portolan/kernel";

export const ledgerErrors = {
  "ledger.row_too_large": { status: 400, title: "Ledger row is too large" },
  "ledger.row_not_found": { status: 404, title: "Ledger row not found" },
  "ledger.not_sequenced": { status: 409, title: "Ledger row has no place in the log yet" },
  "ledger.bad_size": { status: 400, title: "No such tree size" },
  "ledger.bad_query": { status: 400, title: "Ledger search is not understood" },
  "ledger.tile_not_found": { status: 404, title: "No such tile" },
  "ledger.no_checkpoint": { status: 404, title: "No checkpoint yet" },
  "ledger.forked": { status: 503, title: "Ledger contradicts its published history" },
  "ledger.tiles_damaged": { status: 503, title: "Tile files are damaged" },
  "ledger.fenced": { status: 503, title: "Another sequencer took over" },
} as const satisfies Record<string, ErrorSpec>;
