import type { ConsumerOptions } from "@platformatic/kafka";
import type { KafkaConnection } from "@portolan/data";

type Options = Pick<
  ConsumerOptions<Buffer, Buffer, Buffer, Buffer>,
  "bootstrapBrokers" | "clientId" | "tls" | "sasl" | "retries" | "connectTimeout" | "requestTimeout"
>;

/** What the client needs to reach a cluster. Pure; the passwords in it are for the client alone. */
export function connectionOptions({ brokers, tls, sasl }: KafkaConnection): Options {
  return {
    clientId: "portolan",
    bootstrapBrokers: [...brokers],
    // Whoever reads tries again by itself, and says so meanwhile.
    retries: 1,
    connectTimeout: 5_000,
    requestTimeout: 20_000,
    ...(tls
      ? {
          tls: {
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key.reveal() }),
          },
        }
      : {}),
    ...(sasl
      ? {
          sasl: {
            mechanism: sasl.mechanism,
            username: sasl.username,
            password: sasl.password.reveal(),
          },
        }
      : {}),
  };
}
