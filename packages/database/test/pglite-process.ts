import { isPortolanError } from "@portolan/kernel";
import { openDatabase } from "../src/index.ts";

/** A process that writes into a PGlite folder until it is killed: `node pglite-process.ts <folder>`; says what it did. */
const [, , folder = ""] = process.argv;

try {
  const database = await openDatabase({ kind: "pglite", folder });
  await database.session(async (session) => {
    await session.script(
      "create table if not exists acknowledged (n bigserial primary key, by int not null)",
    );
    process.stdout.write("open\n");
    for (;;) {
      const rows = await session.query<{ n: number }>(
        "insert into acknowledged (by) values ($1) returning n",
        [process.pid],
      );
      process.stdout.write(`${rows[0]?.n ?? -1}\n`);
    }
  });
} catch (error) {
  process.stdout.write(`refused ${isPortolanError(error) ? error.code : String(error)}\n`);
  process.exit(1);
}
