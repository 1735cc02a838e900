import type { Command } from "commander";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

export interface Subscription {
  readonly id: string;
  readonly contract: string;
  readonly environment: string;
  readonly connection: string;
  readonly topic: string;
  readonly state: string;
  readonly failure?: string;
  readonly failures: number;
  readonly partitions: readonly { readonly partition: number; readonly nextOffset: string }[];
  readonly taken: number;
  readonly deadLetters: number;
  readonly lost: number;
}

interface SubscribeOptions {
  readonly topic: string;
  readonly connection: string;
  readonly environment: string;
  readonly useCase?: string;
  readonly from: string;
}

export function registerSubscriptionCommands(data: Command, contextOf: ContextOf): void {
  registerSubscribe(data, contextOf);
  registerList(data, contextOf);
  registerUnsubscribe(data, contextOf);
}

function registerSubscribe(data: Command, contextOf: ContextOf): void {
  data
    .command("subscribe <contract>")
    .description("Take the records of a Kafka topic in as events under a contract, until it is stopped")
    .requiredOption("--topic <name>", "the topic")
    .requiredOption(
      "--connection <name>",
      "the operator's connection, a file <name>.json in DATA_CONNECTIONS",
    )
    .option("--environment <name>", "dev, staging or production", "dev")
    .option("--use-case <name>", "use case that the data belongs to")
    .option("--from <where>", "earliest or latest: where reading begins", "earliest")
    .addHelpText(
      "after",
      "\nRecords are JSON objects. Each is taken in once, through restarts of either side; what is no event becomes a dead letter with topic, partition and offset.\n\nExample:\n  portolan data subscribe flights --topic flights --connection main --use-case flight-delays",
    )
    .action(async (contract: string, options: SubscribeOptions, command: Command) => {
      const context = contextOf(command);
      const body = {
        contract,
        environment: options.environment,
        connection: options.connection,
        topic: options.topic,
        startAt: options.from,
        ...(options.useCase === undefined ? {} : { useCaseId: options.useCase }),
      };
      const found = await (await connect(context)).json<Subscription>({ path: "/v1/subscriptions", body });
      context.output.result(found, subscriptionText(found));
    });
}

function registerList(data: Command, contextOf: ContextOf): void {
  data
    .command("subscriptions")
    .description("Topics that are read, how far, and which of them fail")
    .addHelpText(
      "after",
      "\nOne of them: portolan data show sub_…\n\nExample:\n  portolan data subscriptions --json",
    )
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const { subscriptions } = await (await connect(context)).json<{
        subscriptions: readonly Subscription[];
      }>({ path: "/v1/subscriptions" });
      const rows = subscriptions.map((one) => [
        one.id,
        one.contract,
        one.environment,
        one.topic,
        one.failure === undefined ? one.state : `${one.state}: ${one.failure}`,
        String(one.taken),
        String(one.deadLetters),
      ]);
      context.output.result(
        { subscriptions },
        table(["subscription", "contract", "environment", "topic", "state", "taken", "dead letters"], rows),
      );
    });
}

function registerUnsubscribe(data: Command, contextOf: ContextOf): void {
  data
    .command("unsubscribe <subscription>")
    .description("Stop reading a topic; what was taken in stays")
    .addHelpText("after", "\nExample:\n  portolan data unsubscribe sub_…")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<Subscription>({
        method: "DELETE",
        path: `/v1/subscriptions/${encodeURIComponent(id)}`,
      });
      context.output.result(found, subscriptionText(found));
    });
}

export function subscriptionText(one: Subscription): string {
  const { taken, deadLetters, lost, partitions } = one;
  return [
    `${one.id}: topic ${one.topic} of ${one.connection} under ${one.contract} in ${one.environment}: ${one.state}`,
    ...(one.failure === undefined ? [] : [`failed ${one.failures} times: ${one.failure}`]),
    `${taken} records taken in, ${deadLetters} of them dead letters${lost > 0 ? `; ${lost} were deleted by the cluster before they were read` : ""}`,
    ...partitions.map(({ partition, nextOffset }) => `partition ${partition}: next offset ${nextOffset}`),
  ].join("\n");
}
