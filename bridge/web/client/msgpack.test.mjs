// sente-lite-msgpack.js: bytes as Sente's own packer has them, what names become, what cannot be read.

import {test} from "node:test";
import assert from "node:assert/strict";
import {gzipSync} from "node:zlib";
import {runInNewContext} from "node:vm";
import {msgpack, served} from "./fake.mjs";
import {random} from "./side.mjs";

const {pack, unpack, join, bundles} = msgpack;
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const bytes = (text) => new Uint8Array(Buffer.from(text.replace(/ /g, ""), "hex"));
const data = (v) => hex(pack(["a/b", v])).slice("92c70300612f62".length); // behind the event's name
const name = (text) => hex(pack([text])).slice(2);

test("is at most 5.25 KB gzipped, one classic script with one global", () => {
  const source = served("sente-lite-msgpack.js");
  assert.ok(gzipSync(source).length <= 5376, `${gzipSync(source).length} bytes`);
  const page = {TextEncoder, TextDecoder, btoa};
  runInNewContext(source, page);
  assert.deepEqual(Object.keys(page), ["TextEncoder", "TextDecoder", "btoa", "SenteLiteMsgpack"]);
});

test("an event's name and the keys of its data are keywords, other strings are not", () => {
  assert.equal(hex(pack(["a/b", {id: "x/y", "no key": [1]}])), "92c70300612f6282d500" + "6964a3782f79a66e6f206b65799101");
  assert.deepEqual(unpack(pack(["a/b", {id: "x/y", "no key": [1]}])), ["a/b", {id: "x/y", "no key": [1]}]);
  for (const [text, keyword] of [["a", 1], ["a/b", 1], ["1", 1], ["a.b/c-d?", 1], ["é/漢", 1], ["a:b", 1], ["a#", 1], ["+", 1], ["a'", 1], ["1/a", 0],
    ["a/1", 0], ["a/b/c", 0], ["", 0], ["a:", 0], ["a:/b", 0], ["a::b", 0], [":a", 0], ["#a", 0], ["'a", 0], ["a b", 0], ["/", 0], ["a/", 0], ["a,b", 0],
    ["\u00a0", 0], ["\ufffd", 0], ["a\n", 0], ["a@b", 0]]) {
    const key = data({[text]: 1}).slice(2);
    assert.equal(/^(d[4-8]|c7..)00/.test(key), keyword === 1, JSON.stringify(text));
  }
});

test("calls, replies, bundles and owner events have their names where section 3 of the contract has them", () => {
  const kw = (text) => name(text);
  const str = (text) => hex([0xa0 + text.length]) + Buffer.from(text).toString("hex");
  for (const [item, want] of [
    [[["a/b", ["c/d"]], "x"], "9292" + kw("a/b") + "91" + str("c/d") + str("x")],
    [["chsk/reply", "x", ["c/d"]], "93" + kw("chsk/reply") + str("x") + "91" + str("c/d")],
    [["batch/events", [["a/b"], [["c/d"], "x"]]], "92" + kw("batch/events") + "9291" + kw("a/b") + "9291" + kw("c/d") + str("x")],
    [["sente-lite/send", {to: "u", event: ["a/b", ["c/d"]]}],
      "92" + kw("sente-lite/send") + "82" + kw("to") + str("u") + kw("event") + "92" + kw("a/b") + "91" + str("c/d")],
    [["a/send", {event: ["a/b"]}], "92" + kw("a/send") + "81" + kw("event") + "91" + str("a/b")],
  ]) {
    assert.equal(hex(pack(item)), want, JSON.stringify(item));
    assert.deepEqual(unpack(pack(item)), item);
  }
  assert.equal(hex(join([pack(["a/b"]), pack([["c/d"], "x"])])), hex(pack(["batch/events", [["a/b"], [["c/d"], "x"]]])));
});

// [value, its bytes, what comes back where that differs]; the bytes are those that Sente 1.21 writes, where it can.
const TABLE = [
  [null, "c0"], [true, "c3"], [false, "c2"], [0, "00"], [127, "7f"], [128, "cc80"], [256, "cd0100"], [65536, "ce00010000"],
  [4294967295, "ceffffffff"], [4294967296, "d30000000100000000"], [2 ** 53 - 1, "d3001fffffffffffff"], [-1, "ff"], [-32, "e0"],
  [-33, "d0df"], [-129, "d1ff7f"], [-32769, "d2ffff7fff"], [-2147483649, "d3ffffffff7fffffff"], [1.5, "ca3fc00000"],
  [0.1, "cb3fb999999999999a"], [NaN, "cb7ff8000000000000"], [Infinity, "ca7f800000"], [-0, "ca80000000"], [1e300, "cb7e37e43c8800759c"],
  ["", "a0"], ["é✓😀", "a9c3a9e29c93f09f9880"], ["a".repeat(32), "d920" + "61".repeat(32)], ["a".repeat(256), "da0100" + "61".repeat(256)],
  [new Uint8Array([1, 2, 3]), "c403010203"], [new Uint8Array(256), "c50100" + "00".repeat(256)],
  [new Uint8Array([1, 2]).buffer, "c4020102", new Uint8Array([1, 2])], [new Uint16Array([0x0101]), "c4020101", new Uint8Array([1, 1])],
  [new Date("2024-01-02T03:04:05.678Z"), "c70cff286975800000000065937d25"], [new Date("1969-12-31T23:59:59.500Z"), "c70cff1dcd6500ffffffffffffffff"],
  [new Set(["a", 1.5]), "c70c0492a161cb3ff8000000000000", ["a", 1.5]], [new Map([[1, "x"], ["k", 2.5]]), "8201a178d4006bca40200000", {1: "x", k: 2.5}],
  [5n, "05", 5], [2n ** 63n - 1n, "d37fffffffffffffff", "9223372036854775807"],
  [2n ** 64n, "c7151131383434363734343037333730393535313631364e", "18446744073709551616"],
  [{a: undefined, b: 1}, "81d4006201", {b: 1}], [[undefined], "91c0", [null]], [{toJSON: () => "j"}, "a16a", "j"], [new String("s"), "a173", "s"],
];
test("values, and what comes back", () => {
  for (const [v, want, back = v] of TABLE) {
    assert.equal(data(v), want, String(v));
    assert.deepEqual(unpack(pack(["a/b", v]))[1], back);
  }
});

test("what Clojure writes", () => {
  for (const [text, want] of [
    ["d40061", "a"], ["c70700666f6f2f626172", "foo/bar"], ["d40178", "x"], ["d40261", "a"], ["d5030102", "1/2"], ["d60491d40061", ["a"]],
    ["c7240931313131313131312d323232322d333333332d343434342d353535353535353535353535", "11111111-2222-3333-4444-555555555555"],
    ["d5109101", [1]], ["d611312e354d", "1.5"], ["d51131 4e", "1"], ["c7041123782031", "#x 1"], ["cfffffffffffffffff", "18446744073709551615"],
    ["d42a07", [42, new Uint8Array([7])]], ["c70cff000000000000000000000001", new Date(1000)], ["cd0001", 1],
    // The key cache: full keys are counted each time, strings and keywords, and values are not.
    ["92 82 d5006964 01 d6006e616d65 a178 82 d40800 02 d40801 a179", [{id: 1, name: "x"}, {id: 2, name: "y"}]],
    ["93 81 a161 d40062 81 d40063 01 81 d40801 d40064", [{a: "b"}, {c: 1}, {c: "d"}]],
    // Keys that are no text, and two that have the same.
    ["87 01 01 c0 02 c3 03 9101 04 82a16101d4006202 05 ca3fc00000 06 d40178 07", {1: 1, nil: 2, true: 3, "[1]": 4, '{"a" 1, :b 2}': 5, "1.5": 6, x: 7}],
    ["82 d40061 01 a161 02", {a: 1, '"a"': 2}], ["82 a161 01 d40061 02", {a: 1, ":a": 2}],
    ["81 c70cff000000000000000000000001 01", {"1970-01-01T00:00:01Z": 1}], ["81 c40101 01", {'#sente-lite/bytes "AQ=="': 1}],
  ]) assert.deepEqual(unpack(bytes(text)), want, text);
  const odd = unpack(bytes("81 a9 5f5f70726f746f5f5f 81 a1 61 01"));
  assert.deepEqual(Object.keys(odd), ["__proto__"]);
  assert.equal(odd.a, undefined);
});

test("what cannot be read is refused, and takes no more than its own length", () => {
  for (const [text, why] of [["", /announced/], ["c1", /c1/], ["dbffffffff61", /announced/], ["ddffffffff01", /announced/], ["dfffffffff0101", /announced/],
    ["c6ffffffff00", /announced/], ["c9ffffffff0000", /announced/], ["81d4080001", /no such cached key/], ["91d40800", /cached key is no value/],
    ["a1ff", /./], ["c0c0", /1 bytes follow/], ["91".repeat(600) + "c0", /levels deep/], ["d4ff00", /12 bytes/], ["d40401", /holds an array/],
    ["d5049201", /./], ["d5030101 01", /./], ["82a16101a16102", /twice/], ["82d4006101d4006102", /twice/]]) {
    if (text.startsWith("82a161")) assert.deepEqual(unpack(bytes(text)), {a: 1, '"a"': 2});
    else if (text.startsWith("82d4")) assert.deepEqual(unpack(bytes(text)), {a: 1, ":a": 2});
    else assert.throws(() => unpack(bytes(text)), why, text);
  }
  assert.throws(() => unpack(bytes("83 a16101 a16102 a16103")), /twice/);
  assert.throws(() => unpack("[]"), /this is text/);
  assert.ok(bundles(pack(["batch/events", [["a/b"]]]).subarray(0, 17)));
  assert.ok(!bundles(pack(["a/b", 1])));
});

test("random bytes and damaged messages are values or errors; random values come back", () => {
  const rnd = random(7);
  const upTo = (n) => Math.floor(rnd() * n);
  const value = (depth) => {
    switch (upTo(depth > 0 ? 9 : 6)) {
      case 0: return upTo(2) ? null : upTo(2) === 1;
      case 1: return (rnd() < 0.5 ? -1 : 1) * upTo(2 ** upTo(53));
      case 2: return rnd() * 10 ** (upTo(30) - 20);
      case 3: return String.fromCodePoint(...Array.from({length: upTo(300)}, () => upTo(0xd800)));
      case 4: return Uint8Array.from({length: upTo(2 ** upTo(12))}, () => upTo(256));
      case 5: return new Date(upTo(2e12) - 1e12);
      case 6: case 7: return Array.from({length: upTo(20)}, () => value(depth - 1));
      default: return Object.fromEntries(Array.from({length: upTo(20)}, (_, n) => [`k${upTo(2) ? "/" : " "}${n}`, value(depth - 1)]));
    }
  };
  for (let k = 0; k < 300; k++) {
    const v = value(4);
    const event = ["a/b", Object.is(v, -0) ? 0 : v];
    const packed = pack(event);
    assert.ok(JSON.stringify(unpack(packed)) === JSON.stringify(event), JSON.stringify(event).slice(0, 500));
    const damaged = packed.slice(0, upTo(3) ? packed.length : upTo(packed.length));
    for (let n = upTo(4); n > 0 && damaged.length > 0; n--) damaged[upTo(damaged.length)] = upTo(256);
    for (const junk of [damaged, Uint8Array.from({length: upTo(60)}, () => upTo(256))]) {
      try {
        unpack(junk);
      } catch (e) {
        assert.ok(e instanceof TypeError || e instanceof RangeError, e.stack);
      }
    }
  }
});
