import type { LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";
import { type ChannelOptions, experimental, Metadata, status } from "@grpc/grpc-js";

/** What the resolver of one channel needs; it travels in the channel's options. */
export interface GuardedTarget {
  readonly host: string;
  readonly port: number;
  /** Gives addresses that may be connected to, or an error. */
  readonly lookup: LookupFunction;
}

/** The library asks anew whenever an address fails, and an answer makes it try that address again: at most so often. */
const leastMs = 1000;
const scheme = "portolan-guarded";
const optionName = "portolan.guarded_target";

/** Name and options of a channel to a server whose addresses are looked up under the operator's rules. */
export function guardedChannel(target: GuardedTarget): {
  readonly name: string;
  readonly options: ChannelOptions;
} {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  return {
    name: `${scheme}:///${host}:${target.port}`,
    options: {
      [optionName]: target,
      // Channels that share connections would share the first one's look-up as well.
      "grpc.use_local_subchannel_pool": 1,
      // A proxy of the environment would look the name up by itself.
      "grpc.enable_http_proxy": 0,
    },
  };
}

/**
 * The library looks names up by itself and connects to whatever they point to. This one asks the operator's rules, at the first
 * connection and whenever one is lost; the addresses that it gives are those that are then connected to.
 */
class GuardedResolver implements experimental.Resolver {
  readonly #listener: experimental.ResolverListener;
  readonly #target: GuardedTarget;
  /** Of look-ups under way, the last that counts. */
  #round = 0;
  #isLooking = false;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    _target: experimental.GrpcUri,
    listener: experimental.ResolverListener,
    options: ChannelOptions,
  ) {
    this.#listener = listener;
    this.#target = options[optionName] as GuardedTarget;
  }

  static getDefaultAuthority({ path }: experimental.GrpcUri): string {
    return path;
  }

  updateResolution(): void {
    if (this.#isLooking || this.#timer) return;
    const waitMs = this.#lookedMs + leastMs - performance.now();
    if (waitMs <= 0) this.#look();
    else
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#look();
      }, waitMs).unref();
  }

  destroy(): void {
    this.#round++;
    this.#isLooking = false;
    this.#lookedMs = Number.NEGATIVE_INFINITY;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#isLooking = true;
    this.#lookedMs = performance.now();
    const round = this.#round;
    const { host, port, lookup } = this.#target;
    lookup(host, { all: true }, (error, found) => {
      if (round !== this.#round) return;
      this.#isLooking = false;
      const addresses = error ? [] : (found as LookupAddress[]);
      if (error || addresses.length === 0) this.#report(error?.message ?? `${host} has no address`);
      else {
        const value = addresses.map(({ address }) => ({ addresses: [{ host: address, port }] }));
        this.#listener({ ok: true, value }, {}, null, "");
      }
    });
  }

  #report(details: string): void {
    const error = { code: status.UNAVAILABLE, details, metadata: new Metadata() };
    this.#listener({ ok: false, error }, {}, null, "");
  }
}

experimental.registerResolver(scheme, GuardedResolver);
