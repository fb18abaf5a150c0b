// The handler of the scenario in plain JavaScript, over a Unix socket, in
// frames that hold JSON: node handler.mjs SOCKET. handler.cljs says the rest.

import {readFileSync} from "node:fs";
import {connect} from "node:net";

const names = {}; // "<one>" → uid
const calls = new Map();
let awaited = {};
let opening;

const out = (line) => console.log(JSON.stringify(line));
const log = (...what) => out({log: what});

// The protocol: a length of four bytes, then the value.

const socket = connect(process.argv[2]);
function write(text) {
  const body = Buffer.from(text);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  socket.write(Buffer.concat([head, body]));
}
const say = (value) => write(JSON.stringify(value));
let kept = Buffer.alloc(0);
socket.on("data", (chunk) => {
  kept = Buffer.concat([kept, chunk]);
  for (let end; kept.length >= 4 && kept.length >= (end = 4 + kept.readUInt32BE()); kept = kept.subarray(end)) {
    take(kept.toString("utf8", 4, end));
  }
});
socket.on("close", () => process.exit(0));
write("[:sente-lite/hello {:handler true :packer :json}]"); // this one and its answer are EDN

function take(text) {
  if (text.startsWith("[:sente-lite/ready")) {
    names["<handler>"] = /:uid "([^"]+)"/.exec(text)[1];
    log("ready", names["<handler>"]);
    out({url: /"(http:[^"]+)"/.exec(text)[1]});
    return void run();
  }
  const value = JSON.parse(text);
  if (value[0] === "chsk/reply") calls.get(value[1])(value[2]);
  else if (Array.isArray(value[0])) takeEvent(...value);
  else takeEvent(value);
}

function takeEvent(event, cb) {
  const [id, data] = event;
  log(cb ? "called" : "got", event);
  if (id === "sente-lite/open") Object.assign(names, {[`<${opening}>`]: data.uid, [`<${opening}'s client-id>`]: data["client-id"]});
  if (cb) say(["chsk/reply", cb, {asked: data.event[1]}]);
  if (id === awaited.id) awaited.done();
}

const until = (id) => new Promise((done) => { awaited = {id, done}; });

async function run() {
  for (const written of JSON.parse(readFileSync(new URL("scenario.json", import.meta.url), "utf8"))) {
    let text = JSON.stringify(written);
    for (const [name, id] of Object.entries(names)) text = text.replaceAll(name, id);
    const step = JSON.parse(text);
    if (step.open) {
      opening = step.open;
      const there = until("sente-lite/open");
      out({open: opening});
      await there;
    } else if (step.await) await until(step.await);
    else if (step.say) {
      log("say", step.say);
      say(step.say);
    } else {
      const cb = String(calls.size);
      const reply = new Promise((done) => calls.set(cb, done));
      log("call", step.call);
      say([step.call, cb]);
      log("reply", await reply);
    }
  }
  out({done: true});
  socket.end();
}
