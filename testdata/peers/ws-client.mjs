// A foreign WebSocket peer for the tests of pipe/transport: npm's ws.
//
//   node ws-client.mjs URL      speak to an echo server at URL, as wsclient does
//   node ws-client.mjs -serve   be an echo server; its URL is the first line of stdout
import { createRequire } from "node:module";

const require = createRequire(new URL("../npm/package.json", import.meta.url));
const { WebSocket, WebSocketServer } = require("ws");

const sizes = [0, 1, 125, 126, 127, 4095, 4096, 65535, 65536, 65537, 1 << 20];
const clientClose = [4000, "client's reason"];
const serverClose = [4504, "server's reason"];

const fail = (why) => { console.error("ws-client:", why); process.exit(1); };

function messages() {
  return sizes.flatMap((n, i) => [true, false].map((text) => {
    const data = Buffer.alloc(n);
    for (let j = 0; j < n; j++) data[j] = text ? 97 + ((i + j) % 26) : (i + j) % 256;
    return { data, text };
  }));
}

const open = (url) => new Promise((resolve, reject) => {
  const s = new WebSocket(url, ["sente-lite.token.abc", "sente-lite"]);
  s.on("error", reject);
  s.on("open", () => (s.protocol === "sente-lite" ? resolve(s) : reject(new Error(`subprotocol ${s.protocol}`))));
});

async function exchange(url) {
  const s = await open(url);
  const ms = messages();
  await new Promise((resolve, reject) => {
    let i = 0;
    s.on("message", (data, binary) => {
      const m = ms[i >> 1];
      if (binary === m.text || !data.equals(m.data)) reject(new Error(`message ${i}: ${data.length} bytes, not ${m.data.length}`));
      if (++i === 2 * ms.length) s.ping("p");
    });
    s.on("pong", resolve);
    s.on("close", (code) => reject(new Error(`closed ${code}`)));
    for (const m of ms) {
      s.send(m.text ? m.data.toString() : m.data);
      const half = m.data.length >> 1; // and in two fragments
      s.send(m.data.subarray(0, half), { binary: !m.text, fin: false });
      s.send(m.data.subarray(half), { binary: !m.text, fin: true });
    }
  });
  s.removeAllListeners("close");
  s.terminate();
}

async function closes(url, start, [code, reason]) {
  const s = await open(url);
  await new Promise((resolve, reject) => {
    s.on("close", (c, r) => (c === code && r.toString() === reason ? resolve() : reject(new Error(`closed with ${c} ${r}, expected ${code} ${reason}`))));
    start(s);
  });
}

if (process.argv[2] === "-serve") {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" }, () => console.log(`ws://127.0.0.1:${server.address().port}/`));
  server.on("connection", (s) => s.on("message", (data, binary) => {
    if (data.toString() === "close") s.close(...serverClose);
    else s.send(data, { binary });
  }));
} else {
  const url = process.argv[2];
  setTimeout(() => fail("no answer"), 30000).unref();
  try {
    await exchange(url);
    // The peer's answer carries the code that it was sent, without the reason.
    await closes(url, (s) => s.close(...clientClose), [clientClose[0], clientClose[1]]);
    await closes(url, (s) => s.send("close"), serverClose);
    process.exit(0);
  } catch (e) {
    fail(e.message);
  }
}
