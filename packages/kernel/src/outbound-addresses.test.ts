import { describe, expect, test } from "vitest";
import { judgeAddress, judgeUrl, readAddressRules } from "./outbound-addresses.ts";

const strict = readAddressRules(undefined, false);
const development = readAddressRules("", true);

describe("which addresses may be asked", () => {
  test.each([
    "http://id.example/keys",
    "ftp://id.example/keys",
    "https://user:secret@id.example/keys",
    "https://127.0.0.1/keys",
    "http://127.0.0.1:7400/keys",
    "https://10.1.2.3/keys",
    "https://172.31.255.255/keys",
    "https://192.168.0.1/keys",
    "https://100.100.0.1/keys",
    "https://169.254.169.254/latest/meta-data",
    "https://2852039166/latest",
    "https://0x7f.1/keys",
    "https://0.0.0.0/keys",
    "https://224.0.0.1/keys",
    "https://255.255.255.255/keys",
    "https://[::1]/keys",
    "https://[::]/keys",
    "https://[fd00:ec2::254]/latest",
    "https://[fe80::1]/keys",
    "https://[fec0::1]/keys",
    "https://[::ffff:10.0.0.1]/keys",
    "https://[::ffff:a9fe:a9fe]/keys",
    "https://[64:ff9b::a00:1]/keys",
    "https://[2002:a00:1::]/keys",
    "keys",
  ])("%s is refused", (address) => {
    expect(judgeUrl(strict, address).kind).toBe("refused");
  });
  test("a public https address is allowed; its name is judged again by what it resolves to", () => {
    expect(judgeUrl(strict, "https://id.example/keys").kind).toBe("allowed");
    expect(judgeUrl(strict, "https://203.0.113.9/keys").kind).toBe("allowed");
    expect(judgeUrl(strict, "https://[2a00:1450::1]/keys").kind).toBe("allowed");
    expect(judgeAddress(strict, "id.example", "10.0.0.1").kind).toBe("refused");
    expect(judgeAddress(strict, "id.example", "203.0.113.9").kind).toBe("allowed");
  });
  test("a development installation asks this machine, also over http, and nothing else inside", () => {
    expect(judgeUrl(development, "http://127.0.0.1:9000/keys").kind).toBe("allowed");
    expect(judgeUrl(development, "http://localhost:9000/keys").kind).toBe("allowed");
    expect(judgeUrl(development, "http://[::1]:9000/keys").kind).toBe("allowed");
    expect(judgeUrl(development, "http://127.0.0.1.example/keys").kind).toBe("refused");
    expect(judgeUrl(development, "https://10.0.0.1/keys").kind).toBe("refused");
    expect(judgeAddress(development, "metadata.example", "169.254.169.254").kind).toBe("refused");
  });
  test("the operator allows hosts and networks by name", () => {
    const rules = readAddressRules("id.bank.internal, 10.20.0.0/16,fd12::7", false);
    expect(judgeAddress(rules, "id.bank.internal", "192.168.7.7").kind).toBe("allowed");
    expect(judgeAddress(rules, "other.bank.internal", "192.168.7.7").kind).toBe("refused");
    expect(judgeAddress(rules, "other.bank.internal", "10.20.1.1").kind).toBe("allowed");
    expect(judgeUrl(rules, "https://[fd12::7]/keys").kind).toBe("allowed");
    expect(judgeUrl(rules, "https://[fd12::8]/keys").kind).toBe("refused");
    expect(judgeUrl(rules, "http://id.bank.internal/keys").kind).toBe("refused");
  });
  test("plain http is for the hosts that the operator names with it", () => {
    const rules = readAddressRules("http://triton.ml.svc, http://[fd12::7], 10.0.0.0/8", false);
    expect(judgeUrl(rules, "http://triton.ml.svc:8000").kind).toBe("allowed");
    expect(judgeUrl(rules, "http://[fd12::7]:8000").kind).toBe("allowed");
    expect(judgeAddress(rules, "triton.ml.svc", "10.9.9.9").kind).toBe("allowed");
    expect(judgeUrl(rules, "http://10.0.0.1:8000").kind).toBe("refused");
  });
  test.each(["10.0.0.0/99", "http://10.0.0.0/8", "https://id.example", "a b", "10.0.0.0/8/8", "*"])(
    "%s is no entry of the list",
    (entry) => {
      expect(() => readAddressRules(entry, false)).toThrow(RangeError);
    },
  );
});
