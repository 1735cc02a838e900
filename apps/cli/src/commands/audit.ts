import { createReadStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type JsonObject, linesOf } from "@portolan/kernel";
import type { LedgerEntry, LedgerPage } from "@portolan/ledger/contract";
import {
  judgeProof,
  type ProofVerdict,
  type VerificationReport,
  verifyExport,
} from "@portolan/ledger/policy";
import { verifyPredictionProof } from "@portolan/predictions/policy";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { waitForJob } from "../client/jobs.ts";
import { type CliContext, connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";

export function registerAuditCommands(program: Command, contextOf: ContextOf): void {
  const audit = program
    .command("audit")
    .description("Search, export, prove and verify the ledger")
    .addHelpText("after", "\nExample:\n  portolan audit verify");
  registerVerify(audit, contextOf);
  registerProve(audit, contextOf);
  registerCheckProof(audit, contextOf);
  registerSearch(audit, contextOf);
  registerExport(audit, contextOf);
}

function registerVerify(audit: Command, contextOf: ContextOf): void {
  audit
    .command("verify")
    .description(
      "Verify every row against the signed checkpoints; names each edited, removed, moved or inserted row",
    )
    .option("--export <file>", "verify an exported file offline, without any server")
    .option("--trust <key...>", "verifier keys that you know from elsewhere")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan audit verify\n  portolan audit verify --export ledger.jsonl",
    )
    .action(async (options: { export?: string; trust?: string[] }, command: Command) => {
      const context = contextOf(command);
      const trust = options.trust === undefined ? {} : { trust: options.trust };
      const report =
        options.export === undefined
          ? await verifyOnline(context, trust)
          : await verifyExport(linesOf(createReadStream(resolve(context.cwd, options.export))), trust);
      if (!report.verified) process.exitCode = 1;
      context.output.result(report, reportText(report));
    });
}

export async function verifyOnline(
  context: CliContext,
  trust: { trust?: readonly string[] } = {},
): Promise<VerificationReport> {
  const api = await connect(context);
  const answer = await api.json<VerificationReport | { readonly job: string }>({
    path: "/v1/ledger/verify",
    body: trust,
    timeoutMs: 120_000,
  });
  if (!("job" in answer)) return answer;
  using bar = progressBar(context.output, "verify");
  return await waitForJob<VerificationReport>(api, answer.job, bar.update);
}

export function reportText(report: VerificationReport): string {
  const lines = [
    `${report.verified ? "verified" : "NOT VERIFIED"}: ${report.provedRows} rows under ${report.checkpoints} signed checkpoints, ${report.unsignedRows} not yet signed`,
    ...report.findings.map(
      (finding) =>
        `  ${finding.kind} at ${finding.index ?? "-"} ${finding.id ?? ""} (${finding.copy}): ${finding.detail}`,
    ),
  ];
  if (report.keysFrom === "log")
    lines.push("  the keys came with the log itself: compare them with those you know, or give --trust");
  return lines.join("\n");
}

function registerProve(audit: Command, contextOf: ContextOf): void {
  audit
    .command("prove <id>")
    .description("A proof for an outsider that a ledger row (led_…) or a prediction is on the record")
    .option("--out <file>", "write the proof to a file")
    .addHelpText(
      "after",
      "\nExample:\n  portolan audit prove led_… --out proof.json && portolan audit check-proof proof.json",
    )
    .action(async (id: string, options: { out?: string }, command: Command) => {
      const context = contextOf(command);
      const proof = await fetchProof(await connect(context), id);
      const text = `${JSON.stringify(proof, null, 2)}\n`;
      if (options.out === undefined) {
        context.output.raw(text);
        return;
      }
      await writeFile(resolve(context.cwd, options.out), text);
      context.output.result(
        { written: options.out },
        `wrote ${options.out}; check it anywhere with: portolan audit check-proof ${options.out}`,
      );
    });
}

/** A prediction's proof ends at a ledger row; the row's own proof completes it. */
export interface PredictionWithRow {
  readonly prediction: unknown;
  readonly row: JsonObject;
}

export async function fetchProof(api: ApiClient, id: string): Promise<JsonObject | PredictionWithRow> {
  const rowProof = (row: string) =>
    api.json<JsonObject>({ path: `/v1/ledger/entries/${encodeURIComponent(row)}/proof` });
  if (id.startsWith("led_")) return rowProof(id);
  const prediction = await api.json<{ anchor: { ledgerRow: string } }>({
    path: `/v1/predictions/${encodeURIComponent(id)}/proof`,
  });
  return { prediction, row: await rowProof(prediction.anchor.ledgerRow) };
}

/** Judges both halves; the ledger row must carry the very digest that the prediction's half ends in. Pure. */
export function judgeFetchedProof(proof: JsonObject | PredictionWithRow): {
  readonly proved: boolean;
  readonly detail: string;
} {
  if (!("prediction" in proof)) return rowVerdict(judgeProof(proof as JsonObject));
  const row = judgeProof(proof.row as JsonObject);
  if (row.kind === "refuted") return rowVerdict(row);
  const prediction = verifyPredictionProof(proof.prediction);
  if (prediction.kind === "refuted") return { proved: false, detail: prediction.reason };
  if (row.header.id !== prediction.ledgerRow)
    return { proved: false, detail: "the two halves name different ledger rows" };
  if (!JSON.stringify(row.payload ?? {}).includes(prediction.digest)) {
    return { proved: false, detail: "the ledger row does not carry the anchor's digest" };
  }
  return {
    proved: true,
    detail: `the prediction is under ledger row ${prediction.ledgerRow}, index ${row.index}`,
  };
}

function rowVerdict(verdict: ProofVerdict): { readonly proved: boolean; readonly detail: string } {
  return verdict.kind === "proved"
    ? {
        proved: true,
        detail: `row ${verdict.header.id} is at index ${verdict.index}, signed by ${verdict.keyId}`,
      }
    : { proved: false, detail: verdict.reason };
}

function registerCheckProof(audit: Command, contextOf: ContextOf): void {
  audit
    .command("check-proof <file>")
    .description("Check a proof file offline (exit code 1 when it does not hold)")
    .addHelpText("after", "\nExample:\n  portolan audit check-proof proof.json")
    .action(async (file: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const verdict = judgeFetchedProof(JSON.parse(await readFile(resolve(context.cwd, file), "utf8")));
      if (!verdict.proved) process.exitCode = 1;
      context.output.result(verdict, `${verdict.proved ? "proved" : "REFUTED"}: ${verdict.detail}`);
    });
}

interface SearchOptions {
  readonly event?: string;
  readonly actor?: string;
  readonly subject?: string;
  readonly from?: string;
  readonly to?: string;
  readonly class?: string;
  readonly limit: string;
}

function registerSearch(audit: Command, contextOf: ContextOf): void {
  audit
    .command("search")
    .description("Ledger rows, newest first")
    .option("--event <name>", "e.g. registry.version.promoted")
    .option("--actor <id>", "who did it")
    .option("--subject <id>", "what it was done to")
    .option("--class <class>", "governed, recorded or denied")
    .option("--from <instant>", "RFC 3339, included")
    .option("--to <instant>", "RFC 3339, excluded")
    .option("--limit <count>", "at most this many", "50")
    .addHelpText("after", "\nExample:\n  portolan audit search --event charter.signature.added")
    .action(async (options: SearchOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams(Object.entries({ ...options }));
      const page = await (await connect(context)).json<LedgerPage>({
        path: `/v1/ledger/entries?${query.toString()}`,
      });
      context.output.result(
        page,
        table(["index", "at", "event", "actor", "subject"], page.entries.map(entryRow)),
      );
    });
}

export function entryRow(entry: LedgerEntry): string[] {
  const actor = entry.actor?.id ?? "-";
  // What a gateway delivers is told by control; its detail names who it was.
  const principal = entry.detail?.["principal"];
  return [
    String(entry.index ?? "-"),
    entry.at,
    entry.event ?? entry.class,
    typeof principal === "string" && principal !== actor ? `${principal} (told by ${actor})` : actor,
    entry.subject ?? "-",
  ];
}

function registerExport(audit: Command, contextOf: ContextOf): void {
  audit
    .command("export <file>")
    .description(
      "The whole log as JSON lines, verifiable offline; refused where a charter excludes the place",
    )
    .option("--region <region>", "region that it goes to (default: as the server is configured)")
    .option("--owner <owner>", "who owns the place that it goes to: self, or a provider's name")
    .addHelpText(
      "after",
      "\nExample:\n  portolan audit export ledger.jsonl && portolan audit verify --export ledger.jsonl",
    )
    .action(async (file: string, options: { region?: string; owner?: string }, command: Command) => {
      const context = contextOf(command);
      const path = `/v1/ledger/export?${new URLSearchParams({ ...options }).toString()}`;
      const text = await (await connect(context)).text({ path, timeoutMs: 600_000 });
      await writeFile(resolve(context.cwd, file), text);
      const rows = text.split("\n").length - 1;
      context.output.result({ written: file, lines: rows }, `wrote ${rows} lines to ${file}`);
    });
}
