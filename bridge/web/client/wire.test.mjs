// gzip and MessagePack on the wire of sente-lite.js: order, ends, what is not there, bombs, sizes.

import {test} from "node:test";
import assert from "node:assert/strict";
import {randomBytes} from "node:crypto";
import {gunzipSync, gzipSync} from "node:zlib";
import {SenteLite, msgpack, pakos, memory, HELLO} from "./fake.mjs";
import {slowGzip} from "./side.mjs";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const until = async (test) => { while (!test()) await turn(); };
const buffer = (bytes) => new Uint8Array(bytes).buffer;
const zipped = (item) => ({data: buffer(gzipSync(JSON.stringify(item)))});
const ALL = {...HELLO, limits: {"backup-secs": 5, "max-message-bytes": 4 << 20}};

function start(t, options = {}) {
  const {MemorySocket, last, all} = memory();
  const errors = [];
  const heard = [];
  const s = SenteLite.connect({url: "ws://127.0.0.1/ws", WebSocket: MemorySocket, gzip: true, credit: 0, backoff: () => 0,
    onError: (e) => errors.push(e), ...options});
  s.on("*", (data, [id]) => heard.push(id));
  t.after(() => s.close());
  return {s, last, all, errors, heard};
}

/** A page whose gzip is pako's, null for none. */
function only(t, pako) {
  for (const name of ["CompressionStream", "DecompressionStream", "pako"]) {
    const kept = globalThis[name];
    t.after(() => { globalThis[name] = kept; });
    globalThis[name] = name === "pako" && pako ? pako : undefined;
  }
}

/** A gate, which slow gzip waits at. */
function gate(t) {
  let open;
  const shut = new Promise((resolve) => { open = resolve; });
  slowGzip(t, () => shut);
  return () => open();
}

for (const [engine, pako] of [["CompressionStream"], ...Object.entries(pakos)]) {
  test(`${engine}: what is large and shrinks is gzipped, both ways; the rest goes as it is`, async (t) => {
    if (pako) only(t, pako);
    const {s, last, errors, heard} = start(t);
    assert.match(last().url, /packer=json&gzip=1&/);
    last().shake(ALL);
    const text = JSON.stringify({rows: Array.from({length: 5000}, (_, n) => ({id: n, name: "row"}))});
    for (const event of [["a/small", "x".repeat(1000)], ["a/large", text]]) {
      s.send(event);
      await s.flush();
      assert.deepEqual(last().sent.at(-1), event);
    }
    assert.deepEqual(last().raw.map((r) => typeof r), ["string", "object"]);
    assert.ok(last().raw[1].length < text.length / 3);
    last().onmessage(zipped(["b/large", text]));
    last().receive(["b/small"]);
    await until(() => heard.length === 2);
    assert.deepEqual(heard, ["b/large", "b/small"]);
    assert.deepEqual(errors, []);
  });

  test(`${engine}: gzip, ungzip, gzipString, ungzipString; what is no single member, or a bomb, is refused`, async (t) => {
    if (pako) only(t, pako);
    const {gzip, ungzip, gzipString, ungzipString} = SenteLite;
    for (const bytes of [new Uint8Array(0), new Uint8Array(randomBytes(100000)), new Uint8Array(3e6).fill(65).map((_, i) => i % 251 ^ i >> 9)]) {
      assert.deepEqual(new Uint8Array(gunzipSync(await gzip(bytes))), bytes);
      assert.deepEqual(await ungzip(await gzip(bytes)), bytes);
      assert.deepEqual(await ungzip(buffer(gzipSync(bytes))), bytes);
    }
    assert.equal(await ungzipString(await gzipString("\ufeffé😀")), "\ufeffé😀");
    await assert.rejects(ungzipString(gzipSync(Buffer.from([0xff]))), TypeError);

    const good = gzipSync(Buffer.from("abc".repeat(1000)));
    const bomb = gzipSync(Buffer.alloc(64 << 20));
    const lies = Buffer.from(bomb); // it says that it holds 1000 bytes
    lies.writeUInt32LE(1000, lies.length - 4);
    const crc = Buffer.from(good);
    crc[crc.length - 8] ^= 1;
    for (const [name, bytes, most] of [["empty", Buffer.alloc(0)], ["short", good.subarray(0, 12)], ["cut", good.subarray(0, -9)],
      ["cut in its end", good.subarray(0, -1)], ["no gzip", Buffer.alloc(100, 7)], ["zlib", Buffer.from([0x78, 0x9c, ...good.subarray(10)])],
      ["more behind it", Buffer.concat([good, Buffer.from("garbage!")])], ["two members", Buffer.concat([good, good])], ["crc", crc],
      ["over the limit", good, 2999], ["bomb", bomb], ["bomb that lies", lies], ["ratio", gzipSync(Buffer.alloc(8 << 20))]]) {
      await assert.rejects(ungzip(bytes, most), {code: "sente-lite/bad-gzip", category: "incorrect"}, name);
    }
    assert.equal((await ungzip(good, 3000)).length, 3000);
  });
}

test("a bomb that lies is not inflated further than it says, and a slice", async (t) => {
  const lies = gzipSync(Buffer.alloc(256 << 20));
  lies.writeUInt32LE(1000, lies.length - 4);
  let made = 0;
  const real = DecompressionStream;
  t.after(() => { globalThis.DecompressionStream = real; });
  globalThis.DecompressionStream = class {
    constructor(format) {
      const {readable, writable} = new real(format);
      return {writable, readable: readable.pipeThrough(new TransformStream({transform(part, out) {
        made += part.length;
        out.enqueue(part);
      }}))};
    }
  };
  await assert.rejects(SenteLite.ungzip(lies), {code: "sente-lite/bad-gzip"});
  await turn();
  assert.ok(made < 20 << 20, `${made} bytes`);
});

test("with neither it says so, names pako, and goes on plainly", async (t) => {
  only(t, null);
  const {s, last, errors, heard} = start(t);
  assert.ok(!last().url.includes("gzip"));
  assert.deepEqual(errors.map((e) => [e.category, e.code]), [["unsupported", "sente-lite/no-gzip"]]);
  assert.match(errors[0].message, /pako/);
  last().shake(ALL);
  s.send("a/large", "x".repeat(1e5));
  assert.deepEqual(last().raw.map((r) => typeof r), ["string"]);
  last().receive(["b/b", "y".repeat(1e5)]);
  assert.deepEqual(heard, ["b/b"]);
  for (const f of ["gzip", "ungzip", "gzipString", "ungzipString"]) await assert.rejects(SenteLite[f]("x"), {code: "sente-lite/no-gzip"});
});

test("what comes is handled in order while something is inflated, and at once otherwise", async (t) => {
  const {last, heard} = start(t);
  const open = gate(t);
  last().shake(ALL);
  last().receive(["n/1"]);
  assert.deepEqual(heard, ["n/1"]);
  last().onmessage(zipped(["n/2"]));
  last().receive(["n/3"]);
  last().onmessage(zipped(["batch/events", [["n/4"], ["n/5"]]]));
  last().receive(["n/6"]);
  for (let k = 0; k < 5; k++) await turn();
  assert.deepEqual(heard, ["n/1"]);
  open();
  await until(() => heard.length === 6);
  assert.deepEqual(heard, ["n/1", "n/2", "n/3", "n/4", "n/5", "n/6"]);
  await turn();
  last().receive(["n/7"]);
  assert.equal(heard.length, 7);
});

test("a link that ends while something is inflated: all that came before is handled and counted first", async (t) => {
  const {s, last, all, heard, errors} = start(t);
  const open = gate(t);
  last().shake(ALL);
  last().onmessage(zipped(["batch/events", [["n/1"], ["n/2"]]]));
  last().receive(["n/3"]);
  last().cut();
  assert.equal(s.state.status, "open");
  open();
  await until(() => s.state.status !== "open");
  assert.deepEqual(heard, ["n/1", "n/2", "n/3"]);
  await new Promise((resolve) => setTimeout(resolve, 1)); // the backoff is 0
  await until(() => all.length === 2);
  assert.match(last().url, /seen=3/);
  assert.deepEqual(errors, []);
});

test("a link that the page leaves: what was not inflated comes again on the next", async (t) => {
  const {s, last, heard} = start(t);
  const open = gate(t);
  last().shake(ALL);
  const first = last();
  first.onmessage(zipped(["n/1"]));
  s.reconnect();
  await until(() => last() !== first);
  assert.match(last().url, /seen=0/);
  last().shake({...ALL, "recovered?": true});
  open();
  for (let k = 0; k < 20; k++) await turn();
  assert.deepEqual(heard, []);
});

test("what is sent keeps its order; flush and close wait for what is being gzipped", async (t) => {
  const {s, last} = start(t, {recover: false});
  const open = gate(t);
  last().shake(ALL);
  const done = [];
  s.send("a/large", "x".repeat(5000));
  s.send("a/small");
  s.flush().then(() => done.push("flushed"));
  for (let k = 0; k < 5; k++) await turn();
  assert.deepEqual([last().sent, done, s.pending.safeToClose], [[], [], false]);
  s.close();
  assert.equal(last().closed, null);
  open();
  await until(() => last().closed);
  assert.deepEqual(last().sent.map((i) => i[0]), ["a/large", "a/small"]);
  assert.deepEqual([done, last().closed.code], [["flushed"], 1000]);
});

test("what cannot be inflated is told, and begins a session, since its count is lost", async (t) => {
  const {s, last, errors, heard} = start(t, {backoff: () => 1e6});
  last().shake(ALL);
  last().onmessage({data: buffer(gzipSync(Buffer.alloc(5 << 20, 7)))});
  last().receive(["n/1"]);
  await until(() => s.state.status === "waiting");
  assert.equal(s.state.reason, "uncounted");
  assert.deepEqual(errors.map((e) => e.code), ["sente-lite/bad-message"]);
  assert.deepEqual(heard, []);
});

test("MessagePack: the client needs its file, and says so", () => {
  const {MemorySocket} = memory();
  assert.throws(() => SenteLite.connect({url: "ws://h/", WebSocket: MemorySocket, packer: "msgpack"}), /msgpack; load sente-lite-msgpack\.js before/);
});

test("MessagePack: 1 MB of bytes is that on the wire, alone and behind gzip, both ways", async (t) => {
  for (const gzip of [false, true]) {
    const {s, last} = start(t, {packer: msgpack, gzip});
    assert.equal(last().binaryType, "arraybuffer");
    assert.match(last().url, gzip ? /packer=msgpack&gzip=1&/ : /packer=msgpack&bundle/);
    const receive = (item) => last().onmessage({data: buffer(msgpack.pack(item))});
    last().readyState = 1;
    receive(["chsk/handshake", ["conn-1", null, ALL, true]]);
    const jpeg = new Uint8Array(randomBytes(1e6));
    assert.equal(s.send("photo/taken", {jpeg, at: "noon"}).status, "ok");
    await s.flush();
    assert.ok(last().raw[0].length < 1.01e6, `${last().raw[0].length} bytes`);
    assert.notEqual(last().raw[0][0], 0x1f);
    assert.deepEqual(last().sent[0], ["photo/taken", {jpeg, at: "noon"}]);
    let got;
    s.on("photo/seen", (data) => { got = data; });
    s.on("photo/size", (data) => data.byteLength);
    receive(["photo/seen", {jpeg}]);
    assert.deepEqual(got, {jpeg});
    s.send("a/one", {n: 1});
    s.send("a/two", {n: 2});
    receive(["batch/events", [[["photo/size", jpeg], "c1"], [["no/handler"], "c2"]]]);
    await until(() => last().sent.length >= 3);
    const items = last().sent.slice(1).flatMap((i) => (i[0] === "batch/events" ? i[1] : [i]));
    assert.deepEqual(items.slice(0, 2), [["a/one", {n: 1}], ["a/two", {n: 2}]]);
    await until(() => last().sent.flat(2).includes("c1"));
    const reply = (cb) => last().sent.flatMap((i) => (i[0] === "batch/events" ? i[1] : [i])).find((i) => i[1] === cb)[2];
    assert.equal(reply("c1"), 1e6);
    assert.equal(reply("c2")[1].category, "not-found");
    receive(["chsk/ws-ping"]);
    assert.deepEqual(last().sent.at(-1), ["chsk/ws-pong"]);
  }
});

test("what cannot be packed is rejected, with the event and the path; a call of it fails", async (t) => {
  for (const [packer, path] of [["json", '["1","rows","1","id"]'], [msgpack, '[1,"rows",1,"id"]']]) {
    const {s, last} = start(t, {packer});
    const circle = {};
    circle.id = circle;
    const bad = packer === "json" ? {id: 1n} : {id: () => {}};
    const {status, error} = s.send("a/b", {rows: [{id: 0}, bad], more: 1});
    assert.deepEqual([status, error.code, error.event], ["rejected", "sente-lite/unpackable", "a/b"]);
    assert.ok(error.message.startsWith(`a/b: ${path}: `), error.message);
    assert.equal(s.send("a/b", circle).error.code, "sente-lite/unpackable");
    await assert.rejects(s.ask("a/b", circle), {code: "sente-lite/unpackable"});
    assert.equal(s.pending.count, 0);
    assert.equal(last().sent.length, 0);
  }
});
