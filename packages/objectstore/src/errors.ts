import type { ErrorSpec } from "@portolan/kernel";

export const objectstoreErrors = {
  "objectstore.not_found": { status: 404, title: "Stored object not found" },
  "objectstore.corrupt": { status: 500, title: "Stored object does not match its digest" },
  "objectstore.too_large": { status: 413, title: "Object exceeds the limit" },
  "objectstore.no_space": { status: 507, title: "Object store has no space left" },
  "objectstore.not_writable": { status: 500, title: "Object store folder cannot be written" },
} as const satisfies Record<string, ErrorSpec>;
