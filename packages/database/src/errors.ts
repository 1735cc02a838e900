import type { ErrorSpec } from "@portolan/kernel";

export const databaseErrors = {
  "database.unreachable": { status: 503, title: "Database is not reachable" },
  "database.migration_changed": { status: 500, title: "An applied migration was changed" },
  "database.migration_order": { status: 500, title: "Migrations cannot be ordered" },
  "database.newer_schema": { status: 500, title: "Database was written by a newer version" },
  "database.locked": { status: 503, title: "Database folder is in use by another process" },
  "database.disk_full": { status: 507, title: "Database has no space left" },
  "database.number_out_of_range": { status: 500, title: "Stored number is not exact in JavaScript" },
  "database.contention": { status: 503, title: "Too many conflicting changes" },
  "database.nested_transaction": { status: 500, title: "A transaction was opened inside another" },
  "database.backup_exists": { status: 409, title: "Backup folder exists already" },
  "database.backup_damaged": { status: 500, title: "Backup is not complete and unchanged" },
  "database.restore_not_empty": { status: 409, title: "Restore needs an empty place" },
  "database.restore_unverified": { status: 500, title: "Restored ledger does not verify" },
  "database.no_binaries": { status: 500, title: "No PostgreSQL programs for this platform" },
  "database.no_user": { status: 500, title: "No account to run PostgreSQL under" },
  "database.engine_mismatch": { status: 500, title: "Data was written by another PostgreSQL version" },
  "database.start_failed": { status: 500, title: "PostgreSQL did not start" },
} as const satisfies Record<string, ErrorSpec>;
