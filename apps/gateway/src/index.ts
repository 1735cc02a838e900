export { GatewayConfig } from "./config.ts";
